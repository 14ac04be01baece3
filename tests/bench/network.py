"""A network of one's own, in which TCP sends as fast as it can.

With bbr, the default of some machines, the kernel paces what is sent: timers decide about bytes per second on the
loopback interface then, not the servers.
"""

import ctypes
import fcntl
import socket
import struct
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
UNPACED = "reno"  # every kernel has it and lets every network choose it


def enter():
    """This process and what it will start, if it may. The name of the congestion control that rules now."""
    if ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0:
        with socket.socket() as s:
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
        CONGESTION_CONTROL.write_text(UNPACED, encoding="ascii")
    return CONGESTION_CONTROL.read_text(encoding="ascii").strip()
