"""The document store: collections of JSON documents, every change in a log on the disk before it is answered.

Protocol: a JSON object per line each way, {"op": ..., "db": ..., "coll": ...}; operations are the methods op_*.  Filters
are equalities, or {"$gt": ...} and their like; updates are $set, $inc, $push, $unset.  With users, all but "ping" wants
"auth" first, as MongoDB does.
"""

import json
import os
import threading

OPERATORS = {"$gt": lambda a, b: a is not None and a > b, "$gte": lambda a, b: a is not None and a >= b,
             "$lt": lambda a, b: a is not None and a < b, "$lte": lambda a, b: a is not None and a <= b,
             "$ne": lambda a, b: a != b, "$in": lambda a, b: a in b, "$exists": lambda a, b: (a is not None) == bool(b)}


def matches(doc, wanted):
    for key, want in wanted.items():
        have = doc.get(key)
        if isinstance(want, dict) and want and all(k in OPERATORS for k in want):
            if not all(OPERATORS[k](have, v) for k, v in want.items()):
                return False
        elif have != want:
            return False
    return True


def updated(doc, update):
    doc = dict(doc)
    for how, fields in update.items():
        for key, value in fields.items():
            if how == "$set":
                doc[key] = value
            elif how == "$inc":
                doc[key] = doc.get(key, 0) + value
            elif how == "$push":
                doc[key] = [*doc.get(key, []), value]
            elif how == "$unset":
                doc.pop(key, None)
            else:
                raise ValueError(f"unknown update {how}")
    return doc


class Store:
    """Not for two processes at once.  Methods may be called from several threads."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "documents.log")
        self.lock = threading.Lock()
        self.collections = {}  # (db, coll) -> {_id: doc}
        self.users, self.counters, self.n = {}, {}, 0
        self._read()
        self._write_anew()
        self.log = open(self.path, "ab")

    def _read(self):
        """What a power cut left half written at the end was never answered, and goes."""
        if not os.path.exists(self.path):
            return
        with open(self.path, "rb") as f:
            for line in f:
                try:
                    self._replay(json.loads(line))
                except ValueError:
                    break

    def _write_anew(self):
        beside = self.path + ".new"
        with open(beside, "w") as f:
            for change in self._all():
                f.write(json.dumps(change, ensure_ascii=False) + "\n")
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, self.path)
        directory = os.open(os.path.dirname(self.path), os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def _all(self):
        yield {"n": self.n}
        for name, pwd in self.users.items():
            yield {"user": name, "pwd": pwd}
        for (db, coll), docs in self.collections.items():
            yield {"db": db, "coll": coll, "put": list(docs.values()), "counter": self.counters.get((db, coll), 0)}

    def _replay(self, c):
        self.n = max(self.n, c.get("n", 0))
        if "user" in c:
            self.users[c["user"]] = c["pwd"]
        if "coll" in c:
            key = c["db"], c["coll"]
            docs = self.collections.setdefault(key, {})
            self.counters[key] = max(self.counters.get(key, 0), c.get("counter", 0))
            docs.update((d["_id"], d) for d in c.get("put", []))
            for which in c.get("gone", []):
                docs.pop(which, None)
            if c.get("dropped"):
                self.collections.pop(key, None)

    def _change(self, **change):
        """On the disk first, then in memory, then answered."""
        self.log.write(json.dumps({**change, "n": self.n}, ensure_ascii=False).encode() + b"\n")
        self.log.flush()
        os.fsync(self.log.fileno())
        self._replay(change)

    def do(self, q):
        op = getattr(self, "op_" + str(q.get("op")), None)
        if op is None:
            raise ValueError(f"no such command: {q.get('op')}")
        with self.lock:
            return op(q)

    def _docs(self, q):
        return self.collections.get((q["db"], q["coll"]), {})

    def _found(self, q):
        return [d for d in self._docs(q).values() if matches(d, q.get("filter") or {})]

    # --- operations

    def op_ping(self, q):
        return {"ok": 1}

    def op_user(self, q):
        self._change(user=q["user"], pwd=q["password"])
        return {"ok": 1}

    def op_insert(self, q):
        docs = []
        for doc in q["docs"]:
            self.n += 1
            docs.append({"_id": doc.get("_id", f"{self.n:024x}"), **doc})
        self._change(db=q["db"], coll=q["coll"], put=docs)
        return {"ids": [d["_id"] for d in docs]}

    def op_find(self, q):
        found = self._found(q)
        for key, way in reversed(list((q.get("sort") or {}).items())):
            found.sort(key=lambda d: (d.get(key) is None, d.get(key)), reverse=way < 0)
        return {"docs": found[: q.get("limit") or 1000]}

    def op_count(self, q):
        return {"n": len(self._found(q))}

    def op_update(self, q):
        found = self._found(q)[: None if q.get("many") else 1]
        if not found and q.get("upsert"):
            self.n += 1
            plain = {k: v for k, v in (q.get("filter") or {}).items() if not isinstance(v, dict)}
            found = [{"_id": f"{self.n:024x}", **plain}]
        changed = [updated(d, q["update"]) for d in found]
        if changed:
            self._change(db=q["db"], coll=q["coll"], put=changed)
        return {"n": len(changed)}

    def op_delete(self, q):
        gone = [d["_id"] for d in self._found(q)][: 1 if q.get("one") else None]
        if gone:
            self._change(db=q["db"], coll=q["coll"], gone=gone)
        return {"n": len(gone)}

    def op_create(self, q):
        self._change(db=q["db"], coll=q["coll"], put=[])
        return {"ok": 1}

    def op_drop(self, q):
        self._change(db=q["db"], coll=q["coll"], dropped=True)
        return {"ok": 1}

    def op_next(self, q):
        """The next number of a collection."""
        n = self.counters.get((q["db"], q["coll"]), 0) + 1
        self._change(db=q["db"], coll=q["coll"], counter=n)
        return {"next": n}

    def op_names(self, q):
        if "db" in q:
            return {"names": sorted(c for d, c in self.collections if d == q["db"])}
        return {"names": sorted({"admin", "config", "local", *(d for d, _ in self.collections)})}
