"""Trip currency's other overlays, beside or instead of the one that is deployed, and what people install beside it.

Part of test_trip_currency.py, which has it all by name.
"""

import ipaddress
import json
import os
import re

import pytest
import yaml

from acceptance import current_image
from labsite import name_of, wait_for
from system import OWN, Route, images_of


def class_of_claims(owner):
    wanted = {t["spec"]["storageClassName"] for d in owner.documents if d["kind"] == "StatefulSet"
              for t in d["spec"]["volumeClaimTemplates"]}
    assert len(wanted) == 1
    return wanted.pop()


# --- the overlay for a cloud --------------------------------------------------------------------------------------


def eks_overlay(owner, folder):
    """Where it is, and its host.  Around the seed's files it is made here, as the owner's document has it."""
    if owner.source == "own":
        return os.path.join(OWN, owner.system.name, "overlays", "eks"), "travel.example.com"
    host, prod = "2025teamproject.store", os.path.realpath(owner.files()[0])
    spec = next(d["spec"] for d in owner.documents if name_of(d) == "trip-service-ingress")
    notes = {"scheme": "internet-facing", "target-type": "ip", "load-balancer-name": "trip-service-alb",
             "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]', "ssl-redirect": "443",
             "certificate-arn": "arn:aws:acm:ap-northeast-2:716773066105:certificate/of-the-owner"}
    change = [{"op": "replace", "path": "/metadata/annotations", "value": {f"alb.ingress.kubernetes.io/{k}": v for k, v in notes.items()}},
              {"op": "replace", "path": "/spec", "value": {"ingressClassName": "alb", "tls": [{"hosts": [host]}],
                                                           "rules": [{**rule, "host": host} for rule in spec["rules"]]}}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service-frontend", "annotations": {
        "service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}}, "spec": {"type": "LoadBalancer"}}
    delete = {"$patch": "delete", "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "frontend-ingress"}}
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class_of_claims(owner)},
               "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "encrypted": "true"},
               "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": True}
    registry = "716773066105.dkr.ecr.ap-northeast-2.amazonaws.com"
    here = folder.mktemp("eks")
    (here / "storageclass.yaml").write_text(json.dumps(storage))
    (here / "kustomization.yaml").write_text(json.dumps({
        "resources": [os.path.relpath(prod, os.path.realpath(here)), "storageclass.yaml"],
        "images": [{"name": f"korgosu/{app}", "newName": f"{registry}/{app}", "newTag": "latest"}
                   for app in (*owner.system.apps, "service-dataingestor")],
        "patches": [{"patch": json.dumps(delete), "target": {"kind": "Ingress", "name": "frontend-ingress"}},
                    {"patch": json.dumps(service), "target": {"kind": "Service", "name": "service-frontend"}},
                    {"patch": json.dumps(change), "target": {"kind": "Ingress", "name": "trip-service-ingress"}}]}))
    return str(here), host


CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: another}
spec: {accessModes: [ReadWriteOnce], storageClassName: @CLASS, resources: {requests: {storage: 10Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: another}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: "busybox:1.36", command: [sleep, "3600"], volumeMounts: [{name: data, mountPath: /data}]}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: another}}]
"""


def test_the_overlay_for_a_cloud(owner, tmp_path_factory):
    """Its registry, its load balancers, its class of disks: here the mirror table, the entry and local disk."""
    folder, host = eks_overlay(owner, tmp_path_factory)
    cloud_class = class_of_claims(owner)
    built = list(yaml.safe_load_all(owner.site.kubectl("kustomize", folder)))
    owner.site.push([*images_of(built), "library/busybox:1.36"])
    # What the other overlay had and this one does not: nobody else takes it away.
    owner.kubectl("delete", "ingress", "frontend-ingress")
    try:
        said = owner.apply(folder)
        assert f"storageclass.storage.k8s.io/{cloud_class} created" in said
        assert "ingress.networking.k8s.io/trip-service-ingress configured" in said
        assert all(".amazonaws.com/" in current_image(owner, app) for app in owner.system.apps)
        for app in ("service-currency", "service-history", "service-frontend"):  # ranking takes minutes to call itself ready
            owner.kubectl("rollout", "status", f"deployment/{app}", "--timeout=240s", timeout=250)
        the_entry_is_a_load_balancer_of_amazon(owner, host)
        the_frontend_wants_a_load_balancer_of_its_own(owner)
        the_class_has_another_provisioner(owner, cloud_class)
    finally:
        owner.kubectl("delete", "pod,pvc", "another", "--ignore-not-found", "--timeout=60s", timeout=70)
        owner.site.kubectl("delete", "storageclass", cloud_class, "--ignore-not-found")
        owner.apply(owner.files()[0])
    owner.all_ready()
    owner.check_routes()
    service = owner.site.get("-n", owner.ns, "service", "service-frontend")
    assert service["spec"]["type"] == "ClusterIP" and "nodePort" not in service["spec"]["ports"][0], service["spec"]
    wait_for("the address to go", 20, lambda: not owner.site.get("-n", owner.ns, "service", "service-frontend")["status"]["loadBalancer"])


def the_entry_is_a_load_balancer_of_amazon(owner, host):
    """What is asked in clear goes to TLS; there is a certificate although there is no Secret."""
    def curl(*words):
        return owner.site.run("client", "curl", "-sS", "--max-time", "10", "--resolve", f"{host}:443:{owner.site.control}",
                              "--resolve", f"{host}:80:{owner.site.control}", *words)

    name = wait_for("a host name", 20, lambda: owner.kubectl(
        "get", "ingress", "trip-service-ingress", "-o", "jsonpath={.status.loadBalancer.ingress[0].hostname}"))
    assert name.startswith("trip-service-ingress"), name
    assert "alb" in owner.kubectl("get", "ingress", "trip-service-ingress", "--no-headers").split()
    wait_for("a redirect", 20, lambda: "301 Moved Permanently" in curl("-I", f"http://{host}/health?x=1"))
    assert f"location: https://{host}:443/health?x=1" in curl("-I", f"http://{host}/health?x=1").lower()
    assert "200" in curl("-k", "-o", "/dev/null", "-w", "%{http_code}", f"https://{host}/health")
    for path, words in (("/api/v1/currencies", "JPY"), ("/api/v1/history", "USD"), ("/api/v1/rankings", "JP"),
                        ("/", "<title>trip currency</title>")):
        assert words in curl("-k", f"https://{host}{path}"), path
    shown = owner.site.run("client", "sh", "-c", f"openssl s_client -connect {owner.site.control}:443 -servername {host} </dev/null "
                           "2>/dev/null | openssl x509 -noout -ext subjectAltName")
    assert f"DNS:{host}" in shown, shown
    refused = owner.site.run("client", "curl", "-sS", "--resolve", f"{host}:443:{owner.site.control}", f"https://{host}/", check=False)
    assert refused.returncode == 60, refused  # nobody vouches for it
    assert owner.outside.ask("/health", host="other.example.com").status == 404


def the_frontend_wants_a_load_balancer_of_its_own(owner):
    """Port 80 of the only address is the entry's: said in an event, and nobody is harmed.  With a pool it gets an address."""
    wait_for("an event", 20, lambda: "port 80 is used by the cluster itself" in owner.kubectl("describe", "svc", "service-frontend"))
    row = owner.kubectl("get", "svc", "service-frontend", "--no-headers").split()
    assert row[1] == "LoadBalancer" and row[3] == "<pending>" and re.fullmatch(r"80:3\d{4}/TCP", row[4]), row
    node = owner.site.lab("address", "worker1").strip()
    assert "trip currency" in owner.site.run("control", "curl", "-sSf", f"http://{node}:{row[4][3:8]}/")


def the_class_has_another_provisioner(owner, cloud_class):
    assert owner.site.get("storageclass", cloud_class)["provisioner"] == "ebs.csi.aws.com"
    owner.site.apply(CLAIM.replace("@CLASS", cloud_class), "-n", owner.ns)
    owner.kubectl("wait", "--for=condition=ready", "pod/another", "--timeout=60s", timeout=70)
    assert owner.site.get("-n", owner.ns, "pvc", "another")["status"]["phase"] == "Bound"
    assert re.search(rf'Warning .*"?{cloud_class}', owner.kubectl("describe", "pvc", "another"))
    done = owner.site.kubectl("patch", "storageclass", cloud_class, "-p", '{"provisioner":"other.example.com/disks"}', check=False)
    assert done.returncode == 1 and f'The StorageClass "{cloud_class}" is invalid: ' in done.stderr, done
    assert "updates to provisioner are forbidden" in done.stderr, done


# --- the overlay for one machine ----------------------------------------------------------------------------------


def test_the_small_overlay_beside_the_big_one(owner):
    """In a namespace of its own: prefixes taken away, other sites may ask, big uploads are refused, nobody scales."""
    if owner.source != "own":
        pytest.skip("the owner's dev cannot be built")
    folder, ns, host = os.path.join(OWN, owner.system.name, "overlays", "small"), "trip-service-dev", "api-dev.trip-service.local"
    owner.site.kubectl("create", "namespace", ns)
    try:
        owner.site.kubectl("apply", "-k", folder)
        assert not owner.site.items("-n", ns, "hpa")
        owner.site.kubectl("-n", ns, "wait", "--for=condition=available", "deployment", "--all", "--timeout=180s", timeout=190)
        owner.site.kubectl("-n", ns, "rollout", "status", "statefulset/mysql", "--timeout=120s", timeout=130)
        owner.check_routes([Route("/currency/api/v1/currencies", host=host, by="service-currency", seen="/api/v1/currencies", holds="JPY"),
                            Route("/CURRENCY/health?x=1", host=host, by="service-currency", seen="/health?x=1"),
                            Route("/currency", host=host, by="service-currency", seen="/"),
                            Route("/currencyx", host=host, holds="<title>trip currency</title>", seen="/currencyx"),
                            Route("/static/app.js", host=host, holds="fetch(", seen="/static/app.js"),
                            Route("/api/v1/currencies", by="service-currency")])
        upload = ("head -c $2 /dev/zero | curl -s -o /dev/null -w '%{http_code}' -H \"Host: $1\" --data-binary @- "
                  f"http://{owner.site.control}/currency/echo")
        for size, status in ((1 << 20, "200"), ((1 << 20) + 1, "413")):
            assert owner.site.run("client", "sh", "-c", upload, "sh", host, str(size)) == status, size
        answer = owner.outside.ask("/currency/health", host=host, headers={"Origin": "https://app.example.com"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com", answer.headers
        answer = owner.outside.ask("/currency/health", host=host, headers={"Origin": "https://elsewhere.example.com"})
        assert "access-control-allow-origin" not in answer.headers, answer.headers
    finally:
        owner.site.kubectl("delete", "-k", folder, "--ignore-not-found", "--timeout=100s", timeout=120)
        owner.site.kubectl("delete", "namespace", ns, "--timeout=100s", timeout=120)


# --- add-ons ------------------------------------------------------------------------------------------------------


POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: trip-pool, namespace: metallb-system}
spec: {addresses: ["@FIRST-@LAST"]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: trip-advertisement, namespace: metallb-system}
spec: {ipAddressPools: [trip-pool]}
"""


def test_addresses_of_a_pool_and_an_ingress_controller_beside_the_entry(owner):
    """MetalLB's kinds are built in; who installs ingress-nginx all the same has it running, and its logs."""
    controller = os.path.join(OWN, owner.system.name, "addons", "ingress-controller.yaml")
    with open(controller, encoding="utf-8") as f:
        owner.site.push(images_of(list(yaml.safe_load_all(f))))
    pool = [str(ipaddress.ip_address(owner.site.control) + 100 + i) for i in range(4)]
    owner.site.kubectl("create", "namespace", "metallb-system")
    try:
        owner.site.apply(POOL.replace("@FIRST", pool[0]).replace("@LAST", pool[-1]))
        owner.site.kubectl("apply", "-f", controller)
        owner.site.kubectl("-n", "ingress-nginx", "rollout", "status", "deployment/ingress-nginx-controller", "--timeout=90s", timeout=100)
        health = f"http://{external(owner, 'ingress-nginx', 'ingress-nginx-controller', pool)}:10254/healthz"
        wait_for("the controller's address", 20, lambda: owner.site.run("client", "curl", "-sSf", "--max-time", "3", health))
        assert "listening on 10254" in owner.site.kubectl("logs", "-n", "ingress-nginx", "deployment/ingress-nginx-controller")
        owner.kubectl("annotate", "service", "service-frontend", "metallb.universe.tf/address-pool=trip-pool")
        owner.kubectl("patch", "service", "service-frontend", "-p", '{"spec":{"type":"LoadBalancer"}}')
        page = f"http://{external(owner, owner.ns, 'service-frontend', pool)}/"
        wait_for("the page", 20, lambda: "trip currency" in owner.site.run("client", "curl", "-sSf", "--max-time", "3", page))
        owner.check_routes()  # the entry goes on beside all this
    finally:
        owner.kubectl("annotate", "service", "service-frontend", "metallb.universe.tf/address-pool-")
        owner.apply(owner.files()[0])
        owner.site.kubectl("delete", "-f", controller, "--ignore-not-found", "--timeout=100s", timeout=120)
        owner.site.kubectl("delete", "-f", "-", "--ignore-not-found", stdin=POOL)
        owner.site.kubectl("delete", "namespace", "metallb-system", "--timeout=60s", timeout=70)
    wait_for("the pool's addresses to be silent", 20,
             lambda: owner.site.run("client", "curl", "-s", "--max-time", "2", page, check=False).returncode)


def external(owner, ns, name, pool):
    def condition():
        found = owner.site.kubectl("-n", ns, "get", "service", name, "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
        return found if found in pool else None
    return wait_for("an address of the pool", 20, condition)
