"""
without_call.py NAME ERROR PROGRAM ARGUMENT...

Becomes PROGRAM where a system call fails: openat2(2) with ENOSYS like on an old kernel, with EPERM
like in a container that filters calls; sendfile(2) with EINVAL like from some file systems.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {"openat2": 437, "sendfile": 40 if platform.machine() == "x86_64" else 71}
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_NO_NEW_PRIVS = 38
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def prctl(option, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *arguments, *[ctypes.c_long(0)] * (4 - len(arguments))):
        raise OSError(ctypes.get_errno(), "prctl")


name, error, *command = sys.argv[1:]
code = b"".join(
    struct.pack("=HBBI", *row)
    for row in (
        (LOAD, 0, 0, 0),  # the number of the call
        (JUMP_IF_EQUAL, 0, 1, NUMBERS[name]),
        (RETURN, 0, 0, FAIL | getattr(errno, error)),
        (RETURN, 0, 0, ALLOW),
    )
)
program = Program(len(code) // 8, code)
prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_long(1))
prctl(PR_SET_SECCOMP, ctypes.c_long(SECCOMP_MODE_FILTER), ctypes.byref(program))
os.execv(command[0], command)
