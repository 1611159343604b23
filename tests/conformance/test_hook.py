"""Hooks of containers: what is called after their start and before their end."""

import pytest

from behaviour import behaviour, each
from podkit import pod, sh

# Says which paths it was asked for.
TARGET = sh("mkdir -p /tmp/w && cd /tmp/w && exec httpd -f -vv -p 8080 2>&1")
OBJECTS = [pod("target", TARGET, terminationGracePeriodSeconds=0)]
HOOKS = {"poststart-exec": "postStart", "poststart-http": "postStart", "prestop-exec": "preStop", "prestop-http": "preStop"}
ENDS_AT_ONCE = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def hooked(batch):
    """Pods whose hooks ask the target for a path called after them."""
    got = batch.running("target")
    ip, node = got["status"]["podIP"], got["spec"]["nodeName"]

    def action(name):
        if name.endswith("http"):
            return {"httpGet": {"host": ip, "port": 8080, "path": f"/{name}"}}
        return {"exec": {"command": ["sh", "-c", f"wget -q -O- http://{ip}:8080/{name} || true"]}}

    def made(name, when):
        return pod(name, sh(ENDS_AT_ONCE, lifecycle={when: action(name)}), terminationGracePeriodSeconds=15, nodeName=node)
    batch.add(*(made(name, when) for name, when in HOOKS.items()), made("killed-exec", "preStop"))
    batch.running(*HOOKS, "killed-exec")
    batch.kubectl("delete", "pod", "prestop-exec", "prestop-http", "--timeout=60s", timeout=70)
    return batch


@each({f"[sig-node] Container Lifecycle Hook when create a pod with lifecycle hook should execute {name.replace('-', ' ')} hook properly "
       "[NodeConformance] [Conformance]": name for name in HOOKS})
def test_hooks(hooked, look):
    hooked.wait_log("target", f"url:/{look}\n")


@behaviour("[sig-node] PreStop should call prestop when killing a pod [Conformance]")
def test_killing(hooked):
    assert "/killed-exec" not in hooked.log("target")
    hooked.kubectl("delete", "pod", "killed-exec", "--timeout=60s", timeout=70)
    hooked.wait_log("target", "url:/killed-exec\n")
