"""The broker that stands in for Kafka: registers itself in ZooKeeper, keeps topics as logs on the disk.

Protocol: a JSON object per line each way.  produce topic value [key] -> offset; fetch topic offset [max, wait_ms] -> records;
take topic group [wait_ms] -> the group's next record, to no other member while this connection lives, until done topic
group offset; topics, create, delete, offsets, ping.  A record is on the disk before produce is answered.
"""

import asyncio
import json
import os
import re
import signal
import struct
import sys

DATA = os.environ.get("KAFKA_LOG_DIRS") or "/var/lib/kafka/data"
NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topic:
    def __init__(self, name):
        self.name, self.path, self.places = name, os.path.join(DATA, name + ".log"), []
        self.grown = asyncio.Condition()
        self.log = open(self.path, "a+b")
        self.log.seek(0)
        end = 0
        for line in self.log:
            if not line.endswith(b"\n"):
                break  # half written when the power went: never acknowledged
            self.places.append(end)
            end += len(line)
        self.log.truncate(end)

    async def produce(self, record):
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        self.log.seek(0, 2)
        place = self.log.tell()
        self.log.write(line)
        self.log.flush()
        os.fsync(self.log.fileno())
        self.places.append(place)
        async with self.grown:
            self.grown.notify_all()
        return len(self.places) - 1

    def read(self, offset):
        self.log.seek(self.places[offset])
        return {"offset": offset, **json.loads(self.log.readline())}

    async def wait_beyond(self, offset, wait_ms):
        async with self.grown:
            try:
                await asyncio.wait_for(self.grown.wait_for(lambda: len(self.places) > offset), wait_ms / 1000)
            except asyncio.TimeoutError:
                pass


class Group:
    """Where the members of a group stand in one topic."""

    def __init__(self, done):
        self.next, self.done_ones, self.flying, self.returned = done, set(), {}, []

    def committed(self):
        return min([self.next, *self.flying, *self.returned])


class Broker:
    def __init__(self):
        os.makedirs(DATA, exist_ok=True)
        self.topics, self.groups = {}, {}
        self.auto = os.environ.get("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "true").lower() != "false"
        for name in os.listdir(DATA):
            if name.endswith(".log"):
                self.topics[name[:-4]] = Topic(name[:-4])
        self.groups_path = os.path.join(DATA, "groups.json")
        if os.path.exists(self.groups_path):
            with open(self.groups_path) as f:
                self.groups = {tuple(k.split(" ")): Group(v) for k, v in json.load(f).items()}

    def topic(self, name, make=None):
        if name not in self.topics:
            if not (self.auto if make is None else make) or not NAME.fullmatch(name):
                raise ValueError(f"UNKNOWN_TOPIC_OR_PARTITION: {name}")
            self.topics[name] = Topic(name)
        return self.topics[name]

    def save_groups(self):
        with open(self.groups_path + ".new", "w") as f:
            json.dump({" ".join(k): g.committed() for k, g in self.groups.items()}, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(self.groups_path + ".new", self.groups_path)

    async def serve(self, reader, writer):
        mine = []  # (group, offset) in flight over this connection
        try:
            while line := await reader.readline():
                try:
                    q = json.loads(line)
                    answer = await getattr(self, "op_" + q["op"])(q, mine)
                except (ValueError, KeyError, TypeError, AttributeError) as e:
                    answer = {"error": str(e)}
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            for group, offset in mine:
                if group.flying.pop(offset, None):
                    group.returned.append(offset)
            writer.close()

    async def op_ping(self, q, mine):
        return {"ok": True, "broker": os.environ.get("KAFKA_BROKER_ID", "1")}

    async def op_topics(self, q, mine):
        return {"topics": {name: len(t.places) for name, t in sorted(self.topics.items())}}

    async def op_create(self, q, mine):
        if q["topic"] in self.topics:
            raise ValueError(f"Topic '{q['topic']}' already exists.")
        self.topic(q["topic"], True)
        return {"ok": True}

    async def op_delete(self, q, mine):
        topic = self.topic(q["topic"], False)
        del self.topics[q["topic"]]
        os.unlink(topic.path)
        return {"ok": True}

    async def op_produce(self, q, mine):
        return {"offset": await self.topic(q["topic"]).produce({"key": q.get("key"), "value": q["value"]})}

    async def op_fetch(self, q, mine):
        topic, offset = self.topic(q["topic"]), q.get("offset", 0)
        if q.get("wait_ms"):
            await topic.wait_beyond(offset, q["wait_ms"])
        return {"records": [topic.read(i) for i in range(offset, min(len(topic.places), offset + q.get("max", 100)))],
                "end": len(topic.places)}

    async def op_take(self, q, mine):
        topic = self.topic(q["topic"])
        group = self.groups.setdefault((q["group"], q["topic"]), Group(0))
        if not group.returned and group.next >= len(topic.places):
            await topic.wait_beyond(group.next, min(q.get("wait_ms", 1000), 10000))
        if group.returned:
            offset = group.returned.pop(0)
        elif group.next < len(topic.places):
            offset = group.next
            group.next += 1
        else:
            return {"record": None}
        group.flying[offset] = True
        mine.append((group, offset))
        return {"record": topic.read(offset)}

    async def op_done(self, q, mine):
        group = self.groups[q["group"], q["topic"]]
        group.flying.pop(q["offset"], None)
        mine[:] = [(g, o) for g, o in mine if g is not group or o != q["offset"]]
        self.save_groups()
        return {"ok": True}

    async def op_offsets(self, q, mine):
        return {"groups": {" ".join(k): g.committed() for k, g in self.groups.items()}}


class ZooKeeper:
    """Enough of ZooKeeper's protocol to hold an ephemeral node: connect, create, ping, close."""

    TYPES = {"create": 1, "ping": 11, "close": -11}

    def __init__(self, address, session_ms=10000):
        self.address, self.session_ms, self.xid = address, session_ms, 0

    async def connect(self):
        host, _, port = self.address.partition(":")
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(host, int(port or 2181)), 5)
        await self._send(struct.pack("!iqiq", 0, 0, self.session_ms, 0) + struct.pack("!i", 16) + bytes(16))
        answer = await self._receive()
        self.session = struct.unpack_from("!q", answer, 8)[0]

    async def _send(self, data):
        self.writer.write(struct.pack("!i", len(data)) + data)
        await self.writer.drain()

    async def _receive(self):
        n = struct.unpack("!i", await asyncio.wait_for(self.reader.readexactly(4), 10))[0]
        return await self.reader.readexactly(n)

    async def ask(self, op, body=b""):
        """The error code: 0 is well, -110 the node exists."""
        self.xid += 1
        xid = -2 if op == "ping" else self.xid
        await self._send(struct.pack("!ii", xid, self.TYPES[op]) + body)
        return struct.unpack_from("!iqi", await self._receive())[2]

    async def create(self, path, data=b"", ephemeral=False):
        def text(s):
            s = s.encode() if isinstance(s, str) else s
            return struct.pack("!i", len(s)) + s
        acl = struct.pack("!ii", 1, 31) + text("world") + text("anyone")
        return await self.ask("create", text(path) + text(data) + acl + struct.pack("!i", 1 if ephemeral else 0))


async def register(broker_id, advertised):
    """Our node in ZooKeeper; waits for one of an earlier life to go."""
    zk = ZooKeeper((os.environ.get("KAFKA_ZOOKEEPER_CONNECT") or "").split(",")[0].partition("/")[0])
    await zk.connect()
    for path in ("/brokers", "/brokers/ids"):
        await zk.create(path)
    while code := await zk.create(f"/brokers/ids/{broker_id}", json.dumps({"endpoints": [advertised]}).encode(), True):
        if code != -110:
            raise ConnectionError(f"ZooKeeper says {code}")
        print(f"/brokers/ids/{broker_id} exists: waiting for it to expire", flush=True)
        await asyncio.sleep(1)
        await zk.ask("ping")
    print(f"registered as /brokers/ids/{broker_id}", flush=True)
    return zk


async def stay_registered(zk, *args):
    while True:
        try:
            await asyncio.sleep(3)
            await zk.ask("ping")
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError) as e:
            print(f"ZooKeeper is gone ({type(e).__name__}), once more", flush=True)
            try:
                zk = await register(*args)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError):
                pass


async def main():
    broker_id = os.environ.get("KAFKA_BROKER_ID", "1")
    advertised = os.environ.get("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://localhost:9092")
    broker, zk, args = Broker(), None, (broker_id, advertised)
    if os.environ.get("KAFKA_ZOOKEEPER_CONNECT"):
        for left in reversed(range(40)):
            try:
                zk = await register(*args)
                break
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ConnectionError) as e:
                print(f"waiting for ZooKeeper at {os.environ['KAFKA_ZOOKEEPER_CONNECT']}: {type(e).__name__} {e}", flush=True)
                if not left:
                    sys.exit("timed out waiting for connection to ZooKeeper")
                await asyncio.sleep(1)
    server = await asyncio.start_server(broker.serve, "0.0.0.0", 9092, limit=1 << 24)
    print(f"broker {broker_id} started, {len(broker.topics)} topics", flush=True)
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    task = asyncio.get_running_loop().create_task(stay_registered(zk, *args)) if zk else None
    await end.wait()
    server.close()
    if task:
        task.cancel()
        await zk.ask("close")
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
