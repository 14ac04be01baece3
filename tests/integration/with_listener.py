"""
Runs a program as a service manager does that has opened its socket, sd_listen_fds(3):

    with_listener.py LISTEN_PID LISTEN_FDS COMMAND...

LISTEN_PID "self" is the program's own process. Descriptor 3 is a socket that listens on 127.0.0.1, or, with
LISTEN_FDS=file, an empty file and LISTEN_FDS is 1. Its port is printed to stderr as "Passed port: N".
"""

import os
import socket
import sys

pid, count, *command = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
print("Passed port:", listener.getsockname()[1], file=sys.stderr, flush=True)
fd = os.open("/dev/null", os.O_RDWR) if count == "file" else listener.detach()
if fd != 3:
    os.dup2(fd, 3)
    os.close(fd)
os.set_inheritable(3, True)
os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "self" else pid
os.environ["LISTEN_FDS"] = "1" if count == "file" else count
os.environ["LISTEN_FDNAMES"] = "http"
os.execvp(command[0], command)
