"""
Fields whose names were chosen to fall on each other in a hash table: a worker must not spend minutes
on the environment of one request while all of its other clients wait.
"""

import itertools
import time

import pytest

from harness import SLOW
from http_client import request_bytes

N = 30_000
BITS = 18  # of the hash; more than any table for N names looks at
LOWER = b"abcdefghijklmnopqrstuvwxyz"


def colliding(n, seed, bits=BITS):
    """Names with the same low bits of FNV-1a behind `seed`, met in the middle."""
    mask = (1 << bits) - 1
    prime = 16777619 & mask
    inverse = pow(prime, -1, 1 << bits)

    def forward(state, data):
        for byte in data:
            state = (state ^ byte) * prime & mask
        return state

    tails = {}
    for tail in itertools.product(LOWER, repeat=3):
        state = 0
        for byte in reversed(tail):
            state = (state * inverse & mask) ^ byte
        tails.setdefault(state, []).append(bytes(tail).decode())
    start = forward(2166136261 & mask, seed)
    names = (
        head.decode() + tail
        for head in map(bytes, itertools.product(b"X", LOWER, LOWER, LOWER, LOWER))
        for tail in tails.get(forward(start, head if seed else head.lower()), ())
    )
    return list(itertools.islice(names, n))


@pytest.mark.serial
@pytest.mark.parametrize("mode, seed", [("classic", b"Http_"), ("streaming", b"Http_"), ("cgi", b"Http_"), ("cgi", b"")])
def test_names_that_collide(watchdog, scratch, mode, seed):
    (scratch / "head").write_bytes(b"Status: 200\n\n")
    w = watchdog(f"cat {scratch}/head", mode=mode, workers="1")
    flood = colliding(N, seed)
    assert len(set(flood)) == N
    plain = [f"X{i:07d}" for i in range(N)]

    def seconds(names):
        raw = request_bytes(fields=[(name, "") for name in names])
        began = time.monotonic()
        with w.connect() as c:
            c.send(raw)
            assert c.answer().status == 200
        return time.monotonic() - began

    usual = min(seconds(plain) for _ in range(3))
    assert seconds(flood) < 10 * usual + 0.5 * SLOW
