"""One call of function/handler.py: the request's body on stdin, the answer on stdout, everything else on stderr."""

import json
import os
import sys

# What the handler prints, and what programs that it starts print, is a log and no part of the answer.
answer = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
sys.stdout.reconfigure(line_buffering=True)

from function.handler import handle  # noqa: E402


def encode(value):
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, allow_nan=False).encode()


answer.write(encode(handle(sys.stdin.buffer.read())))
answer.close()
