"""One program for all stand-in applications: which one it is says SERVICE, how it behaves says services.json.

Every one has:  /  a front page,  /version,  /health and what else the table names,  /echo/...  what came in,
/burn?ms=  processor time,  /slow?ms=  time,  /hog?mb=  memory,  /crash  an end,  /env?name=  a variable,  /metrics.
Every answer carries X-Served-By (service, version, pod) and X-Seen-Path (the target as it arrived here).
"""

import asyncio
import html
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import stores  # noqa: E402
import systems  # noqa: E402
import web  # noqa: E402

QUIET = ("/health", "/actuator", "/api/health", "/metrics")


class Service:
    def __init__(self, name, table, env=os.environ):
        self.name, self.table, self.env = name, table, env
        self.version = env.get("VERSION", "latest")
        self.pod = env.get("HOSTNAME", "")
        self.port = int(next((env[n] for n in table.get("port_from", []) if env.get(n, "").isdigit()), table["port"]))
        self.store = stores.open_store(table.get("store", "memory"), env, table.get("memory_when_external", False))
        self.tasks, self.hogs = set(), []
        self.server = web.Server(self.handle, self.socket)
        self.routes = {}  # (method, path) -> function(request)
        self.special = systems.KINDS[table["kind"]](self) if "kind" in table else None
        self.sockets = {}  # id -> set of web.Socket

    # --- requests

    async def handle(self, request):
        answer = await self._handle(request)
        answer.headers.setdefault("X-Served-By", f"{self.name} {self.version} {self.pod}")
        answer.headers.setdefault("X-Seen-Path", request.target)
        if not request.path.startswith(QUIET):
            print(f"{request.method} {request.target} {answer.status}", flush=True)
        return answer

    async def _handle(self, request):
        if request.path in self.table["health"]:
            return self.health(request)
        common = getattr(self, "page_" + request.path.strip("/").split("/")[0].replace("-", "_"), None)
        if request.path == "/":
            return self.front(request)
        if found := self.routes.get((request.method if request.method != "HEAD" else "GET", request.path)):
            return await found(request)
        if answer := await self.collection(request):
            return answer
        if self.table.get("chain", {}).get("path") == request.path:
            return await self.chain(request)
        if common:
            return await common(request)
        return web.Answer(404, {"error": "no such page", "path": request.path, "service": self.name})

    def health(self, request):
        code = int(self.env.get("READY_STATUS") or self.table.get("ready_status", 200))
        if request.path.endswith(("/ready", "/readiness")) and (code != 200 or self.server.ending):
            return web.Answer(code if code != 200 else 503, {"status": "DOWN"})
        words = {"UP": "UP"}.get(self.table.get("health_word"), "healthy")
        return web.Answer(200, {"status": words, "service": self.name, "version": self.version})

    def front(self, request):
        name, version, pod = map(html.escape, (self.name, self.version, self.pod))
        return web.Answer(200, f"<!doctype html><title>{name}</title><h1>{name}</h1><p>version {version}, pod {pod}</p>\n")

    async def collection(self, request):
        """GET, POST /things; GET, PUT, DELETE /things/7."""
        for path, collection in self.table.get("collections", {}).items():
            if request.path == path or request.path == path + "/":
                if request.method == "POST":
                    which = await self.store.add(collection, request.json())
                    return web.Answer(201, {**await self.store.get(collection, which), "kept": self.store.kind})
                return web.Answer(200, await self.store.list(collection), X_Kept=self.store.kind)
            rest = request.path.removeprefix(path + "/")
            if rest != request.path and rest.isdigit():
                return await self.member(request, collection, int(rest))
        return None

    async def member(self, request, collection, which):
        if request.method == "DELETE":
            done = await self.store.remove(collection, which)
            return web.Answer(204 if done else 404, b"")
        if request.method in ("PUT", "PATCH"):
            doc = await self.store.change(collection, which, request.json())
        else:
            doc = await self.store.get(collection, which)
        return web.Answer(200, doc) if doc else web.Answer(404, {"error": "not found", "id": which})

    async def chain(self, request):
        """Keeps what came, hands it to the next service, answers what that answered with this stage before it."""
        chain, doc = self.table["chain"], request.json()
        which = await self.keep(chain["stage"], doc)
        stages = [{"stage": chain["stage"], "id": which, "kept": self.store.kind if which else "no", "by": self.pod}]
        following = self.env.get(chain.get("next", ""))
        if following:
            try:
                status, answer = await web.fetch("POST", following, doc, seconds=15)
            except (OSError, asyncio.TimeoutError) as e:
                await self.report(f"{following}: {type(e).__name__} {e}")
                return web.Answer(502, {"error": f"{following} does not answer", "stages": stages})
            if status >= 300:
                await self.report(f"{following}: {status}")
                return web.Answer(502, {"error": answer, "stages": stages})
            stages += answer["stages"]
        return web.Answer(201, {"stages": stages, "document": doc})

    async def keep(self, collection, doc):
        """The id, or None when the database refuses: a report goes on and the trouble is told."""
        try:
            return await self.store.add(collection, doc)
        except Exception as e:
            await self.report(f"{self.name} cannot keep a record: {type(e).__name__}: {e}")
            return None

    async def report(self, text):
        print(text.strip(), flush=True)
        where = self.env.get("ERROR_MONITOR_MODULE_URL")
        if where:
            try:
                await web.fetch("POST", where, {"service": self.name, "message": text.strip()}, seconds=3)
            except (OSError, asyncio.TimeoutError, ValueError):
                pass

    # --- the pages that all have

    async def page_version(self, request):
        return web.Answer(200, {"service": self.name, "version": self.version, "pod": self.pod})

    async def page_echo(self, request):
        return web.Answer(200, {"method": request.method, "target": request.target, "path": request.path, "query": request.query,
                                "headers": request.headers, "bytes": len(request.body), "service": self.name, "pod": self.pod})

    async def page_burn(self, request):
        end = time.thread_time() + min(int(request.query.get("ms", 100)), 10000) / 1000
        while time.thread_time() < end:
            slice_end = time.thread_time() + 0.005
            while time.thread_time() < slice_end:
                pass
            await asyncio.sleep(0)  # others want to be answered too
        return web.Answer(200, {"burnt": request.query.get("ms", 100), "pod": self.pod})

    async def page_slow(self, request):
        await asyncio.sleep(min(int(request.query.get("ms", 1000)), 3600000) / 1000)
        return web.Answer(200, {"waited": request.query.get("ms", 1000), "pod": self.pod})

    async def page_hog(self, request):
        self.hogs.append(bytearray(b"x" * (int(request.query.get("mb", 1)) << 20)))
        return web.Answer(200, {"held_mb": sum(map(len, self.hogs)) >> 20})

    async def page_crash(self, request):
        print("asked to crash", file=sys.stderr, flush=True)
        os._exit(int(request.query.get("code", 1)))

    async def page_env(self, request):
        name = request.query.get("name", "")
        return web.Answer(200, {"name": name, "value": self.env.get(name)})

    async def page_metrics(self, request):
        return web.Answer(200, f'requests_total{{service="{self.name}"}} {self.server.served}\n'.encode(),
                          Content_Type="text/plain; version=0.0.4")

    # --- WebSockets: /ws?id=X; what is sent to X arrives, what X sends comes back

    async def socket(self, request, socket):
        who = request.query.get("id", "")
        self.sockets.setdefault(who, set()).add(socket)
        print(f"websocket {request.target} open", flush=True)
        try:
            await socket.send(json.dumps({"connected": who, "path": request.target, "pod": self.pod}))
            while (text := await socket.receive()) is not None:
                await socket.send(json.dumps({"echo": text, "pod": self.pod}))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.sockets[who].discard(socket)
            print(f"websocket {request.target} closed", flush=True)

    async def tell(self, who, doc):
        """How many sockets of this pod heard it."""
        heard = 0
        for socket in list(self.sockets.get(str(who), ())):
            try:
                await socket.send(json.dumps(doc, default=str))
                heard += 1
            except ConnectionError:
                pass
        return heard

    # --- life

    def background(self, coroutine):
        """Kept alive: a failure is told and it is tried again."""
        async def forever(make):
            while True:
                try:
                    await make()
                except Exception as e:
                    print(f"{self.name}: {type(e).__name__}: {e}", flush=True)
                await asyncio.sleep(1)
        self.tasks.add(asyncio.get_running_loop().create_task(forever(coroutine)))

    async def run(self):
        print(f"{self.name} {self.version}, records in {self.store.kind}", flush=True)
        extra = []
        if self.special:
            extra = await self.special.start() or []
        await self.server.run(self.port, extra)


def main():
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "services.json")) as f:
        tables = json.load(f)
    name = os.environ.get("SERVICE", "")
    if name not in tables:
        sys.exit(f"SERVICE={name}: there are {', '.join(tables)}")
    asyncio.run(Service(name, tables[name]).run())
    os._exit(0)  # threads of drivers may hang in a database that is away


if __name__ == "__main__":
    main()
