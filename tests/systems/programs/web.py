"""A small HTTP/1.1 server with WebSockets: what the stand-ins need and no more.

Ends as a good pod does: on SIGTERM it says "not ready" and goes on serving for a moment (those who send requests learn
of it a little later), then takes no more connections and finishes the requests it has.
"""

import asyncio
import base64
import hashlib
import json
import signal
import struct
import sys
import urllib.parse

LIMIT = 1 << 20  # of a head, and of a body
LINGER_SECONDS, FINISH_SECONDS = 3, 20
REASONS = {101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently",
           400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Payload Too Large",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}


class Request:
    def __init__(self, method, target, headers, body, peer):
        parts = urllib.parse.urlsplit(target)
        self.method, self.target, self.headers, self.body, self.peer = method, target, headers, body, peer
        self.path = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query))

    def json(self):
        found = json.loads(self.body or b"{}")
        if not isinstance(found, dict):
            raise ValueError("want a JSON object")
        return found


class Answer(Exception):
    """A status and a body; may be raised from any depth."""

    def __init__(self, status, body, **headers):
        super().__init__(status)
        self.status, self.headers = status, {k.replace("_", "-"): v for k, v in headers.items()}
        if isinstance(body, bytes):
            self.body = body
        elif isinstance(body, str):
            self.body = body.encode()
            self.headers.setdefault("Content-Type", "text/html; charset=utf-8")
        else:
            self.body = json.dumps(body, ensure_ascii=False, default=str).encode() + b"\n"
            self.headers.setdefault("Content-Type", "application/json")


class Socket:
    """The server's end of a WebSocket (RFC 6455)."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, text, opcode=1):
        data = text.encode() if isinstance(text, str) else text
        n = len(data)
        head = struct.pack("!BB", 0x80 | opcode, n) if n < 126 else struct.pack("!BBH", 0x80 | opcode, 126, n)
        self.writer.write(head + data)
        await self.writer.drain()

    async def receive(self):
        """The next text, or None at the end."""
        while True:
            first, second = await self.reader.readexactly(2)
            n = second & 0x7F
            if n >= 126:
                n = int.from_bytes(await self.reader.readexactly(2 if n == 126 else 8), "big")
            if n > LIMIT:
                return None
            mask = await self.reader.readexactly(4) if second & 0x80 else bytes(4)
            data = bytes(b ^ mask[i % 4] for i, b in enumerate(await self.reader.readexactly(n)))
            if first & 15 == 8:
                await self.send(data[:2], 8)
                return None
            if first & 15 == 9:
                await self.send(data, 10)
            elif first & 15 in (1, 2):
                return data.decode(errors="replace")


class Server:
    """@handle(request) returns an Answer; @on_socket(request, socket) serves a WebSocket at /ws to its end."""

    def __init__(self, handle, on_socket=None):
        self.handle, self.on_socket = handle, on_socket
        self.ending, self.busy, self.connections, self.served = False, 0, set(), 0

    async def run(self, port, extra=()):
        """Serves until SIGTERM; @extra are things with close(), closed with the port."""
        asked_to_end = asyncio.Event()
        for which in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(which, asked_to_end.set)
        listening = await asyncio.start_server(self._connection, "0.0.0.0", port, limit=LIMIT, backlog=512)
        print(f"listening on {port}", flush=True)
        await asked_to_end.wait()
        self.ending = True
        print("asked to end", flush=True)
        await asyncio.sleep(LINGER_SECONDS)
        listening.close()
        for one in extra:
            one.close()
        for _ in range(FINISH_SECONDS * 20):
            if not self.busy:
                break
            await asyncio.sleep(0.05)
        print(f"served {self.served} requests, {self.busy} unfinished", flush=True)
        sys.stdout.flush()

    async def _connection(self, reader, writer):
        self.connections.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()

    async def _one(self, reader, writer):
        """One request; true when another may follow."""
        try:
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 120)).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        self.busy += 1
        try:
            lines = head.split("\r\n")
            method, target, version = lines[0].split(" ")
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await self._body(reader, headers)
            request = Request(method, target, headers, body, writer.get_extra_info("peername"))
            if headers.get("upgrade", "").lower() == "websocket" and self.on_socket:
                return await self._upgrade(request, reader, writer)
            keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
            answer = await self._answer(request)
            keep = keep and not self.ending
            self._write(writer, answer, method, keep)
            await writer.drain()
            self.served += 1
            return keep
        except ValueError:
            self._write(writer, Answer(400, {"error": "not an HTTP request"}), "GET", False)
            return False
        finally:
            self.busy -= 1

    async def _body(self, reader, headers):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            parts, total = [], 0
            while n := int((await reader.readline()).split(b";")[0], 16):
                total += n
                if total > 128 * LIMIT:
                    raise ValueError
                part = await reader.readexactly(n)
                await reader.readline()
                parts.append(part if total <= LIMIT else b"")
            await reader.readline()
            return b"".join(parts)
        left, parts = int(headers.get("content-length", 0)), []
        while left > 0:
            part = await reader.read(min(left, LIMIT))
            if not part:
                raise ConnectionError
            left -= len(part)
            parts = parts + [part] if len(parts) < 16 else parts  # a large body is counted, not kept
        return b"".join(parts)

    async def _answer(self, request):
        try:
            return await self.handle(request)
        except Answer as answer:
            return answer
        except (ValueError, KeyError) as e:
            return Answer(400, {"error": f"{type(e).__name__}: {e}"})
        except Exception as e:  # a store that is away, a neighbour that does not answer
            print(f"{request.method} {request.target}: {type(e).__name__}: {e}", flush=True)
            return Answer(500, {"error": f"{type(e).__name__}: {e}"})

    @staticmethod
    def _write(writer, answer, method, keep):
        headers = {"Content-Length": str(len(answer.body)), **answer.headers, "Connection": "keep-alive" if keep else "close"}
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body))

    async def _upgrade(self, request, reader, writer):
        key = request.headers.get("sec-websocket-key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        await writer.drain()
        self.busy -= 1  # a socket may stay for an hour: it is no unfinished request
        try:
            await self.on_socket(request, Socket(reader, writer))
        finally:
            self.busy += 1
        return False


async def fetch(method, url, body=None, seconds=10):
    """(status, JSON or text) from another service."""
    parts = urllib.parse.urlsplit(url)
    data = b"" if body is None else json.dumps(body, ensure_ascii=False, default=str).encode()

    async def talk():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=LIMIT)
        try:
            target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            writer.write((f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
                          f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data)
            head, _, text = (await reader.read(-1)).partition(b"\r\n\r\n")
            return int(head.split(b" ", 2)[1]), text
        finally:
            writer.close()

    status, text = await asyncio.wait_for(talk(), seconds)
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode(errors="replace")
