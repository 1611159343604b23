"""Runs on the client host of the lab: visitor.py ask|load|websocket JSON.  Prints JSON.

`load` goes on until its standard input ends.
"""

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time


def connect(request):
    address, timeout = request["address"], request.get("timeout", 15)
    if not request.get("tls"):
        return http.client.HTTPConnection(address, request.get("port", 80), timeout=timeout)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, request.get("port", 443), timeout=timeout, context=context)
    if "host" in request:  # the name goes into the handshake, too
        connection.sock = context.wrap_socket(socket.create_connection((address, request.get("port", 443)), timeout),
                                              server_hostname=request["host"])
    return connection


def send(connection, request):
    headers = dict(request.get("headers", {}))
    if "host" in request:
        headers["Host"] = request["host"]
    body = request.get("body")
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    connection.request(request.get("method", "GET" if body is None else "POST"), request["path"],
                       body=None if body is None else body.encode(), headers=headers)
    answer = connection.getresponse()
    return {"status": answer.status, "headers": {k.lower(): v for k, v in answer.getheaders()},
            "body": answer.read().decode(errors="replace")}


def one(request):
    connection = connect(request)
    try:
        return send(connection, request)
    except (OSError, http.client.HTTPException) as e:
        return {"failed": f"{type(e).__name__}: {e}"}
    finally:
        connection.close()


def ask(requests):
    return [one(r) for r in requests]


def load(request):
    """Each visitor keeps its connection, as browsers do, and asks again as soon as it was answered (and a little later)."""
    going, lock = threading.Event(), threading.Lock()
    told = {"answered": 0, "failed": [], "slowest": 0.0, "by": {}}
    wanted = request.get("status", 200)
    pause = request.get("pause", 0.01)

    def visit():
        connection = None
        while not going.is_set():
            begun = time.monotonic()
            try:
                fresh = connection is None
                connection = connection or connect(request)
                answer = send(connection, request)
                if answer["status"] != wanted:
                    raise ValueError(f"{answer['status']} {answer['body'][:200]}")
                by = " ".join(answer["headers"].get("x-served-by", "? ?").split()[:2])
                with lock:
                    told["answered"] += 1
                    told["slowest"] = max(told["slowest"], time.monotonic() - begun)
                    told["by"][by] = told["by"].get(by, 0) + 1
                if answer["headers"].get("connection", "").lower() == "close":
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException, ValueError) as e:
                connection.close()
                connection = None
                # A connection that was closed while it rested is no failed request: browsers ask again, too.
                if fresh or not isinstance(e, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
                    with lock:
                        told["failed"].append(f"{time.monotonic() - start:.2f} s: {type(e).__name__}: {e}")
                    time.sleep(0.05)
            time.sleep(pause)

    start = time.monotonic()
    threads = [threading.Thread(target=visit) for _ in range(request["n"])]
    for t in threads:
        t.start()
    sys.stdin.read()
    going.set()
    for t in threads:
        t.join()
    told["seconds"] = time.monotonic() - start
    return told


def websocket(request):
    """A WebSocket client in few words: text frames, no extensions (RFC 6455)."""
    connection = connect(request)
    connection.connect() if connection.sock is None else None
    sock = connection.sock
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f"GET {request['path']} HTTP/1.1\r\nHost: {request.get('host', request['address'])}\r\n"
                  f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
                  ).encode())
    stream = sock.makefile("rb")
    status = stream.readline().decode().strip()
    while stream.readline().strip():
        pass
    heard = []
    if " 101 " in status + " ":
        heard.append(receive(stream))
        for word in request["say"]:
            if word is request["say"][-1] and request["idle"]:
                time.sleep(request["idle"])
            payload, mask = word.encode(), os.urandom(4)
            sock.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
            heard.append(receive(stream))
    sock.close()
    return {"status": status, "heard": heard}


def receive(stream):
    """The next text; None when it ends."""
    while head := stream.read(2):
        length = head[1] & 0x7f
        if length == 126:
            length = struct.unpack(">H", stream.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", stream.read(8))[0]
        data = stream.read(length)
        if head[0] & 0x0f == 1:
            return data.decode()
        if head[0] & 0x0f == 8:
            return None
    return None


if __name__ == "__main__":
    print(json.dumps({"ask": ask, "load": load, "websocket": websocket}[sys.argv[1]](json.loads(sys.argv[2]))))
