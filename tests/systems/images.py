#!/usr/bin/python3
"""Stand-ins for the images that the five systems name, under those names; from Debian packages and programs/.

  images.py [--registry URL] [--cache DIR] [--list] [NAME...]     build (and push) these images, or all

A registry's name is not part of it: the agents' mirror table leads every registry to the lab's.
"""

import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
from image_builder import BASE, PATH, main  # noqa: E402  (after the lines above on purpose)

PROGRAMS = "tests/systems/programs"


def programs(where, *names):
    return {f"{where}/{name}": f"{PROGRAMS}/{name}" for name in names}


def users(*extra):
    """/etc/passwd and /etc/group with these (name, id, home) besides Debian's two."""
    people = (("root", 0, "/root"), *extra, ("nobody", 65534, "/"))
    return {"etc/passwd": "".join(f"{n}:x:{i}:{i}:{n}:{home}:/bin/sh\n" for n, i, home in people),
            "etc/group": "".join(f"{n}:x:{i}:\n" for n, i, _ in people) + "nogroup:x:65533:\n"}


# --- layers -----------------------------------------------------------------------------------------------------

# A shell that people expect, and a way to become another user.
BASH = {"packages": ["bash"], "picks": {"util-linux": ["usr/bin/setpriv"], "libcap-ng0": ["usr/lib/*/libcap-ng.so.0*"]},
        "links": {"usr/bin/sh": "bash", "var/run": "../run"},
        "directories": {"var/lib": 0o755, "var/log": 0o755, "var/tmp": 0o1777, "home": 0o755, "opt": 0o755}}
ZONES = r"usr/share/zoneinfo/(UTC|GMT|Etc/(UTC|GMT)|Asia/Seoul|Europe/Berlin|America/New_York)$"

PYTHON = {"packages": ["python3.11-minimal", "libpython3.11-stdlib"], "bytecode": True, "links": {"usr/bin/python3": "python3.11", "usr/bin/python": "python3.11"},
          "drop": r"usr/lib/python3.11/(test|idlelib|lib2to3|ensurepip|tkinter|turtledemo|pydoc_data|distutils|unittest|curses|dbm|venv"
                  r"|config-3|turtle\.py|__phello__)|usr/bin/(pydoc|pygettext)"}
DRIVERS = {"packages": ["libpq5"], "bytecode": True, "without": ["libicu72", "libldap-common", "libsasl2-modules"],
           "picks": {"python3-pymysql": ["usr/lib/python3/dist-packages/pymysql/*"],
                     "python3-psycopg2": ["usr/lib/python3/dist-packages/psycopg2/*.py", "usr/lib/python3/dist-packages/psycopg2/*311-*"]}}
APPS = {"copies": programs("app", "service.py", "stores.py", "systems.py", "web.py", "services.json"), "bytecode": True,
        "directories": {"app/logs": 0o777, "app/.next/cache": 0o777}}

POSTGRES = {"packages": ["postgresql-15", "postgresql-client-15"], "picks": {"tzdata": ["usr/share/zoneinfo/*"], "libpam0g": ["usr/lib/*/libpam.so*"], "libaudit1": ["usr/lib/*/libaudit.so*"]},
            "without": ["libllvm14", "libsystemd0-dev"],
            "keep": r"usr/share/postgresql/15/(?!man|locale)",
            "drop": r"usr/lib/postgresql/15/(lib/bitcode|lib/(plpython|plperl|pltcl|llvmjit)|bin/(pgbench|pg_upgrade|oid2name))"
                    r"|usr/share/zoneinfo/(right|posix)",
            "files": users(("postgres", 999, "/var/lib/postgresql")),
            "copies": programs("usr/local/bin", "postgres-entrypoint"),
            "links": {"usr/local/bin/psql": "/usr/lib/postgresql/15/bin/psql",
                      "usr/local/bin/pg_isready": "/usr/lib/postgresql/15/bin/pg_isready",
                      "usr/local/bin/pg_dump": "/usr/lib/postgresql/15/bin/pg_dump"},
            "directories": {"docker-entrypoint-initdb.d": 0o755}}

ON_BASH = [BASE, BASH]
ON_PYTHON = [*ON_BASH, PYTHON, DRIVERS, APPS]

# --- images -----------------------------------------------------------------------------------------------------


def image(layers, env=(), **config):
    return {"layers": layers, "config": {"Env": [PATH, *env], **config}}


def application(service, version, **config):
    return image(ON_PYTHON, ["PYTHONUNBUFFERED=1", "PYTHONUTF8=1", f"SERVICE={service}", f"VERSION={version}"],
                 **{"Entrypoint": ["python3", "/app/service.py"], "WorkingDir": "/app", **config})


def applications(repository, service, *tags, **config):
    return {f"{repository}:{tag}": application(service, tag, **config) for tag in tags}


IMAGES = {f"library/busybox:{tag}": image([BASE], Cmd=["sh"]) for tag in ("latest", "1.28", "1.35", "1.36")}
IMAGES["library/postgres:13"] = image([*ON_BASH, POSTGRES], ["PGDATA=/var/lib/postgresql/data"],
                                      Entrypoint=["postgres-entrypoint"], Cmd=["postgres"], StopSignal="SIGINT")
for name in ("data-ingestion", "data-processing", "validation", "report-generation", "report-submission", "error-monitoring", "web"):
    IMAGES |= applications(f"your-docker-registry/{name}", name, "latest", "v2")

if __name__ == "__main__":
    main(IMAGES, __doc__)
