"""What single stand-in applications do besides keeping records; a row of services.json names one as its "kind".

A kind is made with its service, may add routes, and start() returns what has to be closed at the end.
"""

import asyncio
import json
import os

import stores
import web


class Kind:
    def __init__(self, service):
        self.service, self.env, self.store = service, service.env, service.store

    def route(self, method, path, function):
        self.service.routes[method, path] = function

    async def start(self):
        return []


class Front(Kind):
    """Passes some paths on to other services, whose addresses are in the environment."""

    def __init__(self, service):
        super().__init__(service)
        for path, (variable, target) in service.table["pass"].items():
            for method in ("GET", "POST"):
                self.route(method, path, self.passing(variable, target))

    def passing(self, variable, target):
        async def handle(request):
            where = self.env.get(variable, "") + target
            try:
                status, answer = await web.fetch(request.method, where, request.json() if request.body else None, seconds=20)
            except (OSError, asyncio.TimeoutError) as e:
                return web.Answer(502, {"error": f"{where}: {type(e).__name__} {e}"})
            return web.Answer(status, answer)
        return handle


def kafka_of(env):
    host, _, port = stores.first(env, "SPRING_KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS").split(",")[0].partition(":")
    return (host, int(port or 9092)) if host else None


class Events(Kind):
    """A kind that speaks through the broker; without one, through a line each way to the neighbour's second port."""

    takes, line_port = None, None

    def __init__(self, service):
        super().__init__(service)
        self.broker = kafka_of(self.env)
        self.lines = stores.Lines(*self.broker) if self.broker else None

    async def publish(self, topic, doc):
        if self.lines:
            await self.lines.ask(op="produce", topic=topic, value=json.dumps(doc, default=str))
        else:
            host, _, port = self.neighbour().removeprefix("static://").partition(":")
            await stores.Lines(host, int(port)).ask(op=topic, doc=doc)

    def neighbour(self):
        raise ConnectionError("no broker and no neighbour in the environment")

    async def on_event(self, doc):
        pass

    async def follow(self):
        taking = stores.Lines(*self.broker)
        try:
            while True:
                got = await taking.ask(op="take", topic=self.takes, group=self.service.name, wait_ms=5000, seconds=30)
                if got.get("record"):
                    await self.on_event(json.loads(got["record"]["value"]))
                    await taking.ask(op="done", topic=self.takes, group=self.service.name, offset=got["record"]["offset"])
        finally:
            taking.close()

    async def start(self):
        if self.broker:
            if self.takes:
                self.service.background(self.follow)
            return []
        if not self.line_port:
            return []
        return [await asyncio.start_server(self.line, "0.0.0.0", self.line_port)]

    async def line(self, reader, writer):
        try:
            while line := await reader.readline():
                await self.on_event(json.loads(line)["doc"])
                writer.write(b'{"ok": true}\n')
        except (ConnectionError, ValueError, KeyError):
            pass
        finally:
            writer.close()


class Approvals(Events):
    """A request for approval is kept, then sent to whoever decides; the decision comes back."""

    takes, line_port = "approval-result", 9091

    def __init__(self, service):
        super().__init__(service)
        self.route("POST", "/approvals", self.ask_for)

    def neighbour(self):
        return self.env.get("GRPC_CLIENT_APPROVALPROCESSINGSERVICE_ADDRESS") or super().neighbour()

    async def ask_for(self, request):
        doc = {"requesterId": 1, "approverId": 1, **request.json(), "status": "PENDING"}
        which = await self.store.add("approvals", doc)
        await self.publish("approval-request", {**doc, "id": which})
        return web.Answer(201, {**doc, "id": which, "kept": self.store.kind})

    async def on_event(self, doc):
        await self.store.change("approvals", doc["id"], {"status": doc["status"]})
        where = self.env.get("NOTIFICATION_SERVICE_URL")
        if where:
            try:
                await web.fetch("POST", where + "/notifications", doc, seconds=5)
            except (OSError, asyncio.TimeoutError) as e:
                print(f"notification: {type(e).__name__} {e}", flush=True)


class Processing(Events):
    """What waits for a decision of each approver: GET /process/7, POST /process/7/REQUEST {"status": ...}."""

    takes, line_port = "approval-request", 9090

    def __init__(self, service):
        super().__init__(service)
        self.waiting = {}  # approver -> {id: doc}
        common = service._handle

        async def handle(request):
            parts = request.path.strip("/").split("/")
            if parts[0] == "process" and len(parts) in (2, 3) and all(p.isdigit() for p in parts[1:]):
                return await self.process(request, *map(int, parts[1:]))
            return await common(request)
        service._handle = handle

    def neighbour(self):
        return self.env.get("GRPC_CLIENT_APPROVALREQUESTSERVICE_ADDRESS") or super().neighbour()

    async def on_event(self, doc):
        self.waiting.setdefault(int(doc["approverId"]), {})[int(doc["id"])] = doc

    async def process(self, request, approver, which=None):
        mine = self.waiting.get(approver, {})
        if which is None:
            return web.Answer(200, list(mine.values()))
        if request.method != "POST":
            return web.Answer(200, mine[which]) if which in mine else web.Answer(404, {"error": "not waiting", "id": which})
        # Replicas share the requests among them; the one that is asked may decide about all.
        doc = {**mine.pop(which, {"approverId": approver, "id": which}), "status": request.json().get("status", "APPROVED").upper()}
        await self.publish("approval-result", doc)
        return web.Answer(200, doc)


class Notifications(Kind):
    """POST /notifications {"requesterId": X...} goes to the WebSockets of X, in whichever pod those are: kept in Redis
    when there is one, else this pod's only."""

    def __init__(self, service):
        super().__init__(service)
        self.said = []
        self.route("POST", "/notifications", self.post)
        self.route("GET", "/notifications", self.get)

    async def post(self, request):
        doc = request.json()
        self.said = [*self.said[-99:], doc]
        return web.Answer(201, {"heard": await self.service.tell(doc.get("requesterId", ""), doc), "pod": self.service.pod})

    async def get(self, request):
        return web.Answer(200, self.said)


class Currency(Kind):
    """Rates out of the history table, kept in Redis for a minute; POST writes a new rate."""

    LATEST = ("SELECT h.currency_code, h.deal_base_rate, h.source, h.recorded_at FROM exchange_rate_history h JOIN (SELECT "
              "currency_code c, MAX(id) m FROM exchange_rate_history GROUP BY currency_code) l ON l.m = h.id ORDER BY 1")

    def __init__(self, service):
        super().__init__(service)
        host = self.env.get("REDIS_HOST")
        self.redis = stores.Redis(host, int(self.env.get("REDIS_PORT", 6379))) if host else None
        self.route("GET", "/api/v1/currencies", self.currencies)
        self.route("GET", "/api/v1/currencies/latest", self.latest)
        self.route("POST", "/api/v1/currencies/rates", self.rate)

    async def currencies(self, request):
        rows = await self.store.query("SELECT currency_code, currency_name_en, country_code FROM currencies ORDER BY display_order")
        return web.Answer(200, [{"code": a, "name": b, "country": c} for a, b, c in rows])

    async def latest(self, request):
        if self.redis:
            try:
                if found := await self.redis.ask("GET", "latest"):
                    return web.Answer(200, json.loads(found), X_Cache="hit")
            except ConnectionError as e:
                print(e, flush=True)
        rows = await self.store.query(self.LATEST)
        found = [{"code": a, "rate": float(b), "source": c, "at": str(d)} for a, b, c, d in rows]
        if self.redis:
            try:
                await self.redis.ask("SET", "latest", json.dumps(found), "EX", 60)
            except ConnectionError as e:
                print(e, flush=True)
        return web.Answer(200, found, X_Cache="miss")

    async def rate(self, request):
        doc = request.json()
        which = await insert_rate(self.store, doc["code"], doc["rate"], doc.get("source", "api"))
        if self.redis:
            await self.redis.ask("DEL", "latest")
        return web.Answer(201, {**doc, "id": which})


async def insert_rate(store, code, rate, source):
    return await store.query("INSERT INTO exchange_rate_history (currency_code, currency_name, deal_base_rate, source, recorded_at) "
                             "VALUES (%s, %s, %s, %s, NOW())", (code, code, rate, source))


class History(Kind):
    def __init__(self, service):
        super().__init__(service)
        self.route("GET", "/api/v1/history", self.history)

    async def history(self, request):
        code = request.query.get("currency")
        rows = await self.store.query("SELECT id, currency_code, deal_base_rate, source, recorded_at FROM exchange_rate_history "
                                      "WHERE %s IS NULL OR currency_code = %s ORDER BY id DESC LIMIT 500", (code, code))
        return web.Answer(200, [{"id": a, "code": b, "rate": float(c), "source": d, "at": str(e)} for a, b, c, d, e in rows])


class Ranking(Events):
    """Which country was chosen how often; each choice is an event as well."""

    def __init__(self, service):
        super().__init__(service)
        self.route("GET", "/api/v1/rankings", self.rankings)
        self.route("POST", "/api/v1/rankings/selections", self.select)

    async def rankings(self, request):
        docs = (await self.store.ask("find", "country_selections", filter={}))["docs"]
        found = [{"country": d.get("country_code"), "clicks": d.get("click_count", 0)} for d in docs]
        return web.Answer(200, sorted(found, key=lambda d: (-d["clicks"], str(d["country"]))))

    async def select(self, request):
        country = request.json()["country_code"]
        await self.store.ask("update", "country_selections", filter={"country_code": country},
                             update={"$inc": {"click_count": 1}}, upsert=True)
        docs = (await self.store.ask("find", "country_selections", filter={"country_code": country}))["docs"]
        if self.lines:
            try:
                await self.publish("selections", {"country": country})
            except ConnectionError as e:
                print(e, flush=True)
        return web.Answer(201, {"country": country, "clicks": docs[0]["click_count"]})


class Market(Kind):
    """Products and orders; /health/ready asks the database when there is one to ask."""

    def __init__(self, service):
        super().__init__(service)
        host = stores.first(self.env, "REDIS_HOST", "redis_host")
        self.redis = stores.Redis(host, int(self.env.get("REDIS_PORT", 6379))) if host else None
        self.route("GET", "/api/visits", self.visits)

    async def visits(self, request):
        if not self.redis:
            return web.Answer(404, {"error": "no redis"})
        return web.Answer(200, {"visits": await self.redis.ask("INCR", "visits")})


class KafkaUi(Kind):
    def __init__(self, service):
        super().__init__(service)
        host, _, port = self.env.get("KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS", "localhost:9092").partition(":")
        self.lines = stores.Lines(host, int(port or 9092))
        self.route("GET", "/api/clusters", self.clusters)

    async def clusters(self, request):
        name = self.env.get("KAFKA_CLUSTERS_0_NAME", "local")
        try:
            topics = (await self.lines.ask(op="topics", seconds=3))["topics"]
        except ConnectionError as e:
            return web.Answer(200, [{"name": name, "status": "offline", "why": str(e)}])
        return web.Answer(200, [{"name": name, "status": "online", "topics": topics}])


class StateMetrics(Kind):
    """How many pods are in which phase, as the cluster's API tells a pod with a ServiceAccount."""

    HOME = "/var/run/secrets/kubernetes.io/serviceaccount"

    def __init__(self, service):
        super().__init__(service)
        self.route("GET", "/metrics", self.metrics)

    def _list(self):
        import ssl
        import urllib.request
        with open(os.path.join(self.HOME, "token")) as f:
            token = f.read()
        address = f"https://{self.env['KUBERNETES_SERVICE_HOST']}:{self.env['KUBERNETES_SERVICE_PORT']}/api/v1/pods"
        asked = urllib.request.Request(address, headers={"Authorization": "Bearer " + token})
        trust = ssl.create_default_context(cafile=os.path.join(self.HOME, "ca.crt"))
        with urllib.request.urlopen(asked, timeout=5, context=trust) as answer:
            return json.load(answer)["items"]

    async def metrics(self, request):
        counts = {}
        for pod in await asyncio.get_running_loop().run_in_executor(None, self._list):
            key = pod["metadata"]["namespace"], pod["status"].get("phase", "Unknown")
            counts[key] = counts.get(key, 0) + 1
        lines = [f'kube_pod_status_phase{{namespace="{n}",phase="{p}"}} {c}\n' for (n, p), c in sorted(counts.items())]
        return web.Answer(200, "".join(lines).encode(), Content_Type="text/plain; version=0.0.4")

    async def start(self):
        second = asyncio.start_server(self.service.server._connection, "0.0.0.0", 8081)
        return [await second]


class LogTail(Kind):
    """Reads the logs of a node's containers as they grow; /counts says how many lines of which file."""

    WHERE = "/var/log/containers"

    def __init__(self, service):
        super().__init__(service)
        self.places, self.counts, self.last = {}, {}, {}
        self.route("GET", "/counts", self.get)

    async def get(self, request):
        return web.Answer(200, {"lines": self.counts, "last": self.last})

    async def start(self):
        self.service.background(self.tail)
        return []

    async def tail(self):
        while True:
            for name in sorted(os.listdir(self.WHERE)) if os.path.isdir(self.WHERE) else []:
                try:
                    with open(os.path.join(self.WHERE, name), "rb") as f:
                        f.seek(self.places.get(name, 0))
                        lines = f.read(1 << 20).splitlines(keepends=True)
                except OSError:
                    continue
                whole = [line for line in lines if line.endswith(b"\n")]
                if whole:
                    self.places[name] = self.places.get(name, 0) + sum(map(len, whole))
                    self.counts[name] = self.counts.get(name, 0) + len(whole)
                    self.last[name] = whole[-1].decode(errors="replace").strip()[-200:]
            await asyncio.sleep(1)


class Idle(Kind):
    """Says which arguments it got: those of an image's entry point must survive."""

    async def start(self):
        import sys
        print("arguments:", *sys.argv[1:], flush=True)
        return []


KINDS = {"front": Front, "approvals": Approvals, "processing": Processing, "notifications": Notifications, "currency": Currency,
         "history": History, "ranking": Ranking, "market": Market, "kafka_ui": KafkaUi, "state_metrics": StateMetrics,
         "log_tail": LogTail, "idle": Idle}
