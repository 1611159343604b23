#!/usr/bin/python3
"""The images of the lab and its tests, from Debian packages (image_builder.py tells how).

  images.py [--registry URL] [--cache DIR] [NAME...]     build (and push) these images, or all
"""

import sys

sys.dont_write_bytecode = True
from image_builder import BASE, main  # noqa: E402  (after the line above on purpose)

HELLO = "examples/hello/app/hello.c"
ECHO = "tests/lab/echo.c"

NOT_NEEDED_OF_PYTHON = (r"usr/lib/python3.11/(test|idlelib|lib2to3|ensurepip|tkinter|turtledemo|pydoc_data|distutils|unittest|curses"
                        r"|dbm|venv|asyncio|multiprocessing|sqlite3|xml|config-3|turtle\.py|__phello__)|usr/bin/(pydoc|pygettext)")

REDIS_ENTRYPOINT = """\
#!/bin/sh
# Every write is on the disk before it is answered; one argument more overrides.
exec redis-server --bind '* -::*' --protected-mode no --dir /data \\
    --appendonly yes --appendfsync always --save '' "$@"
"""

# "form" differs on purpose: the three ways in which registries describe images all get used.
IMAGES = {
    "library/busybox:1": {"form": "oci", "layers": [BASE],
                          "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}},
    "library/hello:1": {"form": "index",
                        "layers": [BASE, {"programs": {"usr/bin/hello": HELLO}}],
                        "config": {"Entrypoint": ["/usr/bin/hello"], "User": "65534:65534",
                                   "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PORT=8080"],
                                   "ExposedPorts": {"8080/tcp": {}}}},
    "library/grpc-health:1": {"form": "oci",
                              "layers": [BASE, {"programs": {"usr/bin/grpc_health": "tests/lab/grpc_health.c"}}],
                              "config": {"Entrypoint": ["/usr/bin/grpc_health"], "Cmd": ["9090"],
                                         "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}},
    "library/echo:1": {"form": "oci", "layers": [BASE, {"programs": {"usr/bin/echo-http": ECHO}}],
                       "config": {"Entrypoint": ["/usr/bin/echo-http"], "User": "65534:65534",
                                  "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                                  "ExposedPorts": {"8080/tcp": {}}}},
    "library/webhook:1": {"form": "oci",
                          "layers": [BASE, {"packages": ["python3.11-minimal", "libpython3.11-stdlib"], "bytecode": True,
                                            "links": {"usr/bin/python3": "python3.11"},
                                            "drop": NOT_NEEDED_OF_PYTHON}, {"copies": {"app/webhook.py": "tests/lab/webhook.py"}}],
                          "config": {"Entrypoint": ["/usr/bin/python3", "/app/webhook.py"], "User": "65534:65534",
                                     "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "ExposedPorts": {"8443/tcp": {}}}},
    "library/redis:7": {"form": "docker",
                        "layers": [BASE, {"packages": ["redis-server", "redis-tools"],
                                          "files": {"usr/bin/redis-entrypoint": REDIS_ENTRYPOINT},
                                          "directories": {"data": 0o755}}],
                        "config": {"Entrypoint": ["/usr/bin/redis-entrypoint"], "WorkingDir": "/data",
                                   "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                                   "ExposedPorts": {"6379/tcp": {}}, "Volumes": {"/data": {}}}},
}

if __name__ == "__main__":
    main(IMAGES, __doc__)
