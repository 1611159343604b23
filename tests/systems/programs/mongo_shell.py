"""As much of the shell's language as scripts of owners use: calls on db and its collections, object literals,
assignments, new Date().  Not JavaScript: what it does not know it refuses by name."""

import json
import re
import time

TOKEN = re.compile(r"""\s+|//[^\n]*|/\*.*?\*/|(?P<number>-?\d+(\.\d+)?)|(?P<word>[A-Za-z_$][\w$]*)"""
                   r"""|(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)|(?P<sign>[-{}()\[\].,:;=+])""", re.S)
WORDS = {"true": True, "false": False, "null": None, "undefined": None}


class ShellError(Exception):
    pass


def tokens(text):
    place, found = 0, []
    while place < len(text):
        m = TOKEN.match(text, place)
        if not m:
            raise ShellError(f"SyntaxError: unexpected {text[place]!r}")
        if m.lastgroup:
            found.append((m.lastgroup, m.group(m.lastgroup)))
        place = m.end()
    return [*found, ("end", "")]


class Cursor:
    def __init__(self, ask, query):
        self.ask, self.query = ask, query

    def docs(self):
        return self.ask(self.query)["docs"]

    def call(self, name, args):
        if name in ("sort", "limit"):
            self.query[name] = args[0]
            return self
        if name in ("toArray", "pretty"):
            return self.docs()
        if name in ("count", "size"):
            return len(self.docs())
        raise ShellError(f"TypeError: cursor.{name} is not a function")


class Collection:
    def __init__(self, ask, db, name):
        self.ask, self.db, self.name = ask, db, name

    def go(self, op, **more):
        return self.ask({"op": op, "db": self.db, "coll": self.name, **more})

    def call(self, name, args):
        first = args[0] if args else {}
        options = args[2] if len(args) > 2 else {}
        if name in ("insertOne", "insertMany", "insert"):
            ids = self.go("insert", docs=first if isinstance(first, list) else [first])["ids"]
            return {"acknowledged": True, **({"insertedIds": ids} if name == "insertMany" else {"insertedId": ids[0]})}
        if name == "find":
            return Cursor(self.ask, {"op": "find", "db": self.db, "coll": self.name, "filter": first})
        if name == "findOne":
            return (self.go("find", filter=first, limit=1)["docs"] or [None])[0]
        if name in ("countDocuments", "count", "estimatedDocumentCount"):
            return self.go("count", filter=first)["n"]
        if name in ("updateOne", "updateMany"):
            n = self.go("update", filter=first, update=args[1], many=name == "updateMany", upsert=options.get("upsert", False))["n"]
            return {"acknowledged": True, "modifiedCount": n}
        if name in ("deleteOne", "deleteMany"):
            return {"acknowledged": True, "deletedCount": self.go("delete", filter=first, one=name == "deleteOne")["n"]}
        if name == "createIndex":
            return "_".join(f"{k}_{v}" for k, v in first.items())
        if name == "drop":
            self.go("drop")
            return True
        raise ShellError(f"TypeError: db.{self.name}.{name} is not a function")


class Database:
    def __init__(self, shell, name):
        self.shell, self.name = shell, name

    def call(self, name, args):
        ask = self.shell.ask
        if name in ("getSiblingDB", "getDB"):
            return Database(self.shell, args[0])
        if name in ("adminCommand", "runCommand"):
            command = next(iter(args[0])) if isinstance(args[0], dict) else args[0]
            if command in ("ping", "hello", "isMaster", "ismaster"):
                ask({"op": "ping"})
                return {"ok": 1}
            if command == "listDatabases":
                return {"databases": [{"name": n} for n in ask({"op": "names"})["names"]], "ok": 1}
            raise ShellError(f"MongoServerError: no such command: '{command}'")
        if name == "createUser":
            ask({"op": "user", "user": args[0]["user"], "password": args[0]["pwd"]})
            return {"ok": 1}
        if name == "createCollection":
            ask({"op": "create", "db": self.name, "coll": args[0]})
            return {"ok": 1}
        if name == "getCollection":
            return Collection(ask, self.name, args[0])
        if name == "getCollectionNames":
            return ask({"op": "names", "db": self.name})["names"]
        if name == "getName":
            return self.name
        if name == "auth":
            return ask({"op": "auth", "user": args[0], "password": args[1]})
        if name in ("version", "stats", "serverStatus"):
            return {"ok": 1, "version": "stand-in"}
        raise ShellError(f"TypeError: db.{name} is not a function")


class Shell:
    """@ask(question) -> answer; raises RuntimeError with the server's word."""

    def __init__(self, ask, database, say=print):
        self.ask, self.say = ask, say
        self.names = {"db": Database(self, database)}

    def run(self, text):
        """The value of the last statement."""
        if m := re.fullmatch(r"\s*(show\s+(dbs|databases|collections|tables)|use\s+(\w+))\s*;?\s*", text):
            if m.group(3):
                self.names["db"] = Database(self, m.group(3))
                return "switched to db " + m.group(3)
            ask = {"op": "names"} if m.group(2) in ("dbs", "databases") else {"op": "names", "db": self.names["db"].name}
            return "\n".join(self.ask(ask)["names"])
        self.tokens, self.at, value = tokens(text), 0, None
        while self.peek()[0] != "end":
            if self.take_if(";"):
                continue
            value = self.statement()
        return value.docs() if isinstance(value, Cursor) else value

    def peek(self):
        return self.tokens[self.at]

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def take_if(self, *signs):
        if self.peek()[1] in signs and self.peek()[0] in ("sign", "word"):
            return self.take()[1]
        return None

    def want(self, sign):
        if not self.take_if(sign):
            raise ShellError(f"SyntaxError: expected {sign!r}, found {self.peek()[1]!r}")

    def statement(self):
        self.take_if("var", "let", "const")
        kind, word = self.peek()
        if kind == "word" and self.tokens[self.at + 1] == ("sign", "="):
            self.at += 2
            self.names[word] = self.expression()
            return None
        return self.expression()

    def expression(self):
        value = self.value()
        while True:
            if self.take_if("."):
                value = self.member(value, self.take()[1])
            elif self.take_if("["):
                value = self.member(value, self.expression())
                self.want("]")
            elif self.take_if("+"):
                other = self.value()
                value = value + other if isinstance(value, (int, float)) and isinstance(other, (int, float)) else f"{value}{other}"
            else:
                return value

    def member(self, value, name):
        if self.take_if("("):
            args = self.items(")")
            if not hasattr(value, "call"):
                raise ShellError(f"TypeError: {name} is not a function")
            return value.call(name, args)
        if isinstance(value, Database):
            return Collection(self.ask, value.name, name)
        if isinstance(value, Collection):
            return Collection(self.ask, value.db, value.name + "." + name)
        if isinstance(value, list) and isinstance(name, int):
            return value[name] if name < len(value) else None
        return value.get(name) if isinstance(value, dict) else None

    def items(self, closing):
        found = []
        while not self.take_if(closing):
            found.append(self.expression())
            if not self.take_if(","):
                self.want(closing)
                break
        return found

    def value(self):
        kind, word = self.take()
        if kind == "number":
            return float(word) if "." in word else int(word)
        if kind == "text":
            return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m.group(1), m.group(1)), word[1:-1], flags=re.S)
        if word == "{":
            return self.object()
        if word == "[":
            return self.items("]")
        if word == "(":
            value = self.expression()
            self.want(")")
            return value
        if kind == "word":
            return self.named(word)
        raise ShellError(f"SyntaxError: unexpected {word!r}")

    def object(self):
        found = {}
        while not self.take_if("}"):
            kind, word = self.take()
            key = word[1:-1] if kind == "text" else word
            self.want(":")
            found[key] = self.expression()
            if not self.take_if(","):
                self.want("}")
                break
        return found

    def named(self, word):
        if word == "new":
            word = self.take()[1]
        if word in WORDS:
            return WORDS[word]
        if word in ("Date", "ISODate", "ObjectId", "NumberLong", "NumberInt", "print", "printjson", "quit"):
            args = self.items(")") if self.take_if("(") else []
            if word in ("print", "printjson"):
                self.say(*[a if isinstance(a, str) else json.dumps(a, ensure_ascii=False) for a in args])
                return None
            return args[0] if args else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if word in self.names:
            return self.names[word]
        raise ShellError(f"ReferenceError: {word} is not defined")
