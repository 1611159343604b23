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
APPS = {"copies": {**programs("app", "service.py", "stores.py", "systems.py", "web.py", "services.json", "main.py", "udp_echo.py"),
                   **programs("usr/local/bin", "node", "npx"), "app/prisma/migrations/1_init.sql": f"{PROGRAMS}/migration-1.sql"},
        "bytecode": True, "directories": {"app/logs": 0o777, "app/.next/cache": 0o777}}
STORE = {"copies": {**programs("app", "document_store.py", "mongo_shell.py"), **programs("usr/local/bin", "mongod", "mongosh")},
         "links": {"usr/local/bin/mongo": "mongosh", "usr/local/bin/docker-entrypoint.sh": "mongod"}, "bytecode": True,
         "directories": {"data/db": 0o777, "docker-entrypoint-initdb.d": 0o755}}
KAFKA_TOOLS = ("kafka-topics", "kafka-console-producer", "kafka-console-consumer", "kafka-consumer-groups", "kafka-broker-api-versions")
BROKER = {"copies": {**programs("app", "broker.py"), **programs("usr/local/bin", "kafka-tools"),
                     "etc/confluent/docker/run": f"{PROGRAMS}/kafka-run"}, "bytecode": True,
          "links": {f"usr/local/bin/{tool}{end}": "kafka-tools" for tool in KAFKA_TOOLS for end in ("", ".sh")},
          "directories": {"var/lib/kafka/data": 0o777}}
JAVA = {"packages": ["libstdc++6", "zlib1g"],
        "java": ["java.base", "java.management", "java.logging", "java.naming", "java.xml", "java.security.sasl", "jdk.unsupported"]}
ZOOKEEPER = {"picks": {"libzookeeper-java": ["usr/share/java/zookeeper.jar", "usr/share/java/zookeeper-jute.jar"],
                       "libslf4j-java": ["usr/share/java/slf4j-api.jar", "usr/share/java/slf4j-simple.jar"],
                       "libdropwizard-metrics-java": ["usr/share/java/metrics-core.jar"],
                       "libsnappy-java": ["usr/share/java/snappy-java.jar"],
                       "libnetty-java": [f"usr/share/java/netty-{j}.jar" for j in
                                         ("all", "buffer", "codec", "common", "handler", "resolver", "transport")]},
             "copies": {"etc/confluent/docker/run": f"{PROGRAMS}/zookeeper-run"},
             "directories": {"var/lib/zookeeper/data": 0o777, "var/lib/zookeeper/log": 0o777}}
REDIS = {"packages": ["redis-server", "redis-tools"], "directories": {"data": 0o777}, "without": ["libsystemd-dev"],
         "copies": programs("usr/local/bin", "redis-server", "redis-entrypoint")}
NGINX = {"packages": ["nginx"], "copies": programs("etc/nginx", "nginx.conf"), "files": users(("www-data", 33, "/var/www")),
         "directories": {"var/lib/nginx": 0o777, "var/log/nginx": 0o777, "usr/share/nginx/html": 0o755},
         "picks": {"nginx-common": ["etc/nginx/mime.types"]}}
NGINX_PAGE = {"copies": {"usr/share/nginx/html/index.html": f"{PROGRAMS}/frontend.html",
                         "usr/share/nginx/html/static/app.js": f"{PROGRAMS}/frontend.js"}}
PROMETHEUS = {"picks": {"prometheus": ["usr/bin/prometheus", "usr/share/prometheus/*", "etc/prometheus/*"],
                        "python3-yaml": ["usr/lib/python3/dist-packages/yaml/*.py"]},
              "copies": programs("usr/local/bin", "prometheus"), "links": {"usr/lib/prometheus/prometheus": "../../bin/prometheus"},
              "directories": {"prometheus": 0o777, "etc/prometheus": 0o755}}
ALERTMANAGER = {"picks": {"prometheus-alertmanager": ["usr/bin/prometheus-alertmanager", "etc/prometheus/*", "usr/share/prometheus/*"]},
                "links": {"usr/bin/alertmanager": "prometheus-alertmanager"}, "directories": {"alertmanager": 0o777}}
NODE_EXPORTER = {"picks": {"prometheus-node-exporter": ["usr/bin/prometheus-node-exporter"]},
                 "links": {"usr/bin/node_exporter": "prometheus-node-exporter"}}
CURL = {"packages": ["curl"]}
# The official image's nc knows -z, by which scripts wait for a port; Debian's busybox is built without.
NETCAT = {"packages": ["netcat-openbsd"], "links": {"usr/bin/nc": "nc.openbsd"}}

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

MYSQL = {"packages": ["mariadb-server-core", "mariadb-client-core"], "without": ["liburing2-dev"],
         "picks": {"mariadb-client": ["usr/bin/mariadb-admin", "usr/bin/mysqladmin", "usr/bin/mariadb-dump", "usr/bin/mysqldump"]},
         "keep": r"usr/share/mysql/(charsets|english|.*\.sql)",
         "drop": r"usr/bin/(innochecksum|mariadb-upgrade|mysql_upgrade|mariadb-check)|usr/lib/mysql/plugin/",
         "files": users(("mysql", 999, "/var/lib/mysql")),
         "copies": {**programs("usr/local/bin", "mysql-entrypoint"), **programs("etc/mysql", "mysql.cnf")},
         "links": {"etc/mysql/my.cnf": "mysql.cnf", "etc/my.cnf": "mysql/mysql.cnf", "usr/local/bin/docker-entrypoint.sh": "mysql-entrypoint"},
         "directories": {"docker-entrypoint-initdb.d": 0o755, "var/lib/mysql": 0o755, "run/mysqld": 0o777},
         # Making the system tables takes seconds of processor: once here, not at each first start of a test.
         "outputs": {"usr/share/mysql/empty.tar.gz":
                     "mkdir /tmp/made && cd /usr/share/mysql && (printf '%s;\\n' 'CREATE DATABASE mysql' 'USE mysql'"
                     " 'SET @auth_root_socket=NULL' && "
                     "cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql"
                     " maria_add_gis_sp_bootstrap.sql mysql_sys_schema.sql &&"
                     " echo \"DELETE FROM mysql.global_priv WHERE Host <> 'localhost';\";"
                     " echo \"DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';\") | mariadbd --no-defaults --bootstrap"
                     " --datadir=/tmp/made --innodb-log-file-size=16M --innodb-buffer-pool-size=24M"
                     " --lc-messages-dir=/usr/share/mysql >&2 && tar -c -C /tmp/made . | gzip"}}

ON_BASH = [BASE, BASH]
ON_PYTHON = [*ON_BASH, PYTHON, DRIVERS, APPS]

# --- images -----------------------------------------------------------------------------------------------------


def image(layers, env=(), **config):
    return {"layers": layers, "config": {"Env": [PATH, *env], **config}}


def application(service, version, **config):
    return image(ON_PYTHON, ["PYTHONUNBUFFERED=1", "PYTHONUTF8=1", f"SERVICE={service}", f"VERSION={version}"],
                 **{"Entrypoint": ["python3", "/app/service.py"], "WorkingDir": "/app", **config})


def applications(repository, service, *tags, **config):
    """Under these tags, and one more to update to."""
    return {f"{repository}:{tag}": application(service, tag, **config) for tag in (*tags, "v2")}


def database(layers, **config):
    return image([*ON_BASH, *layers], **config)


IMAGES = {f"library/busybox:{tag}": image([BASE, NETCAT], Cmd=["sh"]) for tag in ("latest", "1.28", "1.35", "1.36")}
IMAGES |= {f"curlimages/curl:{tag}": image([*ON_BASH, CURL], Entrypoint=["curl"]) for tag in ("latest", "8.8.0")}

# Databases and brokers.
IMAGES |= {f"library/postgres:{tag}": image([*ON_BASH, POSTGRES], ["PGDATA=/var/lib/postgresql/data"], StopSignal="SIGINT",
                                            Entrypoint=["postgres-entrypoint"], Cmd=["postgres"]) for tag in ("13", "15")}
IMAGES |= {f"library/mysql:{tag}": database([MYSQL], Entrypoint=["docker-entrypoint.sh"], Cmd=["mysqld"]) for tag in ("8.0", "8")}
IMAGES |= {f"library/redis:{tag}": database([REDIS], Entrypoint=["redis-entrypoint"], Cmd=["redis-server"], WorkingDir="/data")
           for tag in ("7.0-alpine", "7-alpine", "7.0")}
IMAGES |= {f"library/mongo:{tag}": image([*ON_BASH, PYTHON, STORE], ["PYTHONUNBUFFERED=1", "PYTHONUTF8=1"],
                                         Entrypoint=["docker-entrypoint.sh"], Cmd=["mongod"]) for tag in ("6.0", "7.0")}
for tag in ("7.4.0", "7.5.0"):
    IMAGES[f"confluentinc/cp-kafka:{tag}"] = image([*ON_BASH, PYTHON, BROKER], ["PYTHONUNBUFFERED=1", "PYTHONUTF8=1"],
                                                   Cmd=["/etc/confluent/docker/run"])
    IMAGES[f"confluentinc/cp-zookeeper:{tag}"] = image([*ON_BASH, JAVA, ZOOKEEPER], Cmd=["/etc/confluent/docker/run"])
IMAGES |= {f"library/nginx:{tag}": image([*ON_BASH, NGINX], Cmd=["nginx", "-g", "daemon off;"], StopSignal="SIGQUIT")
           for tag in ("latest", "1.25", "alpine")}

# Applications, by system; the second tag is what a rolling update goes to.
for name in ("data-ingestion", "data-processing", "validation", "report-generation", "report-submission", "error-monitoring", "web"):
    IMAGES |= applications(f"your-docker-registry/{name}", name, "latest")
    IMAGES |= applications(f"swap/{name}", name, "1")
for name in ("employee-service", "approval-request-service", "approval-processing-service", "notification-service"):
    for owner in ("your-registry", "eagleindesert", "erp"):
        IMAGES |= applications(f"{owner}/{name}", name, "latest")
    IMAGES |= applications(f"office/{name}", name, "1")
for name in ("service-currency", "service-history", "service-ranking", "service-dataingestor"):
    job = {"Entrypoint": ["python", "main.py"], "Cmd": ["single"]} if name == "service-dataingestor" else {}
    IMAGES |= applications(f"korgosu/{name}", name, "prod-63", "prod-64", "dev-latest", "latest", **job)
    IMAGES |= applications(f"travel/{name}", name, "1", **job)
    IMAGES |= applications(name, name, "latest", **job)
for repository, tags in (("korgosu/service-frontend", ("prod-63", "prod-64", "dev-latest", "latest", "v2")), ("travel/service-frontend", ("1", "v2")),
                         ("service-frontend", ("latest",))):
    IMAGES |= {f"{repository}:{tag}": image([*ON_BASH, NGINX, NGINX_PAGE], [f"VERSION={tag}"], StopSignal="SIGQUIT",
                                            Cmd=["nginx", "-g", "daemon off;"]) for tag in tags}
for name in ("backend", "frontend-web"):
    IMAGES |= applications(f"openmarket/{name}", name, "dev-latest", "prod-latest", "latest")
    IMAGES |= applications(f"market/{name}", name, "1")

# Monitoring and what watches the nodes.
PROMETHEUS_CMD = ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
IMAGES |= {f"prom/prometheus:{tag}": image([*ON_BASH, PYTHON, PROMETHEUS], Entrypoint=["prometheus"], Cmd=PROMETHEUS_CMD, User="nobody",
                                           WorkingDir="/prometheus") for tag in ("latest", "v2.42.0", "v2.45.0")}
IMAGES |= {f"prom/alertmanager:{tag}": image([*ON_BASH, ALERTMANAGER], Entrypoint=["alertmanager"], User="nobody", WorkingDir="/alertmanager",
                                             Cmd=["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"])
           for tag in ("latest", "v0.25.0")}
IMAGES |= {f"prom/node-exporter:{tag}": image([*ON_BASH, NODE_EXPORTER], Entrypoint=["node_exporter"], User="nobody")
           for tag in ("latest", "v1.5.0", "v1.6.0")}
IMAGES |= applications("provectuslabs/kafka-ui", "kafka-ui", "latest")
IMAGES |= applications("ingress-nginx/controller", "ingress-controller", "v1.8.1")
IMAGES |= applications("grafana/grafana", "grafana", "latest", "10.0.0")
IMAGES |= applications("kube-state-metrics/kube-state-metrics", "kube-state-metrics", "v2.9.2", "v2.10.0")
IMAGES |= applications("fluent/fluent-bit", "fluent-bit", "latest", "2.1")
IMAGES |= applications("amazon/aws-for-fluent-bit", "fluent-bit", "latest", "2.31.12")
IMAGES |= applications("amazon/aws-xray-daemon", "udp", "latest", Entrypoint=["python3", "/app/udp_echo.py"])
IMAGES |= applications("nvidia/dcgm-exporter", "idle", "latest", User="1000", Entrypoint=["python3", "/app/service.py"])

if __name__ == "__main__":
    main(IMAGES, __doc__)
