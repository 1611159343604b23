"""Ports of nodes that lead to pods."""

from behaviour import behaviour
from labsite import WORKERS
from nodes import labelled, unschedulable
from servers import PORT, serving

NODE = WORKERS[0]


def door(name, port, ip=None, protocol="TCP", **spec):
    way = {"hostPort": port, "containerPort": PORT, "protocol": protocol} | ({"hostIP": ip} if ip else {})
    return serving(name, container={"ports": [way]}, **spec)


@behaviour("[sig-scheduling] SchedulerPredicates [Serial] validates that there exists conflict between pods with same hostPort and "
           "protocol but one using 0.0.0.0 hostIP [Conformance]")
def test_all_addresses_take_the_port(batch, site):
    with labelled(site, NODE, f"kubernetes.io/e2e-{batch.namespace}", "95") as label:
        batch.add(door("pod4", 54322, "0.0.0.0", nodeSelector=label))
        assert batch.running("pod4")["spec"]["nodeName"] == NODE
        batch.add(door("pod5", 54322, site.lab("address", NODE).strip(), nodeSelector=label))
        assert "didn't have free ports for the requested pod ports" in unschedulable(batch, "pod5")
        assert not batch.get("pod5")["spec"].get("nodeName")
