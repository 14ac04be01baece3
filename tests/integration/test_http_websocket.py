"""
mode=http: WebSocket with a client and a server that people use, python3-websockets and node-ws. What a
tunnel is made of is in test_http_tunnel.py; here both ends check every frame, mask and close.
"""

import asyncio
import os

import pytest

from harness import PATIENCE, eventually, need_program
from test_http_real import NODE_MODULES, Node, NodeUnix

websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")


@pytest.fixture(params=[Node, NodeUnix], ids=lambda kind: kind.__name__.lower())
def start(request, scratch, watchdog):
    need_program("node")
    if not os.path.isdir(f"{NODE_MODULES}/ws"):
        pytest.skip("the package node-ws is not installed")

    def run(**changes):
        return request.param(scratch).start(watchdog, **changes)

    return run


def talk(w, conversation, **options):
    """Runs conversation(socket) with a connected client."""

    async def client():
        url = f"ws://127.0.0.1:{w.port}/ws?room=1"
        async with websockets.connect(url, max_size=64 << 20, close_timeout=PATIENCE, **options) as socket:
            await conversation(socket)

    asyncio.run(asyncio.wait_for(client(), 2 * PATIENCE))


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo(start, compression):
    async def conversation(socket):
        assert bool(socket.extensions) == bool(compression)
        for data in ("hello", "", "caf\xe9 \u4e16\u754c", b"", b"\x00\xff", os.urandom(125), os.urandom(126),
                     os.urandom(65_535), os.urandom(65_536), os.urandom(1 << 20), "x" * (1 << 20)):  # fmt: skip
            await socket.send(data)
            assert await socket.recv() == data

    talk(start(), conversation, compression=compression)


def test_message_in_pieces(start):
    async def conversation(socket):
        await socket.send([b"one ", b"", b"two ", b"three" * 50_000])
        assert await socket.recv() == b"one two " + b"three" * 50_000

    talk(start(), conversation)


def test_both_ways_at_once(start):
    messages = [os.urandom(i * 997) for i in range(200)]

    async def conversation(socket):
        async def say():
            for message in messages:
                await socket.send(message)

        saying = asyncio.create_task(say())
        for message in messages:
            assert await socket.recv() == message
        await saying

    talk(start(), conversation)


def test_pings_of_both_sides(start):
    async def conversation(socket):
        await asyncio.wait_for(await socket.ping(b"there?"), PATIENCE)
        await socket.send("ping me")
        assert await socket.recv() == "pong: are you there?"

    talk(start(), conversation)


def test_subprotocol(start):
    async def conversation(socket):
        assert socket.subprotocol == "echo"

    talk(start(), conversation, subprotocols=["other", "echo"])


def test_client_closes(start):
    async def conversation(socket):
        await socket.send("a")
        assert await socket.recv() == "a"
        await socket.close(4001, "enough")
        assert (socket.close_code, socket.close_reason) == (4001, "enough")

    w = start()
    talk(w, conversation)
    w.wait_for_log(r"^GET /ws\?room=1 - 101 - Bytes: ")


@pytest.mark.parametrize("code", [1000, 1011, 4999])
def test_function_closes(start, code):
    async def conversation(socket):
        await socket.send(f"close {code}")
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (code, "as you like")

    talk(start(), conversation)


def test_refusal_is_the_functions(start):
    w = start()

    async def client():
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await websockets.connect(f"ws://127.0.0.1:{w.port}/nothing")
        assert refused.value.status_code == 400

    asyncio.run(asyncio.wait_for(client(), PATIENCE))
    assert w.call("GET", "/hello").body == b"hello"


def test_many_at_once(start):
    w = start(workers="2")

    async def one(name):
        async with websockets.connect(f"ws://127.0.0.1:{w.port}/ws") as socket:
            for i in range(20):
                await socket.send(f"{name}.{i}")
                assert await socket.recv() == f"{name}.{i}"

    async def everyone():
        await asyncio.gather(*[one(name) for name in range(50)])

    asyncio.run(asyncio.wait_for(everyone(), 2 * PATIENCE))
    eventually(lambda: not w.zombies(), "nothing is left")
    assert w.call("GET", "/hello").body == b"hello"


def test_ends_when_draining_begins(start):
    w = start(write_timeout="600s")

    async def conversation(socket):
        await socket.send("a")
        assert await socket.recv() == "a"
        w.send_signal(15)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()

    talk(w, conversation)
    w.ended()
