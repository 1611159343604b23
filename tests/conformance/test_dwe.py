"""What an environment tells a container about its pod."""

from batch import look
from behaviour import each
from filetables import LIMITS

RESOURCES = {"CPU_LIMIT": "limits.cpu", "MEMORY_LIMIT": "limits.memory", "CPU_REQUEST": "requests.cpu",
             "MEMORY_REQUEST": "requests.memory"}


def fields(says, **paths):
    return look("env", says, container={"env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                                                for name, path in paths.items()]})


def resources(says, names, **container):
    return look("env", says, container={"env": [{"name": n, "valueFrom": {"resourceFieldRef": {"resource": RESOURCES[n]}}}
                                                for n in names]} | container)


TABLE = {f"[sig-node] Downward API should provide {words} [NodeConformance] [Conformance]": row for words, row in {
    "pod name, namespace and IP address as env vars": fields(
        lambda batch, got: {f"POD_NAME={got['metadata']['name']}", f"POD_NAMESPACE={batch.namespace}",
                            f"POD_IP={got['status']['podIP']}"},
        POD_NAME="metadata.name", POD_NAMESPACE="metadata.namespace", POD_IP="status.podIP"),
    "host IP as an env var": fields(lambda batch, got: {f"HOST_IP={got['status']['hostIP']}"}, HOST_IP="status.hostIP"),
    "pod UID as env vars": fields(lambda batch, got: {f"POD_UID={got['metadata']['uid']}"}, POD_UID="metadata.uid"),
    "container's limits.cpu/memory and requests.cpu/memory as env vars": resources(
        {"CPU_LIMIT=2", f"MEMORY_LIMIT={64 << 20}", "CPU_REQUEST=1", f"MEMORY_REQUEST={32 << 20}"}, RESOURCES, **LIMITS),
    "default limits.cpu/memory from node allocatable": resources(
        lambda batch, got: {f"CPU_LIMIT={batch.allocatable(got, 'cpu')}", f"MEMORY_LIMIT={batch.allocatable(got, 'memory')}"},
        ["CPU_LIMIT", "MEMORY_LIMIT"]),
}.items()}


@each(TABLE)
def test_environment(batch, look):
    batch.check(look)
