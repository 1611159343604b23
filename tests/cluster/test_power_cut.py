"""A worker loses power: the rest carries on, and it comes back without a hand."""

from labsite import WORKERS, Visitors, is_ready, name_of, wait_for


def pods_of(site, namespace, label):
    return site.items("-n", namespace, "pods", "-l", label)


def serving(site, namespace, off=None):
    """Ready web pods that are not on the node that is off."""
    return [p for p in pods_of(site, namespace, "app=hello")
            if is_ready(p) and p["spec"].get("nodeName") != off and "deletionTimestamp" not in p["metadata"]]


def test_worker_loses_power_and_returns(site, hello):
    off = site.get("-n", hello, "pod", "db-1")["spec"]["nodeName"]
    visitors = Visitors(site)
    try:
        site.lab("kill", off)
        wait_for("the node to be given up", 90, lambda: not is_ready(site.get("node", off)))
        wait_for("web pods to be replaced elsewhere", 90, lambda: len(serving(site, hello, off)) == 3)
        others = set(WORKERS) - {off}
        assert {p["spec"]["nodeName"] for p in serving(site, hello, off)} == others
        for pod in pods_of(site, hello, "app=db"):
            if name_of(pod) == "db-1":
                assert pod["spec"]["nodeName"] == off, "never a second db-1 while the first may run"
        assert sum(len(site.processes(w, "redis-server")) for w in others) == \
            sum(name_of(p) != "db-1" and p["spec"]["nodeName"] in others for p in pods_of(site, hello, "app=db"))
    finally:
        answered, failed = visitors.stop()
    print(f"{answered} answered, {len(failed)} failed: {failed}")
    assert answered > 100
    assert len(failed) <= visitors.n, failed  # what was in flight

    site.lab("start", off)
    wait_for("the node to be Ready again", 60, lambda: is_ready(site.get("node", off)))
    for what in ("statefulset/db", "deployment/hello"):
        site.kubectl("-n", hello, "rollout", "status", what, "--timeout=90s", timeout=100)
    wait_for("nothing superfluous to be left", 60, lambda: converged(site, hello))
    assert site.get("-n", hello, "pod", "db-1")["spec"]["nodeName"] == off, "its volume is there"


def converged(site, namespace):
    """As many processes on each host as the API has pods there, and not a pod too many."""
    web, db = pods_of(site, namespace, "app=hello"), pods_of(site, namespace, "app=db")
    if sorted(map(name_of, db)) != ["db-0", "db-1"] or len(web) != 3 or not all(map(is_ready, web + db)):
        return False
    return all(len(site.processes(worker, program)) == sum(p["spec"]["nodeName"] == worker for p in pods)
               for worker in WORKERS for program, pods in (("hello", web), ("redis-server", db)))


def test_whole_site_loses_power_and_returns(site, hello):
    """As after a storm: every host at once, the registry too.  What was written stays, and it all comes back."""
    hits = int(site.inside(hello, "db-0", "redis-cli", "get", "hits"))
    hosts = ("control", "registry", *WORKERS)
    for host in hosts:
        site.lab("kill", host)
    for host in hosts:
        site.lab("start", host)
    wait_for("all nodes to be Ready", 60, lambda: sum(map(is_ready, site.items("nodes"))) == len(WORKERS))
    wait_for("all to run again", 90, lambda: converged(site, hello))
    assert int(site.inside(hello, "db-0", "redis-cli", "get", "hits")) >= hits
    wait_for("the page", 20, lambda: '"hits":null' not in site.fetch("/json"))
