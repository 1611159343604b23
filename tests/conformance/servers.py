"""Pods that answer with their name, over TCP (HTTP) and UDP, and pods that ask."""

from labsite import wait_for
from podkit import pod

PORT = 8080
IMAGE = "webhook:1"  # for its Python
SERVER = f"""
import http.server, os, socket, socketserver, threading
name = os.environ["HOSTNAME"].encode()
class Http(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)
class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(name, self.client_address)
threading.Thread(target=socketserver.UDPServer(("", {PORT}), Udp).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("", {PORT}), Http).serve_forever()
"""
# Arguments: protocol, host, port, how often; says each answer, or why there is none.
ASK = """
import socket, sys, urllib.request
protocol, host, port, times = sys.argv[1:]
for i in range(int(times)):
    try:
        if protocol == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(2)
                s.connect((host, int(port)))
                s.send(b"who")
                print(s.recv(100).decode())
        else:
            print(urllib.request.urlopen(f"http://{host}:{port}/hostname", timeout=2).read().decode())
    except OSError as e:
        print("error", e)
"""


def server(**more):
    return {"name": "c", "image": IMAGE, "command": ["python3", "-uc", SERVER],
            "env": [{"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1}} | more


def serving(name, label=None, container=None, **spec):
    made = pod(name, server(**(container or {})), terminationGracePeriodSeconds=0, **spec)
    made["metadata"]["labels"] = {"app": label or name}
    return made


def asking(name="visitor", **spec):
    return pod(name, {"name": "c", "image": IMAGE, "command": ["sleep", "100000"]}, terminationGracePeriodSeconds=0, **spec)


def ask(batch, host, port=PORT, protocol="http", times=1, visitor="visitor"):
    """The answers that a pod gets."""
    return batch.kubectl("exec", visitor, "--", "python3", "-c", ASK, protocol, host, str(port), str(times)).splitlines()


def answers(batch, host, port=PORT, protocol="http", visitor="visitor", well=True, seconds=30):
    """Waits until somebody answers (or nobody any more); the last answer."""
    def one():
        said, = ask(batch, host, port, protocol, visitor=visitor)
        return said if said.startswith("error") != well else None
    return wait_for(f"{protocol} to {host}:{port} to be {'answered' if well else 'in vain'}", seconds, one)
