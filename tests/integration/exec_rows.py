"""
exec_rows.py ROW... -- PROGRAM ARGUMENT...

Becomes PROGRAM with ROWs at the end of its environment: a name a second time, a row without "=",
which no shell and no dict can hold.
"""

import ctypes
import os
import sys


def c_array(rows):
    return (ctypes.c_char_p * (len(rows) + 1))(*rows, None)


end = sys.argv.index("--")
extra = [os.fsencode(row) for row in sys.argv[1:end]]
argv = [os.fsencode(word) for word in sys.argv[end + 1 :]]
rows = [name + b"=" + value for name, value in os.environb.items()]
libc = ctypes.CDLL(None, use_errno=True)
libc.execve(argv[0], c_array(argv), c_array(rows + extra))
raise OSError(ctypes.get_errno(), "execve")
