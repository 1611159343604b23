"""ServiceAccounts: their life, and what pods find of them."""

import json

from behaviour import behaviour
from labsite import wait_for
from podkit import Pods, pod, sh

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
CA = "kube-root-ca.crt"


def account(name, **more):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": {"of": name}}, **more}


@behaviour("[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]")
def test_a_pod_finds_its_token(site, namespace, kinds):
    pods = Pods(site, namespace)
    kinds("v1", "ServiceAccount", namespace).create(account("mounted"))
    pods.apply(pod("p", sh("sleep 600"), serviceAccountName="mounted"))
    pods.wait_phase("Running", "p")
    token, ca, ns = (pods.kubectl("exec", "p", "--", "cat", f"{MOUNT}/{name}") for name in ("token", "ca.crt", "namespace"))
    assert ns.strip() == namespace and ca == kinds("v1", "ConfigMap", namespace).get(CA)["data"]["ca.crt"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = json.loads(site.kubectl("create", "--raw", "/apis/authentication.k8s.io/v1/tokenreviews", "-f", "-",
                                     stdin=json.dumps(review)))["status"]
    assert status["authenticated"] and status["user"]["username"] == f"system:serviceaccount:{namespace}:mounted"
    assert {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"} <= set(status["user"]["groups"])
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]


@behaviour("[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]")
def test_a_pod_may_do_without(site, namespace, kinds):
    said = {"default": None, "mount": True, "nomount": False}
    accounts = kinds("v1", "ServiceAccount", namespace)
    for name in ("mount", "nomount"):
        accounts.create(account(name, automountServiceAccountToken=said[name]))
    created = kinds("v1", "Pod", namespace)
    for of_account, accounts_say in said.items():
        for of_pod, pods_say in (("default", None), ("mountspec", True), ("nomountspec", False)):
            spec = {"serviceAccountName": of_account} | ({} if pods_say is None else {"automountServiceAccountToken": pods_say})
            got = created.create(pod(f"{of_account}-{of_pod}", sh("exit 0"), **spec))
            mounts = [m["mountPath"] for m in got["spec"]["containers"][0].get("volumeMounts", [])]
            wanted = pods_say if pods_say is not None else accounts_say is not False
            assert (MOUNT in mounts) is wanted, (of_account, of_pod)


@behaviour("[sig-auth] ServiceAccounts should mount projected service account token [Conformance]")
def test_a_projected_token(site, namespace):
    pods = Pods(site, namespace)
    volume = {"name": "t", "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600, "audience": "somebody"}}]}}
    pods.apply(pod("p", sh("cat /t/token; ls -ln /t/..data/token >&2", volumeMounts=[{"name": "t", "mountPath": "/t"}]), volumes=[volume]))
    pods.wait_phase("Succeeded", "p")
    token = pods.log("p").split("-rw")[0].strip()
    assert token.count(".") == 2

    def status(*audiences):
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": list(audiences)}}
        return json.loads(site.kubectl("create", "--raw", "/apis/authentication.k8s.io/v1/tokenreviews", "-f", "-",
                                       stdin=json.dumps(review)))["status"]
    good = status("somebody", "else")
    assert good["authenticated"] and good["audiences"] == ["somebody"]
    assert good["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert not status().get("authenticated") and not status("else").get("authenticated")


@behaviour("[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace [Conformance]")
def test_every_namespace_has_the_root_certificate(kinds, namespace):
    maps = kinds("v1", "ConfigMap", namespace)
    first = maps.wait("to be there", CA, lambda o: o["data"]["ca.crt"])
    maps.delete(CA)
    again = maps.wait("to be made again", CA, lambda o: o["metadata"]["uid"] != first["metadata"]["uid"])
    assert again["data"] == first["data"]
    maps.replace({**again, "data": {"ca.crt": ""}})
    maps.wait("to be repaired", CA, lambda o: o["data"] == first["data"])


@behaviour("[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount [Conformance]")
def test_the_life_of_an_account(kinds, namespace):
    accounts = kinds("v1", "ServiceAccount", namespace)
    watch = accounts.watch(accounts.version("of=life"), "of=life")
    accounts.create(account("life", secrets=[{"name": "s"}]))
    watch.next("ADDED")
    accounts.patch("life", {"automountServiceAccountToken": False})
    assert watch.next("MODIFIED")["automountServiceAccountToken"] is False
    everywhere = accounts.list("of=life", everywhere=True)["items"]
    assert [(o["metadata"]["name"], o["metadata"]["namespace"]) for o in everywhere] == [("life", namespace)]
    accounts.delete_all("of=life")
    watch.next("DELETED")
    assert accounts.names("of=life") == []


@behaviour("[sig-auth] ServiceAccounts should update a ServiceAccount [Conformance]")
def test_an_account_is_changed(kinds, namespace):
    accounts = kinds("v1", "ServiceAccount", namespace)
    assert "automountServiceAccountToken" not in accounts.create(account("changed"))
    accounts.change("changed", lambda o: o.update(automountServiceAccountToken=True))
    wait_for("the change to be seen", 10, lambda: accounts.get("changed").get("automountServiceAccountToken") is True)
