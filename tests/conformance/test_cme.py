"""ConfigMaps, Secrets and Services in the environment of containers."""

from batch import config, look, secret
from behaviour import behaviour, each
from podkit import pod, sh

DATA = {"data_1": "value-1", "data_2": "value-2", "data_3": "value-3"}
NODE = "[NodeConformance] [Conformance]"


def env(says, **container):
    """`env` itself, not a shell: that would hide names with dashes."""
    return look("", says, container={"command": ["env"]} | container)


def key(name, kind):
    return {"name": name, "valueFrom": {f"{kind}KeyRef": {"name": "plain", "key": "data_1"}}}


def whole(prefix):
    return {f"{prefix}data_{i}=value-{i}" for i in (1, 2, 3)}


TABLE = {
    f"[sig-node] ConfigMap should be consumable via environment variable {NODE}":
        env({"CONFIG_DATA_1=value-1"}, env=[key("CONFIG_DATA_1", "configMap")]),
    f"[sig-node] ConfigMap should be consumable via the environment {NODE}":
        env(whole("") | whole("p-"), envFrom=[{"configMapRef": {"name": "plain"}}, {"prefix": "p-", "configMapRef": {"name": "plain"}}]),
    f"[sig-node] Secrets should be consumable from pods in env vars {NODE}":
        env({"SECRET_DATA=value-1"}, env=[key("SECRET_DATA", "secret")]),
    f"[sig-node] Secrets should be consumable via the environment {NODE}":
        env(whole("") | whole("p_"), envFrom=[{"secretRef": {"name": "plain"}}, {"prefix": "p_", "secretRef": {"name": "plain"}}]),
}
OBJECTS = [config("plain", DATA), secret("plain", DATA), pod("server", sh("sleep 10000"), terminationGracePeriodSeconds=0),
           {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fooservice"},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 8765, "targetPort": 8080}]}}]


@each(TABLE)
def test_environment(batch, look):
    batch.check(look)


@behaviour("[sig-node] Pods should contain environment variables for services [NodeConformance] [Conformance]")
def test_services(batch, site):
    batch.running("server")
    batch.add(pod("client", sh("env")))
    batch.ended("client")
    ip = site.get("-n", batch.namespace, "service", "fooservice")["spec"]["clusterIP"]
    assert set(batch.log("client").splitlines()) >= {
        f"FOOSERVICE_SERVICE_HOST={ip}", "FOOSERVICE_SERVICE_PORT=8765", f"FOOSERVICE_PORT=tcp://{ip}:8765",
        f"FOOSERVICE_PORT_8765_TCP=tcp://{ip}:8765", "FOOSERVICE_PORT_8765_TCP_PROTO=tcp",
        "FOOSERVICE_PORT_8765_TCP_PORT=8765", f"FOOSERVICE_PORT_8765_TCP_ADDR={ip}"}
