"""What comes over UDP goes back; a line is printed for each, so that `kubectl logs` shows it."""

import os
import signal
import socket
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", int(os.environ.get("UDP_PORT", "2000"))))
    print("listening on", s.getsockname()[1], flush=True)
    while True:
        data, peer = s.recvfrom(65536)
        print(f"{len(data)} bytes from {peer[0]}", flush=True)
        s.sendto(data, peer)
