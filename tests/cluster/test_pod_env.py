"""What a container finds in its environment, and what is said when it cannot be made."""

import pytest

from podkit import Pods, pod, sh
from labsite import wait_for

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"},
          "data": {"plain": "literal $(A) $$(A)", "with-dash": "d", "url": "x://$(USER)@h"}}
SERVICES = [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "my-db"},
             "spec": {"ports": [{"name": "main", "port": 5432}]}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "headless"},
             "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}]


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def field(name, path):
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name, what, divisor="0"):
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": what, "divisor": divisor}}}


def key(name, which, optional=False):
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": "cm", "key": which, "optional": optional}}}


def environment(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_every_form_of_a_variable(pods):
    pods.apply(CONFIG, *SERVICES)
    wait_for("the service's address", 10, lambda: pods.kubectl("get", "service", "my-db"))
    # `env` itself, not a shell: that would hide names with dashes.
    main = {"name": "c", "image": "busybox:1", "command": ["env"],
            "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}},
            "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"},
                        {"secretRef": {"name": "none", "optional": True}}],
            "env": [{"name": "A", "value": "aa"},
                    {"name": "B", "value": "$(A)-$(LATER)-$$(A)-$(MY_DB_SERVICE_PORT)"},
                    key("C", "plain"), {"name": "D", "value": "$(C)"}, key("OPTIONAL", "none", True),
                    field("NAME", "metadata.name"), field("LABEL", "metadata.labels['app']"),
                    field("NODE", "spec.nodeName"), field("ACCOUNT", "spec.serviceAccountName"),
                    field("HOST", "status.hostIP"), field("IP", "status.podIP"), field("IPS", "status.podIPs"),
                    resource("CPU", "limits.cpu"), resource("MILLI", "limits.cpu", "1m"),
                    resource("MEMORY", "limits.memory", "1Mi"), resource("REQUEST", "requests.memory"),
                    {"name": "LATER", "value": "x"}]}
    words = {"name": "words", "image": "busybox:1", "env": [{"name": "A", "value": "aa"}],
             "command": ["echo"], "args": ["$(A)", "$$(A)", "$(NONE)"]}
    pods.apply(pod("env", main, words), pod("plain", sh("env"), enableServiceLinks=False))
    pods.wait_phase("Succeeded", "env", "plain")
    env, status, spec = environment(pods.log("env")), pods.get("env")["status"], pods.get("env")["spec"]
    expected = {"A": "aa", "B": "aa-$(LATER)-$(A)-5432", "C": "literal $(A) $$(A)", "D": "literal $(A) $$(A)",
                "P_plain": "literal $(A) $$(A)", "P_with-dash": "d", "P_url": "x://$(USER)@h",
                "NAME": "env", "LABEL": "env", "NODE": spec["nodeName"], "ACCOUNT": "default",
                "HOST": status["hostIP"], "IP": status["podIP"], "IPS": status["podIP"], "HOSTNAME": "env",
                "CPU": "2", "MILLI": "1500", "MEMORY": "64", "REQUEST": str(64 << 20),
                "MY_DB_PORT_5432_TCP_PROTO": "tcp", "MY_DB_SERVICE_PORT_MAIN": "5432"}
    assert {k: env.get(k) for k in expected} == expected
    assert env["MY_DB_PORT"] == f"tcp://{env['MY_DB_SERVICE_HOST']}:5432"
    assert "OPTIONAL" not in env and not [k for k in env if k.startswith("HEADLESS")]
    assert pods.log("env", "words") == "aa $(A) $(NONE)\n"
    plain = environment(pods.log("plain"))
    assert plain["KUBERNETES_SERVICE_HOST"] and "MY_DB_SERVICE_HOST" not in plain


def test_a_missing_reference_is_named_and_waited_for(pods):
    secret = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}
    pods.apply(CONFIG, pod("missing", sh("echo got $X", env=[secret])),
               pod("from", sh("env", envFrom=[{"configMapRef": {"name": "none"}}])),
               pod("key", sh("env", env=[key("X", "none")])))
    told = {"missing": 'secret "late" not found', "from": 'configmap "none" not found',
            "key": f"couldn't find key none in ConfigMap {pods.namespace}/cm"}
    for name, message in told.items():
        assert pods.wait_waiting(name, "CreateContainerConfigError") == message
        pods.wait_event(name, "Failed", f"Error: {message}")
    assert "CreateContainerConfigError" in pods.kubectl("get", "pod", "missing")
    pods.kubectl("create", "secret", "generic", "late", "--from-literal=k=v")
    pods.wait_phase("Succeeded", "missing")
    assert pods.log("missing") == "got v\n"
