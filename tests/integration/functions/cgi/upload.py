"""
A CGI program in Python: takes a multipart form apart and says what is in it, a line for each part. With CONTENT_LENGTH
it reads so many bytes and no end of file, as CGI/1.1 has it; without, up to the end.
"""

import hashlib
import os
import re
import sys

length = os.environ.get("CONTENT_LENGTH")
body = sys.stdin.buffer.read() if length is None else sys.stdin.buffer.read(int(length))
boundary = re.search(r'boundary="?([^";]+)"?', os.environ["CONTENT_TYPE"]).group(1).encode()

lines = [f"length {length}"]
parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
assert parts[0] == b"" and parts[-1] == b"--\r\n", "not a whole form"
for part in parts[1:-1]:
    head, data = part.split(b"\r\n\r\n", 1)
    name = re.search(rb' name="([^"]*)"', head).group(1).decode()
    lines.append(f"{name} {len(data)} {hashlib.sha256(data).hexdigest()}")
text = "".join(line + "\n" for line in lines)
print("Status: 201 Created\nContent-Type: text/plain\n")
print(text, end="")
