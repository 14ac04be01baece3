"""
Prints what it reads in pieces, each when the one before it was taken from the pipe, so that nobody
gets two of them at once.

    python3 pieces.py BYTES    pieces of that size
    python3 pieces.py          two pieces, the first of as many bytes as the request's query says
"""

import array
import fcntl
import os
import select
import sys
import termios

reader_gone = select.poll()
reader_gone.register(1, 0)


def say(piece):
    os.write(1, piece)
    left = array.array("i", [1])
    while left[0]:
        fcntl.ioctl(1, termios.FIONREAD, left)
        if left[0] and reader_gone.poll(1):
            sys.exit("nobody reads")


data = sys.stdin.buffer.read()
if len(sys.argv) > 1:
    size = int(sys.argv[1])
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
else:
    cut = int(os.environ["Http_Query"])
    pieces = [data[:cut], data[cut:]]
for piece in pieces:
    if piece:
        say(piece)
