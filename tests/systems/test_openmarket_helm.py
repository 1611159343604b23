"""Our own chart of a shop, as owners of charts work with it.  Without helm what it renders is applied, and only that is shown."""

import json
import os
import time

import pytest
import yaml

import helm as helm_program
from acceptance import *  # noqa: F401,F403
from labsite import REPO, is_ready, wait_for
from system import OWN, Route, System, push

CHART = os.path.join(OWN, "openmarket", "chart")
RENDERED = os.path.join(OWN, "openmarket", "rendered-dev.yaml")
DEV, PROD = (os.path.join(CHART, f"values-{name}.yaml") for name in ("dev", "prod"))
MKUBE = os.path.join(os.environ.get("BUILD", os.path.join(REPO, "build")), "mkube")
DOMAIN = "dev.openmarket.example.com"
API = f"api.{DOMAIN}"
TLS = {"tls": True}


def install(owner):
    """As their script does: checked, rendered, installed."""
    push(owner.site, ["library/busybox:1.36"])
    path, why = helm_program.find()
    if not path:
        print(f"no helm ({why}): applied with kubectl")
        owner.kubectl("apply", "-f", RENDERED)
        return
    helm = helm_program.Helm(owner.site, path)
    assert "0 chart(s) failed" in helm("lint", CHART, "-f", DEV)
    helm("upgrade", "--install", "openmarket-dev", CHART, "--namespace", owner.ns, "--create-namespace", "-f", DEV,
         "--set", "logLevel=debug", "--wait", "--timeout", "5m", timeout=330)


def uninstall(owner):
    path, _ = helm_program.find()
    if not path:
        owner.kubectl("delete", "-f", RENDERED)
        return
    helm = helm_program.Helm(owner.site, path)
    assert 'release "openmarket-dev" uninstalled' in helm("uninstall", "openmarket-dev", "-n", owner.ns, "--wait", "--timeout", "2m")
    left = owner.kubectl("get", "all,ingress,hpa,pdb,configmap,sa,networkpolicy,secret", "-l", "app.kubernetes.io/instance", "-o", "name")
    assert not left, left
    assert "sh.helm.release" not in owner.kubectl("get", "secrets", "-o", "name")
    owner.site.kubectl("delete", "crd", "promotions.market.example.com")  # helm leaves those


SYSTEM = System(
    name="openmarket", namespace="openmarket-dev", seed="", comes_from=("own",),
    before=[["create", "namespace", "openmarket-dev"]], files=[], own_files=["database.yaml"], after=[install],
    routes=[Route("/echo/a?b=c", host=DOMAIN, by="frontend-web", seen="/echo/a?b=c", more=TLS),
            Route("/health/ready", host=API, by="backend", seen="/health/ready", more=TLS),
            Route("/api/products", host=API, by="backend", more=TLS),
            Route("/a?b=c", host=API, status=301, to=f"https://{API}:443/a?b=c"),
            Route("/", host="other.example.com", status=404, more=TLS)],
    write={"path": "/api/products", "host": API, "tls": True, "body": {"name": "RECORD"}},
    read={"path": "/api/products", "host": API, "tls": True},
    apps={"backend-api": "backend", "frontend-web": "frontend"},
    load={"path": "/echo/load", "host": API, "tls": True},
    clean_up=[uninstall],
)


@pytest.fixture
def helm(owner):
    path, why = helm_program.find()
    if not path:
        pytest.skip(f"helm: {why}")
    return helm_program.Helm(owner.site, path)


def history(helm, release="openmarket-dev", ns="openmarket-dev"):
    return [(r["status"], r["description"]) for r in json.loads(helm("history", release, "-n", ns, "-o", "json"))]


def served_by(owner, host=API):
    return owner.outside.ask("/version", host=host, tls=True).json["version"]


def test_what_is_rendered_is_what_lies_beside_the_chart(helm):
    """So that those without helm have the same."""
    rendered = helm("template", "openmarket-dev", CHART, "-n", "openmarket-dev", "-f", DEV, "--no-hooks")
    with open(RENDERED, encoding="utf-8") as f:
        assert list(yaml.safe_load_all(f)) == list(yaml.safe_load_all(rendered)), "helm template ... > rendered-dev.yaml"


def test_what_helm_tells(owner, helm):
    ns = ["-n", owner.ns]
    row = next(r for r in json.loads(helm("list", *ns, "-o", "json")) if r["name"] == "openmarket-dev")
    assert (row["status"], row["chart"]) == ("deployed", "market-0.1.0"), row
    assert "STATUS: deployed" in helm("status", "openmarket-dev", *ns)
    assert yaml.safe_load(helm("get", "values", "openmarket-dev", *ns, "-o", "yaml")) == {"logLevel": "debug"}
    assert "kind: PodDisruptionBudget" in helm("get", "manifest", "openmarket-dev", *ns)
    assert "pre-install" in helm("get", "hooks", "openmarket-dev", *ns)
    kept = owner.site.items(*ns, "secrets", "-l", "owner=helm,name=openmarket-dev,status=deployed")
    assert [s["type"] for s in kept] == ["helm.sh/release.v1"]
    notes = owner.site.get(*ns, "deployment", "backend-api")["metadata"]["annotations"]
    assert (notes["meta.helm.sh/release-name"], notes["meta.helm.sh/release-namespace"]) == ("openmarket-dev", owner.ns)
    assert owner.kubectl("get", "promotions").strip() == "" and not owner.site.items(*ns, "jobs")  # the hook's Job went
    before = owner.site.get(*ns, "deployment", "backend-api")["metadata"]["generation"]
    assert "STATUS: pending-upgrade" in helm("upgrade", "--install", "openmarket-dev", CHART, *ns, "-f", DEV, "--dry-run=server",
                                             "--set", "backend.tag=v2")
    assert owner.site.get(*ns, "deployment", "backend-api")["metadata"]["generation"] == before


def test_upgrade_under_load_rollback_and_an_upgrade_that_fails(owner, helm):
    ns = ["-n", owner.ns]
    upgrade = ["upgrade", "openmarket-dev", CHART, *ns, "-f", DEV, "--wait"]
    started = len(history(helm))
    load = owner.outside.load(**owner.system.load)
    try:
        helm(*upgrade, "--set", "backend.tag=v2,frontend.tag=v2", "--timeout", "5m")
        wait_for("the new one alone", 30, lambda: served_by(owner) == "v2")
        assert history(helm)[started - 1:] == [("superseded", "Install complete"), ("deployed", "Upgrade complete")]
        # What never becomes ready is taken back.
        said = helm.fails(*upgrade, "--set", "backend.tag=v3,frontend.tag=v2", "--atomic", "--timeout", "20s")
        assert "has been rolled back due to atomic being set" in said, said
        assert [h[0] for h in history(helm)[-3:]] == ["superseded", "failed", "deployed"]
        assert history(helm)[-1][1] == f"Rollback to {started + 1}"
        assert served_by(owner) == "v2"
        assert "Rollback was a success" in helm("rollback", "openmarket-dev", str(started), *ns, "--wait", "--timeout", "5m")
        wait_for("the first again", 30, lambda: served_by(owner) == "1")
    finally:
        told = load.stop()
    assert not told["failed"], (len(told["failed"]), told["failed"][:5])
    assert set(told["by"]) == {"backend 1", "backend v2"}, told["by"]
    print(f"helm: {told['answered']} requests, 0 failed, slowest {told['slowest']:.2f} s")
    owner.all_ready()


def test_of_the_chart_itself(owner, helm):
    said = helm("test", "openmarket-dev", "-n", owner.ns, "--logs", "--timeout", "1m")
    assert "Phase:          Succeeded" in said and '"status": "healthy"' in said, said
    owner.kubectl("delete", "pod", "openmarket-dev-answers")


def test_production_values(owner, helm):
    """Another release beside the first: Secrets from the store, both classes of Ingress, policy, priority, numbers to scrape."""
    ns, site = "openmarket-prod", owner.site
    key = "openmarket-prod/database"
    site._run([MKUBE, "secretstore", "put", key, "username=shop", "password=only-for-the-lab",
               f"host=market-database.{owner.ns}"], True, timeout=20)
    where = f"database.host=market-database.{owner.ns}.svc.cluster.local"
    try:
        helm("upgrade", "--install", "openmarket-prod", CHART, "-n", ns, "--create-namespace", "-f", PROD, "--set", where,
             "--wait", "--timeout", "5m")
        pods = site.items("-n", ns, "pods", "-l", "app=backend-api")
        assert len(pods) == 3 and all(is_ready(p) for p in pods)
        assert {p["spec"]["priority"] for p in pods} == {1000}
        assert all(p["metadata"]["annotations"]["prometheus.io/scrape"] == "true" for p in pods)
        assert site.kubectl("-n", ns, "get", "externalsecret", "--no-headers").split()[-2:] == ["SecretSynced", "True"]
        assert site.get("-n", ns, "promotion", "opening")["spec"] == {"product": "tea", "percent": 10}
        assert site.kubectl("-n", ns, "get", "promo", "--no-headers").split()[:3] == ["opening", "tea", "10"]
        owner.check_routes([
            Route("/echo/x", host="openmarket.example.com", by="frontend-web", seen="/echo/x", more=TLS),
            Route("/x", host="api.openmarket.example.com", status=301, to="https://api.openmarket.example.com:443/x"),
            Route("/health/ready", host="api.openmarket.example.com", by="backend", more=TLS),
            Route("/echo/x", host="office-openmarket.example.com", by="frontend-web", seen="/echo/x"),
            Route("/health/ready", host="office-api.openmarket.example.com", by="backend", more=TLS)])
        assert site.items("-n", ns, "networkpolicies")
        helm("uninstall", "openmarket-prod", "-n", ns, "--wait", "--timeout", "2m")
        wait_for("all of it to go", 60, lambda: "No resources found" in site.kubectl(
            "-n", ns, "get", "all,ingress,externalsecret,secret,promotions", check=False).stderr, pause=0.5)
    finally:
        helm("uninstall", "openmarket-prod", "-n", ns, "--ignore-not-found")
        site._run([MKUBE, "secretstore", "delete", key], True, timeout=20)
        site.kubectl("delete", "namespace", ns, "--ignore-not-found", "--timeout=90s", timeout=100)


def test_an_install_that_lacks_its_secret(owner, helm):
    """--wait waits until its time is over, the release is marked failed, and what it made is there to be looked at."""
    ns = "openmarket-none"
    try:
        begun = time.monotonic()
        said = helm.fails("upgrade", "--install", "openmarket-none", CHART, "-n", ns, "--create-namespace", "-f", DEV,
                          "--set", "database.check=false", "--set", "ingresses=null", "--wait", "--timeout", "15s")
        assert "context deadline exceeded" in said and 15 <= time.monotonic() - begun < 60, said
        assert [h[0] for h in history(helm, "openmarket-none", ns)] == ["failed"]
        assert "Init:CreateContainerConfigError" in owner.site.kubectl("-n", ns, "get", "pods")
        said = helm.fails("upgrade", "--install", "openmarket-none", CHART, "-n", ns, "-f", os.path.join(CHART, "values-staging.yaml"))
        assert "no such file" in said, said
    finally:
        helm("uninstall", "openmarket-none", "-n", ns, "--ignore-not-found", "--wait", "--timeout", "1m")
        owner.site.kubectl("delete", "namespace", ns, "--ignore-not-found", "--timeout=90s", timeout=100)
