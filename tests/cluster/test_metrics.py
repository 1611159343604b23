"""/metrics as Prometheus scrapes them, and /livez, /readyz, /healthz as people and probes read them."""

import re
import shutil
import subprocess

import pytest

from bareserver import BareServer
from labsite import WORKERS, wait_for

MONITORING = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: prometheus, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: scrape}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: scrape}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scrape}
subjects: [{kind: ServiceAccount, name: prometheus, namespace: default}]
"""


@pytest.fixture(scope="module")
def bare():
    server = BareServer().start()
    yield server
    server.remove()


def value(text, series):
    found = re.search("^" + re.escape(series) + r" (\S+)$", text, re.M)
    return float(found.group(1)) if found else None


def total(text, **labels):
    """Sum of apiserver_request_total over the series that have these labels."""
    lines = (line for line in text.splitlines() if line.startswith("apiserver_request_total{"))
    return sum(float(line.split()[-1]) for line in lines if all(f'{k}="{v}"' in line for k, v in labels.items()))


def check_format(text):
    """Each series follows its family's TYPE, once; promtool has its say where it is installed."""
    names = re.findall(r"^# TYPE (\S+) (?:counter|gauge|histogram)$", text, re.M)
    assert len(names) == len(set(names)) > 5
    family = None
    series = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
        elif not line.startswith("#"):
            one = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) [-+.0-9eInf]+(?: \d+)?', line)
            assert one and line.startswith(family), line
            assert one.group(1) not in series, line
            series.add(one.group(1))
    if promtool := shutil.which("promtool"):
        said = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
        assert said.returncode == 0, said.stderr


def test_requests_are_counted_and_the_text_is_well_formed(bare):
    before = bare.kubectl("get", "--raw", "/metrics")
    check_format(before)
    bare.kubectl("create", "configmap", "counted")
    bare.kubectl("get", "configmap", "counted")
    bare.kubectl("get", "configmap", "nobody", check=False)
    after = bare.kubectl("get", "--raw", "/metrics")
    for labels in ({"verb": "POST", "code": "201"}, {"verb": "GET", "code": "200"}, {"verb": "GET", "code": "404"}):
        assert total(after, resource="configmaps", **labels) == total(before, resource="configmaps", **labels) + 1
    objects = 'apiserver_storage_objects{resource="configmaps"}'
    assert value(after, objects) == value(before, objects) + 1
    assert value(after, "process_resident_memory_bytes") > 1e6
    assert value(after, 'workqueue_adds_total{name="serviceaccount-controller"}') > 0
    check_format(after)


def test_pods_without_room_are_counted(bare):
    bare.kubectl("run", "homeless", "--image=busybox:1", "--restart=Never")
    wait_for("the pod to be counted", 20, lambda: value(
        bare.get("/metrics")[1], 'scheduler_pending_pods{queue="unschedulable"}') == 1)
    bare.kubectl("delete", "pod", "homeless", "--grace-period=0", "--force")


def test_a_watch_is_counted_while_it_lasts(bare):
    series = "apiserver_longrunning_requests{"

    def watches():
        text = bare.get("/metrics")[1]
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith(series) and 'verb="WATCH"' in line and 'resource="leases"' in line)

    process = subprocess.Popen(["kubectl", "--kubeconfig", bare.kubeconfig, "get", "leases", "-w"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("the watch to be counted", 20, lambda: watches() == 1)
    finally:
        process.terminate()
        process.wait()
    wait_for("the watch to be gone", 20, lambda: watches() == 0)


def test_a_token_scrapes_when_a_role_says_so(bare):
    bare.kubectl("create", "serviceaccount", "stranger")
    bare.kubectl("apply", "-f", "-", stdin=MONITORING)
    for account, code in (("prometheus", 200), ("stranger", 403)):
        token = bare.kubectl("create", "token", account).strip()
        answer = bare.get("/metrics", client=None, headers={"Authorization": f"Bearer {token}"})
        assert answer[0] == code, answer
    assert bare.get("/metrics", client=None)[0] in (401, 403)


def test_health_in_kubernetes_words(bare):
    assert bare.get("/livez", client=None)[:2] == (200, "ok")
    for face in ("livez", "readyz", "healthz"):
        code, text, headers = bare.get(f"/{face}?verbose", client=None)
        assert code == 200 and text.endswith(f"\n{face} check passed\n"), text
        assert text.startswith("[+]ping ok\n[+]store ok\n") and headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "[+]store-space ok\n" in bare.get("/readyz?verbose")[1]
    text = bare.get("/readyz?verbose&exclude=store&exclude=nobody")[1]
    assert "[+]store excluded: ok\n" in text
    assert 'warn: some health checks cannot be excluded: no matches for "nobody"\n' in text
    assert bare.get("/livez/ping")[:2] == (200, "ok")
    assert bare.get("/readyz/certificates")[:2] == (200, "ok")
    assert bare.get("/livez/nobody")[0] == 404


def test_component_statuses(bare):
    table = bare.kubectl("get", "cs").splitlines()
    assert table[0].split() == ["NAME", "STATUS", "MESSAGE", "ERROR"]
    assert [line.split()[:3] for line in table[1:]] == [[name, "Healthy", "ok"]
                                                        for name in ("controller-manager", "scheduler", "etcd-0")]
    assert bare.kubectl("get", "cs", "etcd-0", "-o", "jsonpath={.conditions[0].type}") == "Healthy"


def test_nodes_count_their_pods(site):
    pki = ["--cacert", "/var/lib/mkube/pki/ca.crt", "--cert", "/var/lib/mkube/pki/admin.crt",
           "--key", "/var/lib/mkube/pki/admin.key"]
    address = site.lab("address", WORKERS[0]).strip()

    def scrape(path):
        return site.run("control", "curl", "-sk", *pki, f"https://{address}:10250{path}")

    text = scrape("/metrics")
    check_format(text)
    assert value(text, "kubelet_running_pods") is not None
    assert "# TYPE container_memory_working_set_bytes gauge\n" in scrape("/metrics/cadvisor")
    assert f'kubelet_node_name{{node="{WORKERS[0]}"}} 1' in text
