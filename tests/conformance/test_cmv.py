"""Files of ConfigMaps."""

from batch import config, look, mount, mounted, secret
from behaviour import behaviour, each
from filetables import DATA, check_comes_and_goes, check_follows, comes_and_goes, configmaps, direct, follows
from labsite import wait_for
from podkit import sh
from workloads import workload

VOLUME = direct("configMap")
TABLE = configmaps("[sig-storage] ConfigMap", VOLUME) | {
    "[sig-storage] ConfigMap binary data should be reflected in volume [NodeConformance] [Conformance]":
        look("cat /v/data-1; echo; hexdump -ve '1/1 \"%02x \"' /v/dump.bin", ["value-1", "de ca fe ba d0 fe ff "],
             container=mounted(), volumes=[VOLUME(of="binary")]),
    "[sig-storage] EmptyDir wrapper volumes should not conflict [Conformance]":
        look("cat /etc/secret/data-1 /etc/config/data-1", ["hiddenvalue-1"],
             container={"volumeMounts": [mount("s", "/etc/secret", readOnly=True), mount("v", "/etc/config")]},
             volumes=[VOLUME(), {"name": "s", "secret": {"secretName": "plain"}}]),
}
OBJECTS = [config("plain", DATA), config("binary", {"data-1": "value-1"}, binaryData={"dump.bin": "3sr+utD+/w=="}),
           secret("plain", {"data-1": "hidden"}), *follows(VOLUME, "changes", config), *comes_and_goes(VOLUME, "optional", config)]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@behaviour("[sig-storage] ConfigMap updates should be reflected in volume [NodeConformance] [Conformance]")
def test_updates(batch):
    check_follows(batch, "configmap", "changes")


@behaviour("[sig-storage] ConfigMap optional updates should be reflected in volume [NodeConformance] [Conformance]")
def test_optional_updates(batch):
    check_comes_and_goes(batch, "configmap", "optional", config)


@behaviour("[sig-storage] EmptyDir wrapper volumes should not cause race condition when used for configmaps [Serial] [Conformance]")
def test_fifty_volumes_in_five_pods_of_a_node(batch, site):
    names = [f"racey-{i}" for i in range(50)]
    batch.add(*(config(name, {"data-1": "value-1"}) for name in names))
    node = site.items("nodes", "-l", "!node-role.kubernetes.io/control-plane")[0]["metadata"]["name"]
    main = sh("sleep 10000", resources={"requests": {"cpu": "1m"}}, volumeMounts=[mount(n, f"/etc/config-{n}") for n in names])
    for i in range(3):
        batch.add(workload("ReplicationController", f"wrapped-{i}", main, replicas=5, pod={
            "nodeName": node, "volumes": [VOLUME(n, n) for n in names]}))
        wait_for("five pods to run", 60, lambda: batch.kubectl(
            "get", "rc", f"wrapped-{i}", "-o", "jsonpath={.status.readyReplicas}") == "5")
        batch.kubectl("delete", "rc", f"wrapped-{i}")
        wait_for("them to be gone", 60, lambda: batch.kubectl("get", "pods", "-l", f"app=wrapped-{i}", "-o", "name") == "")
