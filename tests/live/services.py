"""Real programs in instances: a bulk TCP service, its client, and one who tries.

``SERVER address l4_port``, ``CLIENT address l4_port bytes``, ``TRY address l4_port``.
"""

import contextlib
import sys

SERVER = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family) as s:
    print("listening", flush=True)
    c, _ = s.accept()
    with c:
        digest, total = hashlib.sha256(), 0
        while data := c.recv(1 << 16):
            digest.update(data); total += len(data)
        c.sendall(f"{total} {digest.hexdigest()}".encode().ljust(1 << 20))
print("served", flush=True)
"""
CLIENT = """
import hashlib, random, socket, sys
data = random.Random(1).randbytes(int(sys.argv[3]))
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as s:
    s.sendall(data); s.shutdown(socket.SHUT_WR)
    answer = b""
    while more := s.recv(1 << 16):
        answer += more
total, digest = answer.split()[:2]
assert len(answer) == 1 << 20, len(answer)
assert int(total) == len(data) and digest.decode() == hashlib.sha256(data).hexdigest()
print("intact")
"""
TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5)
    print("connected")
except TimeoutError:
    print("silence")
except OSError as error:
    print(error)
"""


@contextlib.contextmanager
def service(lab, port, *argv):
    child = lab.spawn_at(port, [sys.executable, "-u", "-c", *argv])
    try:
        yield child
    finally:
        child.kill()


def said(lab, port, *argv):
    with service(lab, port, *argv) as child:
        out = child.stdout.read().strip()
        return out or child.last_words()
