#!/usr/bin/python3
"""Turns the facts of k8s.txt and its neighbours into const C tables: gen.py FACTS.. OUTDIR.

Writes OUTDIR/schema_tables.c (the tables of api/schema_tables.h) and OUTDIR/schema_ids.h (their
sizes, and a hash of the facts that ETags are made of).  The syntax is at the top of k8s.txt.
"""
import hashlib
import json
import os
import re
import sys

SCALARS = {
    "string": ("SCHEMA_STRING", "string"),
    "bool": ("SCHEMA_BOOL", "bool"),
    "int32": ("SCHEMA_INT32", "int32"),
    "int64": ("SCHEMA_INT64", "int64"),
    "double": ("SCHEMA_DOUBLE", "float64"),
    "bytes": ("SCHEMA_BYTES", "[]uint8"),
    "quantity": ("SCHEMA_QUANTITY", "resource.Quantity"),
    "int-or-string": ("SCHEMA_INT_OR_STRING", "intstr.IntOrString"),
    "time": ("SCHEMA_TIME", "v1.Time"),
    "microtime": ("SCHEMA_MICROTIME", "v1.MicroTime"),
    "duration": ("SCHEMA_DURATION", "v1.Duration"),
    "raw": ("SCHEMA_RAW", "runtime.RawExtension"),
}
SHAPES = [  # (pattern, shape, prefix of the Go type); the first that fits
    (r"map<list<(.*)>>$", "SCHEMA_MAP_OF_LISTS", "map[string]"),
    (r"list<(.*)>$", "SCHEMA_LIST", "[]"),
    (r"map<(.*)>$", "SCHEMA_MAP", "map[string]"),
    (r"(.*)$", "SCHEMA_ONE", ""),
]
LIST_TYPES = {"atomic": "SCHEMA_ATOMIC", "set": "SCHEMA_SET", "map": "SCHEMA_LISTMAP"}


def fail(number, line, why):
    sys.exit(f"line {number}: {why}: {line}")


def options(words):
    """Splits `! keep lt=set` into the set of bare words and the dict of values."""
    bare = {w for w in words if "=" not in w}
    return bare, dict(w.split("=", 1) for w in words if "=" in w)


def group_version(text):
    group, _, version = text.rpartition("/")
    return group, version


class Facts:
    def __init__(self, paths):
        self.types = {}      # name -> {"atomic": bool, "fields": [...]}
        self.kinds = []      # (group, version, kind, type name)
        self.resources = []
        self.always = {}     # type name -> fields that are written even when zero
        for path in paths:
            with open(path, encoding="ascii") as lines:
                for number, line in enumerate(lines, 1):
                    self.read(number, line.rstrip("\n"))
        for name in self.always.keys() - self.types.keys():
            sys.exit(f"ALWAYS {name}: no such type")
        for name, t in self.types.items():
            t["fields"].sort(key=lambda f: f["name"])
            for f in t["fields"]:
                f["always"] = f["name"] in self.always.get(name, ())
                if f["type"] and f["type"] not in self.types:
                    sys.exit(f"{name}.{f['name']}: no type {f['type']}")

    def read(self, number, line):
        words = line.split()
        if not words or line.startswith("#"):
            return
        if words[0] == "TYPE":
            self.read_type(words)
        elif words[0] == "RES":
            self.read_resource(words)
        elif words[0] == "ALWAYS":
            self.always[words[1]] = set(words[2:])
        elif line.startswith(" sub "):
            self.resources[-1]["subs"].append(words[1:])
        elif line.startswith(" ") and len(words) > 1:
            self.fields.append(self.read_field(number, line, words))
        else:
            fail(number, line, "not understood")

    def read_type(self, words):
        name = words[1]
        self.types[name] = {"atomic": "mt=atomic" in words, "open": "open" in words, "fields": []}
        self.fields = self.types[name]["fields"]
        for word in words[2:]:
            if word.startswith("gvk="):
                where, kind = word[4:].rsplit("/", 1)
                self.kinds.append((*group_version(where), kind, name))

    def read_field(self, number, line, words):
        name, _, proto = words[0].partition("#")
        spelled = words[1]
        loose = spelled.endswith("|any") or "|any>" in spelled
        for pattern, shape, prefix in SHAPES:
            found = re.match(pattern, spelled.replace("|any", ""))
            if found:
                break
        base = found.group(1)
        bare, values = options(words[2:])
        if bare - {"!", "keep", "omit"}:
            fail(number, line, "unknown word")
        scalar, go = SCALARS.get(base, ("SCHEMA_STRUCT", base.split("/")[-1]))
        if scalar == "SCHEMA_STRUCT" and "/" not in base:
            fail(number, line, "unknown type")
        if "def" in values:
            json.loads(values["def"])
        return {
            "name": name, "shape": shape, "scalar": "SCHEMA_RAW" if loose else scalar,
            "type": base if scalar == "SCHEMA_STRUCT" else None,
            "proto": [int(n) for n in proto.split(".")] if proto else [],
            "required": "!" in bare,
            "keep": "keep" in bare or ("!" in bare and "omit" not in bare),
            "go": values.get("go", prefix + go),
            "enum": [w.replace("~", " ").strip('"') for w in values["enum"].split(",")] if "enum" in values else [],
            "def": values.get("def"), "lt": values.get("lt", ""),
            "ps": values.get("ps", "").split(","), "pk": values.get("pk"),
            "atomic": values.get("mt") == "atomic",
        }

    def read_resource(self, words):
        group, version = group_version(words[1])
        bare, values = options(words[5:])
        plural, kind = words[2], words[3]
        where = f"{group}/{version}" if group else version
        self.resources.append({
            "group": group, "version": version, "plural": plural, "kind": kind,
            "singular": words[4], "namespaced": values["scope"] == "ns",
            "bucket": values.get("bucket", f"{plural}.{group}" if group else plural),
            "stored": "alias" not in bare, "foreign": "foreign" in bare, "verbs": values["verbs"],
            "short": [w for w in values.get("short", "").split(",") if w],
            "cat": [w for w in values.get("cat", "").split(",") if w],
            "subs": [], "where": where,
        })


def quote(text):
    return "NULL" if text is None else json.dumps(text)


def verbs(text):
    return " | ".join("SCHEMA_MAY_" + v.upper() for v in text.split(","))


class Writer:
    """Emits shared arrays before the tables that point at them."""

    def __init__(self, facts):
        self.facts = facts
        self.ids = {name: i for i, name in enumerate(sorted(facts.types))}
        self.shared = {}
        self.lines = []

    def array(self, ctype, values, end, empty="NULL"):
        if not values:
            return empty
        key = (ctype, tuple(values))
        if key not in self.shared:
            self.shared[key] = f"a{len(self.shared)}"
            self.lines.append(f"static const {ctype}{self.shared[key]}[] = {{ "
                              f"{', '.join(values)}, {end} }};")
        return self.shared[key]

    def strings(self, values, empty="NULL"):
        return self.array("char *const ", [quote(v) for v in values], "NULL", empty)

    def field(self, f):
        keys = re.match(r"map\((.*)\)$", f["lt"])
        parts = {
            "name": quote(f["name"]), "go": quote(f["go"]), "shape": f["shape"], "scalar": f["scalar"],
            "type": f"&schema_types[{self.ids[f['type']]}]" if f["type"] else None,
            "proto": self.array("uint16_t ", [str(n) for n in f["proto"]], "0"),
            "required": "true" if f["required"] else None,
            "keep_zero": "true" if f["keep"] else None,
            "enums": self.strings(f["enum"]),
            "def": quote(f["def"]),
            "list_type": LIST_TYPES.get(f["lt"].partition("(")[0], "SCHEMA_GRANULAR"),
            "list_keys": self.strings(keys.group(1).split(",") if keys else []),
            "patch_merge": "true" if "merge" in f["ps"] else None,
            "patch_retain_keys": "true" if "retainKeys" in f["ps"] else None,
            "patch_key": quote(f["pk"]),
            "map_atomic": "true" if f["atomic"] else None,
            "always": "true" if f["always"] else None,
        }
        said = (f".{k} = {v}" for k, v in parts.items() if v not in (None, "NULL"))
        return "    { " + ", ".join(said) + " },"

    def write_types(self):
        rows = []
        for name, number in self.ids.items():
            t = self.facts.types[name]
            fields = [self.field(f) for f in t["fields"]]
            if fields:
                self.lines += [f"static const struct schema_field f{number}[] = {{", *fields, "};"]
            rows.append(f"    {{ .name = {quote(name)}, .fields = {f'f{number}' if fields else 'NULL'}, "
                        f".n_fields = {len(fields)}, .map_atomic = {'true' if t['atomic'] else 'false'}, "
                        f".open = {'true' if t['open'] else 'false'} }},")
        self.lines += ["const struct schema_type schema_types[SCHEMA_N_TYPES] = {", *rows, "};"]

    def write_kinds(self):
        rows = sorted((kind, group, version, name) for group, version, kind, name in self.facts.kinds)
        self.lines.append("const struct schema_kind schema_kinds[SCHEMA_N_KINDS] = {")
        for kind, group, version, name in rows:
            self.lines.append(f"    {{ {quote(group)}, {quote(version)}, {quote(kind)}, "
                              f"&schema_types[{self.ids[name]}] }},")
        self.lines.append("};")

    def sub(self, words):
        name, where, allowed = words
        gv, kind = where.rsplit("/", 1)
        group, version = group_version(gv)
        return (f"    {{ {quote(name)}, {quote(kind)}, {quote(group)}, {quote(version)}, "
                f"{verbs(allowed)} }},")

    def resource(self, number, r, types):
        subs = f"s{number}" if r["subs"] else "NULL"
        plain = ", ".join(f".{k} = {quote(r[k])}"
                          for k in ("group", "version", "plural", "singular", "kind", "bucket"))
        return (f"    {{ {plain},\n      .namespaced = {'true' if r['namespaced'] else 'false'}, "
                f".stored = {'true' if r['stored'] else 'false'}, "
                f".foreign = {'true' if r['foreign'] else 'false'}, .verbs = {verbs(r['verbs'])},\n"
                f"      .short_names = {self.strings(r['short'], 'none')}, "
                f".categories = {self.strings(r['cat'], 'none')}, "
                f".subs = {subs}, .n_subs = {len(r['subs'])},\n"
                f"      .type = &schema_types[{self.ids[types[(r['group'], r['version'], r['kind'])]]}] }},")

    def write_resources(self):
        types = {(g, v, k): name for g, v, k, name in self.facts.kinds}
        resources = sorted(self.facts.resources, key=lambda r: (r["group"], r["version"], r["plural"]))
        self.lines.append("static const char *const none[] = { NULL };")
        for number, r in enumerate(resources):
            if r["subs"]:
                rows = [self.sub(s) for s in sorted(r["subs"])]
                self.lines += [f"static const struct schema_sub s{number}[] = {{", *rows, "};"]
        rows = [self.resource(number, r, types) for number, r in enumerate(resources)]
        self.lines += ["const struct schema_resource schema_resources[SCHEMA_N_RESOURCES] = {", *rows, "};"]


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: gen.py FACTS.. OUTDIR")
    *paths, out = sys.argv[1:]
    facts = Facts(paths)
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            digest.update(f.read())
    writer = Writer(facts)
    writer.write_types()
    writer.write_kinds()
    writer.write_resources()
    os.makedirs(out, exist_ok=True)
    made = "/* Made by api/schema/gen.py; do not edit. */\n"
    with open(os.path.join(out, "schema_ids.h"), "w", encoding="ascii") as f:
        f.write(f"{made}#ifndef GEN_SCHEMA_IDS_H\n#define GEN_SCHEMA_IDS_H\n\n"
                f"enum {{\n    SCHEMA_N_TYPES = {len(facts.types)},\n"
                f"    SCHEMA_N_KINDS = {len(facts.kinds)},\n"
                f"    SCHEMA_N_RESOURCES = {len(facts.resources)},\n}};\n"
                f'#define SCHEMA_HASH "{digest.hexdigest()[:32]}"\n\n#endif\n')
    with open(os.path.join(out, "schema_tables.c"), "w", encoding="ascii") as f:
        f.write(made + '#include "api/schema_tables.h"\n\n' + "\n".join(writer.lines) + "\n")


if __name__ == "__main__":
    main()
