"""Where the stand-ins keep what they are given: tables of MariaDB and PostgreSQL, the document store, memory.

Each store keeps collections of JSON objects with a number as their id:  add(collection, doc) -> id, list(collection),
get(collection, id), change(collection, id, fields), remove(collection, id).  A connection is made when first needed and
again after it broke; a database that is away is an error of that one request.
"""

import asyncio
import concurrent.futures
import json
import os
import socket
import threading
import urllib.parse


class Memory:
    kind = "memory"

    def __init__(self):
        self.collections = {}

    async def add(self, collection, doc):
        docs = self.collections.setdefault(collection, [])
        docs.append({**doc, "id": len(docs) + 1})
        return len(docs)

    async def list(self, collection):
        return [doc for doc in self.collections.get(collection, []) if doc]

    async def get(self, collection, which):
        return next((doc for doc in await self.list(collection) if doc["id"] == which), None)

    async def change(self, collection, which, fields):
        doc = await self.get(collection, which)
        if doc:
            doc.update(fields)
        return doc

    async def remove(self, collection, which):
        docs = self.collections.get(collection, [])
        if not await self.get(collection, which):
            return False
        docs[which - 1] = None
        return True


class Sql:
    """The statements differ in two words only; the drivers block, so they have two threads of their own."""

    serial = "BIGINT AUTO_INCREMENT PRIMARY KEY"

    def __init__(self, url):
        self.url = url
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.local = threading.local()
        self.made = set()

    def connect(self):
        raise NotImplementedError

    def _run(self, text, args, collection):
        connection = getattr(self.local, "connection", None)
        fresh = connection is None
        try:
            connection = connection or self.connect()
            self.local.connection = connection
            cursor = connection.cursor()
            if collection and collection not in self.made:
                cursor.execute(f"CREATE TABLE IF NOT EXISTS {collection} (id {self.serial}, body TEXT NOT NULL)")
                self.made.add(collection)
            cursor.execute(text, args)
            rows = cursor.fetchall() if cursor.description else []
            return rows, cursor
        except Exception:
            self.local.connection = None
            if connection is not None:
                try:
                    connection.close()
                except Exception:
                    pass
            if fresh:
                raise
            return self._run(text, args, collection)  # once more, with a new connection

    async def query(self, text, args=(), collection=None):
        """Rows; the cursor's last id for an INSERT of MySQL."""
        loop = asyncio.get_running_loop()
        rows, cursor = await loop.run_in_executor(self.pool, self._run, text, args, collection)
        return rows if cursor.description else getattr(cursor, "lastrowid", None)

    async def list(self, collection):
        rows = await self.query(f"SELECT id, body FROM {collection} ORDER BY id DESC LIMIT 500", (), collection)
        return [{**json.loads(body), "id": which} for which, body in reversed(rows)]

    async def get(self, collection, which):
        rows = await self.query(f"SELECT id, body FROM {collection} WHERE id = %s", (which,), collection)
        return {**json.loads(rows[0][1]), "id": rows[0][0]} if rows else None

    async def change(self, collection, which, fields):
        doc = await self.get(collection, which)
        if doc:
            doc.update(fields)
            await self.query(f"UPDATE {collection} SET body = %s WHERE id = %s", (json.dumps(doc), which), collection)
        return doc

    async def remove(self, collection, which):
        there = await self.get(collection, which)
        await self.query(f"DELETE FROM {collection} WHERE id = %s", (which,), collection)
        return bool(there)


class Mysql(Sql):
    kind = "mysql"

    def connect(self):
        import pymysql
        u = self.url
        return pymysql.connect(host=u["host"], port=u["port"], user=u["user"], password=u["password"], database=u["database"],
                               connect_timeout=3, read_timeout=10, write_timeout=10, autocommit=True, charset="utf8mb4")

    async def add(self, collection, doc):
        return await self.query(f"INSERT INTO {collection} (body) VALUES (%s)", (json.dumps(doc),), collection)


class Postgres(Sql):
    kind, serial = "postgres", "BIGSERIAL PRIMARY KEY"

    def connect(self):
        import psycopg2
        u = self.url
        connection = psycopg2.connect(host=u["host"], port=u["port"], user=u["user"], password=u["password"],
                                      dbname=u["database"], connect_timeout=3)
        connection.autocommit = True
        return connection

    async def add(self, collection, doc):
        return (await self.query(f"INSERT INTO {collection} (body) VALUES (%s) RETURNING id", (json.dumps(doc),),
                                 collection))[0][0]


class Lines:
    """A client of the stand-ins' own protocol: a JSON object per line each way, one question at a time."""

    def __init__(self, host, port, hello=None):
        self.address, self.hello = (host, port), hello
        self.lock, self.stream = asyncio.Lock(), None

    async def ask(self, seconds=10, **question):
        async with self.lock:
            for attempt in (0, 1):
                fresh = self.stream is None
                try:
                    return await asyncio.wait_for(self._ask(question), seconds)
                except (OSError, EOFError, asyncio.TimeoutError) as e:
                    self.close()
                    if fresh or attempt:
                        raise ConnectionError(f"{self.address[0]}:{self.address[1]}: {type(e).__name__} {e}") from None

    async def _ask(self, question):
        if self.stream is None:
            self.stream = await asyncio.open_connection(*self.address, limit=1 << 24)
            if self.hello:
                await self._say(self.hello)
        return await self._say(question)

    async def _say(self, question):
        reader, writer = self.stream
        writer.write(json.dumps(question, ensure_ascii=False, default=str).encode() + b"\n")
        line = await reader.readline()
        if not line:
            raise EOFError("closed")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        if self.stream:
            self.stream[1].close()
        self.stream = None


class Mongo:
    kind = "mongo"

    def __init__(self, url):
        self.database = url["database"]
        hello = {"op": "auth", "user": url["user"], "password": url["password"]} if url["user"] else None
        self.lines = Lines(url["host"], url["port"], hello)

    async def ask(self, op, collection, **more):
        return await self.lines.ask(op=op, db=self.database, coll=collection, **more)

    async def add(self, collection, doc):
        which = (await self.ask("next", collection))["next"]
        await self.ask("insert", collection, docs=[{**doc, "id": which}])
        return which

    async def list(self, collection):
        return (await self.ask("find", collection, filter={}))["docs"]

    async def get(self, collection, which):
        docs = (await self.ask("find", collection, filter={"id": which}))["docs"]
        return docs[0] if docs else None

    async def change(self, collection, which, fields):
        await self.ask("update", collection, filter={"id": which}, update={"$set": fields})
        return await self.get(collection, which)

    async def remove(self, collection, which):
        return (await self.ask("delete", collection, filter={"id": which}))["n"] > 0


class Redis:
    """GET, SET and their like; one question at a time."""

    def __init__(self, host, port):
        self.address, self.lock, self.stream = (host, port), asyncio.Lock(), None

    async def ask(self, *words):
        async with self.lock:
            try:
                return await asyncio.wait_for(self._ask([str(w).encode() for w in words]), 3)
            except (OSError, EOFError, asyncio.TimeoutError) as e:
                if self.stream:
                    self.stream[1].close()
                self.stream = None
                raise ConnectionError(f"redis {self.address[0]}: {type(e).__name__} {e}") from None

    async def _ask(self, words):
        if self.stream is None:
            self.stream = await asyncio.open_connection(*self.address, limit=1 << 24)
        self.stream[1].write(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return await self._reply()

    async def _reply(self):
        line = await self.stream[0].readline()
        if not line:
            raise EOFError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else (await self.stream[0].readexactly(int(rest) + 2))[:-2].decode()
        if kind == b"*":
            return [await self._reply() for _ in range(int(rest))]
        return rest.decode()


# --- from the environment ---------------------------------------------------------------------------------------


def parse_url(text, port):
    """postgresql://u:p@h:1/d, mysql://..., jdbc:mysql://h:1/d?x, mongodb://...; what is missing is empty."""
    parts = urllib.parse.urlsplit(text.removeprefix("jdbc:"))
    where = parts.netloc.rpartition("@")
    user, _, password = where[0].partition(":")
    host, _, number = where[2].partition(":")
    return {"host": host, "port": int(number) if number.isdigit() else port, "user": urllib.parse.unquote(user),
            "password": urllib.parse.unquote(password), "database": parts.path.strip("/")}


def first(env, *names, default=""):
    return next((env[n] for n in names if env.get(n)), default)


def mysql_url(env=os.environ):
    url = first(env, "SPRING_DATASOURCE_URL", "DATABASE_URL")
    if url:
        found = parse_url(url, 3306)
    else:
        found = {"host": first(env, "MYSQL_HOST", "DB_HOST", "host"), "port": int(first(env, "MYSQL_PORT", "DB_PORT", default="3306")),
                 "user": first(env, "MYSQL_USER", "DB_USER", "username"), "password": "",
                 "database": first(env, "MYSQL_DATABASE", "DB_NAME")}
    found["user"] = first(env, "SPRING_DATASOURCE_USERNAME", default=found["user"])
    found["password"] = first(env, "SPRING_DATASOURCE_PASSWORD", default=found["password"] or
                              first(env, "MYSQL_PASSWORD", "DB_PASSWORD", "password"))
    return found


def mongo_url(env=os.environ):
    uri = first(env, "SPRING_DATA_MONGODB_URI", "MONGODB_URI")
    if uri:
        return parse_url(uri, 27017)
    return {"host": first(env, "SPRING_DATA_MONGODB_HOST", "MONGODB_HOST"),
            "port": int(first(env, "SPRING_DATA_MONGODB_PORT", "MONGODB_PORT", default="27017")),
            "user": first(env, "SPRING_DATA_MONGODB_USERNAME", "MONGODB_USER", "MONGODB_USERNAME"),
            "password": first(env, "SPRING_DATA_MONGODB_PASSWORD", "MONGODB_PASSWORD"),
            "database": first(env, "SPRING_DATA_MONGODB_DATABASE", "MONGODB_DATABASE", default="test")}


def reachable_name(host):
    """Can this name be resolved?  Names of a cloud cannot, where there is no cloud."""
    try:
        socket.getaddrinfo(host, None)
        return True
    except OSError:
        return False


def open_store(kind, env=os.environ, memory_when_external=False):
    """The store that the environment names.  With @memory_when_external, a database whose name does not resolve is
    replaced by memory, and every answer says so (Memory.kind)."""
    if kind == "memory":
        return Memory()
    url = {"postgres": lambda: parse_url(env.get("DATABASE_URL", ""), 5432), "mysql": lambda: mysql_url(env),
           "mongo": lambda: mongo_url(env)}[kind]()
    if memory_when_external and (not url["host"] or ("." in url["host"] and not reachable_name(url["host"]))):
        print(f"no {kind} at {url['host'] or '(no name)'}: keeping records in memory", flush=True)
        return Memory()
    return {"postgres": Postgres, "mysql": Mysql, "mongo": Mongo}[kind](url)
