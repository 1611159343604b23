"""Trip currency: kustomize, MySQL and MongoDB of an unknown storage class, a CronJob, two Ingresses for one path."""

import base64
import json
import re

import pytest

from acceptance import *  # noqa: F401,F403
from acceptance import new_record, scaled
from labsite import WORKERS, name_of, restarts, wait_for
from system import Route, System
from trip_overlays import *  # noqa: F401,F403
from trip_overlays import class_of_claims

NS = "trip-service-prod"
APPS = ("service-currency", "service-history", "service-ranking", "service-frontend")
CRONJOB = "service-dataingestor-cronjob"
BY_HAND = {"mysql-password": "PROD_MYSQL_PASSWORD", "mongodb-password": "PROD_MONGODB_PASSWORD",
           "redis-password": "PROD_REDIS_PASSWORD"}


def delete_the_overlay(owner):
    """As it was made; the claims stay, which belong to their StatefulSets' data."""
    claims = {name_of(c) for c in owner.site.items("-n", NS, "pvc")}
    owner.kubectl("delete", "-k", owner.files()[0], "--timeout=180s", timeout=200)
    wait_for("what they owned to be gone", 60, lambda: not owner.site.items("-n", NS, "all"), pause=0.5)
    assert claims == {name_of(c) for c in owner.site.items("-n", NS, "pvc")}


SYSTEM = System(
    name="trip-currency", namespace=NS, seed="003-trip-currency-prod.yaml", overlay="overlays/prod",
    before=[["create", "namespace", NS],
            ["-n", NS, "create", "secret", "generic", "trip-service-secrets",
             *(f"--from-literal={key}={value}" for key, value in BY_HAND.items())]],
    files=[("overlays/prod/base.yaml", ["ConfigMap/*", "Secret/*", "Service/*", "Deployment/*", "StatefulSet/*", "CronJob/*",
                                        "HorizontalPodAutoscaler/*"]),
           ("overlays/prod/ingress.yaml", ["Ingress/*"])],
    # No host: whoever asks is answered.  frontend-ingress has the same path "/"; its rewrite-target is the path itself.
    routes=[Route("/api/v1/currencies", by="service-currency", seen="/api/v1/currencies"),
            Route("/api/v1/currencies/latest", by="service-currency", seen="/api/v1/currencies/latest"),
            Route("/api/v1/currenciesx", holds="<title>trip currency</title>"),
            Route("/api/v1/history?currency=USD", by="service-history", seen="/api/v1/history?currency=USD", holds="USD"),
            Route("/api/v1/rankings", by="service-ranking", seen="/api/v1/rankings"),
            Route("/api/v1/rankings/no/such", by="service-ranking", status=404),
            Route("/health", by="service-currency", seen="/health"),
            Route("/", holds="<title>trip currency</title>"),
            Route("/static/app.js", holds="fetch(", seen="/static/app.js"),
            Route("/deep/link", holds="<title>trip currency</title>", seen="/deep/link"),
            Route("/", host="trip-service.local", holds="<title>trip currency</title>"),
            Route("/static/app.js", host="trip-service.local", holds="fetch(", seen="/static/app.js"),
            Route("/api/v1/currencies", host="trip-service.local", holds="<title>trip currency</title>"),
            Route("/api/v1/currencies", host="anybody.example.com", by="service-currency")],
    write={"path": "/api/v1/currencies/rates", "body": {"code": "EUR", "rate": 1500.25, "source": "RECORD"}},
    read={"path": "/api/v1/history?currency=EUR"},
    apps={app: app for app in APPS},
    load={"path": "/api/v1/currencies/latest"},
    clean_up=[delete_the_overlay, ["delete", "namespace", NS, "--timeout=180s"]],
    ready_seconds=300,
)


# --- deploying ----------------------------------------------------------------------------------------------------


def test_the_secret_made_by_hand_is_warned_about_and_overwritten(owner):
    """The manifests hold one of the same name: kubectl says so, patches it, and leaves the key that only the owner had."""
    assert owner.warned.count(
        "Warning: resource secrets/trip-service-secrets is missing the kubectl.kubernetes.io/last-applied-configuration "
        "annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by "
        "either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.") == 1, owner.warned
    data = owner.site.get("-n", NS, "secret", "trip-service-secrets")["data"]
    held = {key: base64.b64decode(value).decode() for key, value in data.items()}
    assert held["redis-password"] == BY_HAND["redis-password"]
    assert held["mysql-password"] != BY_HAND["mysql-password"] and held["mongodb-password"] != BY_HAND["mongodb-password"]


def test_keys_with_dashes_become_variables_all_the_same(owner):
    """Kubernetes has it so since 1.32; before, it left them out with an event.  The pod starts either way."""
    variables = owner.kubectl("exec", "deployment/service-currency", "--", "env").splitlines()
    secret = owner.site.get("-n", NS, "secret", "trip-service-secrets")["data"]
    for key in ("mysql-password", "redis-password"):
        assert f"{key}={base64.b64decode(secret[key]).decode()}" in variables, variables
    assert "ENVIRONMENT=prod" in variables and "PORT=8000" in variables, variables


def test_overlays_that_cannot_be_built(owner, tmp_path_factory):
    """The owner's dev patches what is not there, staging has no kustomization.yaml: kubectl says so, nothing is sent."""
    folder = tmp_path_factory.mktemp("overlays")
    dev, staging = folder / "dev", folder / "staging"
    dev.mkdir(), staging.mkdir()
    (staging / "namespace.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: trip-service-staging}\n")
    (dev / "namespace.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: trip-service-dev}\n")
    (dev / "kustomization.yaml").write_text("resources: [namespace.yaml]\npatches: [{path: ingress-patch.yaml}]\n")
    (dev / "ingress-patch.yaml").write_text("apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
                                            "metadata: {name: trip-service-main-ingress}\nspec: {rules: []}\n")
    for where, words in ((dev, "no matches for Id Ingress.v1.networking.k8s.io/trip-service-main-ingress.[noNs]"),
                         (staging, "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory"),
                         (folder / "gone", "must build at directory: not a valid directory")):
        done = owner.site.kubectl("apply", "-k", str(where), check=False)
        assert done.returncode == 1 and words in done.stderr and not done.stdout, done
    for name in ("trip-service-dev", "trip-service-staging"):
        assert "NotFound" in owner.site.kubectl("get", "namespace", name, check=False).stderr


def test_dry_run_of_the_overlay(owner):
    said = owner.kubectl("apply", "-k", owner.files()[0], "--dry-run=client")
    assert len(said.splitlines()) == len(owner.documents), said
    assert all(line.endswith("(dry run)") for line in said.splitlines()), said


# --- what holds its data ------------------------------------------------------------------------------------------


def test_claims_of_a_class_that_nobody_made(owner):
    """They get local disk, and a warning that it is not what was asked for."""
    wanted = class_of_claims(owner)
    claims = owner.site.items("-n", NS, "pvc")
    assert {name_of(c).rpartition("-")[0].split("-")[-1] for c in claims} == {"mysql", "mongodb"}
    assert wanted not in [name_of(c) for c in owner.site.items("storageclass")]
    for claim in claims:
        assert claim["status"]["phase"] == "Bound" and claim["spec"]["storageClassName"] == wanted
        told = owner.kubectl("get", "events", "--field-selector", f"involvedObject.name={name_of(claim)},type=Warning")
        assert wanted in told, told
        volume = owner.site.get("pv", claim["spec"]["volumeName"])
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete" and "nodeAffinity" in volume["spec"]
    said = owner.kubectl("get", "pvc", "-o", "jsonpath={.items[*].spec.storageClassName}")
    assert said.split() == [wanted] * len(claims)


def sql(owner, statement):
    return owner.kubectl("exec", "mysql-0", "--", "sh", "-c", 'mysql -u"$MYSQL_USER" -p"$MYSQL_PASSWORD" "$MYSQL_DATABASE" -N -e "$0"',
                         statement).splitlines()


def test_first_data_came_from_config_maps(owner):
    """Scripts in /docker-entrypoint-initdb.d ran once, when the volumes were empty."""
    codes = sql(owner, "SELECT currency_code FROM currencies ORDER BY display_order")
    script = next(text for d in owner.documents if d["kind"] == "ConfigMap" for text in d["data"].values() if "CREATE TABLE" in text)
    assert codes[:4] == ["USD", "JPY", "EUR", "GBP"]
    assert sorted(codes) == sorted(re.findall(r"\('([A-Z]{3})'", re.search(r"INSERT INTO currencies[^;]*", script).group()))
    assert [c["code"] for c in owner.outside.ask("/api/v1/currencies").json] == codes
    assert {"JP"} <= {r["country"] for r in owner.outside.ask("/api/v1/rankings").json}
    assert "sample" in sql(owner, "SELECT DISTINCT source FROM exchange_rate_history")


def test_selections_are_counted_in_mongodb_and_told_to_kafka(owner):
    """As the owner's page does: a click is kept, and an event goes out, which the owner sees in kafka-ui."""
    def clicks():
        return next(r["clicks"] for r in owner.outside.ask("/api/v1/rankings").json if r["country"] == "JP")

    before = clicks()
    for _ in range(3):
        assert owner.outside.ask("/api/v1/rankings/selections", body={"country_code": "JP"}).status == 201
    assert clicks() == before + 3
    topics = owner.kubectl("exec", "deployment/kafka", "--", "kafka-topics", "--bootstrap-server", "localhost:9092", "--list")
    assert "selections" in topics.split()
    page = ask_inside(owner, "kafka-ui", 8080, "/api/clusters")
    assert "online" in page and "selections" in page, page


def ask_inside(owner, app, port, path):
    """By the name of the Service in front of these pods, from another pod."""
    service = next(name_of(s) for s in owner.site.items("-n", NS, "services") if s["spec"].get("selector", {}).get("app") == app)
    return owner.kubectl("exec", "deployment/service-currency", "--", "python3", "-c",
                         "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())",
                         f"http://{service}:{port}{path}")


def test_redis_keeps_its_data_over_a_restart_of_its_container(owner):
    """Not over the end of its pod: an emptyDir."""
    def redis(*words):
        return owner.kubectl("exec", "deployment/redis", "--", "redis-cli", *words).strip()

    record = new_record()
    redis("SET", "kept", record)
    pod = owner.site.items("-n", NS, "pods", "-l", "app=redis")[0]
    owner.kubectl("exec", name_of(pod), "--", "redis-cli", "SHUTDOWN", check=False)
    wait_for("a restart", 60, lambda: restarts(owner.site.get("-n", NS, "pod", name_of(pod))) > restarts(pod))
    wait_for("the value", 60, lambda: redis("GET", "kept") == record, pause=0.5)
    assert redis("CONFIG", "GET", "maxmemory-policy").split()[-1] == "allkeys-lru"
    assert owner.outside.ask("/api/v1/currencies/latest").headers["x-cache"] in ("hit", "miss")
    wait_for("an answer out of the cache", 30,
             lambda: owner.outside.ask("/api/v1/currencies/latest").headers["x-cache"] == "hit")


# --- the CronJob --------------------------------------------------------------------------------------------------


def jobs_of_the_schedule(owner):
    return [j for j in owner.site.items("-n", NS, "jobs")
            if any(o["name"] == CRONJOB for o in j["metadata"].get("ownerReferences", [])) and "annotations" in j["metadata"]
            and "cronjob.kubernetes.io/instantiate" not in j["metadata"]["annotations"]]


def test_a_job_from_the_cronjob(owner):
    """The owner does not wait for the next five minutes: it collects at once, into the database behind the front door."""
    assert "*/5 * * * *" in owner.kubectl("get", "cronjob", CRONJOB)
    seen = len([r for r in owner.outside.ask("/api/v1/history?currency=USD").json if r["source"] == "ingestor"])
    owner.kubectl("create", "job", f"--from=cronjob/{CRONJOB}", "by-hand")
    try:
        owner.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=120s", timeout=130)
        now = len([r for r in owner.outside.ask("/api/v1/history?currency=USD").json if r["source"] == "ingestor"])
        assert now > seen
        assert "rates written" in owner.kubectl("logs", "job/by-hand")
        row = owner.kubectl("get", "job", "by-hand", "--no-headers").split()
        assert row[1:3] == ["Complete", "1/1"], row
        assert "Completed" in owner.kubectl("get", "pods", "-l", "job-name=by-hand")
    finally:
        owner.kubectl("delete", "job", "by-hand", "--timeout=60s", timeout=70)


def test_the_cronjob_runs_when_the_clock_says_so(owner):
    """Within seconds of the minute; with the image that the owner set in between."""
    container = owner.site.get("-n", NS, "cronjob", CRONJOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    other = re.sub(r":[^/:]*$", ":v2", container["image"])
    owner.site.push([other])
    owner.kubectl("set", "image", f"cronjob/{CRONJOB}", f"{container['name']}={other}")
    owner.kubectl("patch", "cronjob", CRONJOB, "-p", '{"spec":{"schedule":"* * * * *"}}')
    old = {name_of(j) for j in jobs_of_the_schedule(owner)}
    try:
        job = wait_for("the minute", 90, lambda: [j for j in jobs_of_the_schedule(owner) if name_of(j) not in old], pause=0.5)[0]
        wait_for("it to end", 90, lambda: owner.site.get("-n", NS, "job", name_of(job))["status"].get("succeeded") == 1, pause=0.5)
    finally:
        owner.apply(owner.files()[0])
    late = job["metadata"]["creationTimestamp"][-3:-1]
    assert int(late) <= 5, job["metadata"]
    assert job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"][:-4] == job["metadata"]["creationTimestamp"][:-4]
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == other
    assert owner.site.get("-n", NS, "cronjob", CRONJOB)["spec"]["schedule"] == "*/5 * * * *"
    said = owner.kubectl("describe", "cronjob", CRONJOB)
    assert f"Created job {name_of(job)}" in said and re.search(r"Concurrency Policy: +Forbid", said)


@pytest.mark.slow
def test_the_cronjob_keeps_as_many_jobs_as_it_was_told(owner):
    """Every minute, one success and one failure kept; then Forbid: while one runs, no other begins."""
    owner.kubectl("patch", "cronjob", CRONJOB, "-p", '{"spec":{"schedule":"* * * * *","successfulJobsHistoryLimit":1}}')
    seen = set()

    def three_seen():
        jobs = jobs_of_the_schedule(owner)
        done = [j for j in jobs if j["status"].get("succeeded")]
        seen.update(name_of(j) for j in done)
        return len(seen) >= 3 and len(done) == 1

    try:
        wait_for("three runs, of which one is kept", 260, three_seen, pause=1)
        long = [{"op": "replace", "path": "/spec/jobTemplate/spec/template/spec/containers/0/command", "value": ["sleep", "100"]},
                {"op": "remove", "path": "/spec/jobTemplate/spec/template/spec/containers/0/args"}]
        owner.kubectl("patch", "cronjob", CRONJOB, "--type=json", "-p", json.dumps(long))
        running = wait_for("one that takes its time", 90, lambda: [
            j for j in jobs_of_the_schedule(owner) if j["status"].get("active") and j["spec"]["template"]["spec"]["containers"][0].get(
                "command") == ["sleep", "100"]], pause=1)
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        wait_for("the next minute to be left out", 90, lambda: message in owner.kubectl("describe", "cronjob", CRONJOB), pause=1)
        assert [name_of(j) for j in jobs_of_the_schedule(owner) if j["status"].get("active")] == [name_of(running[0])]
    finally:
        owner.apply(owner.files()[0])
        for job in jobs_of_the_schedule(owner):
            owner.kubectl("delete", "job", name_of(job), "--timeout=60s", timeout=70)


@pytest.mark.slow
def test_the_cronjob_runs_every_five_minutes(owner):
    """As the owner left it."""
    begun = {name_of(j) for j in jobs_of_the_schedule(owner)}
    job = wait_for("a Job", 330, lambda: [j for j in jobs_of_the_schedule(owner) if name_of(j) not in begun], pause=2)[0]
    assert int(job["metadata"]["creationTimestamp"][14:16]) % 5 == 0 and int(job["metadata"]["creationTimestamp"][17:19]) <= 5
    wait_for("its end", 90, lambda: owner.site.get("-n", NS, "job", name_of(job))["status"].get("succeeded") == 1, pause=1)
    assert len(jobs_of_the_schedule(owner)) <= 3


# --- autoscaling --------------------------------------------------------------------------------------------------


def test_idle_applications_shrink_and_an_apply_makes_them_many_again(owner):
    """The manifests say three, the autoscaler one at least: after its window (shortened here) it takes the others away."""
    many = {name_of(d): d["spec"]["replicas"] for d in owner.documents if d["kind"] == "Deployment" and name_of(d) in APPS}
    calm = json.dumps({"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}})
    assert min(many.values()) > 1

    def replicas():
        found = {name_of(d): d["spec"]["replicas"] for d in owner.site.items("-n", NS, "deployments")}
        return {app: found[app] for app in APPS}

    for app in APPS:
        owner.kubectl("patch", "hpa", f"{app}-hpa", "-p", calm)
    try:
        wait_for("one of each", 150, lambda: set(replicas().values()) == {1}, pause=1)
        said = owner.kubectl("describe", "hpa", "service-currency-hpa")
        assert "New size: 1; reason: All metrics below target" in said and "ScaleDownStabilized" not in said, said
        assert scaled(owner) == replicas()
        said = owner.apply(owner.files()[0])
        for app in APPS:  # not for long: the autoscaler looks again within seconds
            assert f"deployment.apps/{app} configured" in said
            wait_for(f"{app} to be many", 20, lambda: re.search(
                rf"Scaled up replica set {app}-\w+ from 1 to {many[app]}", owner.kubectl("describe", "deployment", app)))
        owner.check_routes()
    finally:
        for app in APPS:
            owner.kubectl("patch", "hpa", f"{app}-hpa", "--type=json", "-p", '[{"op":"remove","path":"/spec/behavior"}]')
        owner.apply(owner.files()[0])


# --- the entry ----------------------------------------------------------------------------------------------------


def ingress(owner, name, host, service, port, annotations=None, **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": NS, "annotations": annotations or {}},
            "spec": {"ingressClassName": "nginx", **spec, "rules": [{"host": host, "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": port}}}}]}}]}}


def oldest(made):
    """Of the same second the last by name."""
    first = min(i["metadata"]["creationTimestamp"] for i in made)
    return max(name_of(i) for i in made if i["metadata"]["creationTimestamp"] == first)


def duplicates(owner, name):
    return [e["message"] for e in owner.site.items("-n", NS, "events", "--field-selector",
                                                   f"involvedObject.name={name},reason=DuplicatePath")]


def test_two_ingresses_for_one_path_of_the_manifests(owner):
    """frontend-ingress and trip-service-ingress both claim "/" of every host."""
    made = {i["metadata"]["name"]: i for i in owner.site.items("-n", NS, "ingress")}
    keeper = oldest(made.values())
    other = ({*made} - {keeper}).pop()
    wait_for("an event", 20, lambda: f'host "_" and path "/" is already defined in ingress {NS}/{keeper}, which keeps it'
             in duplicates(owner, other))
    assert not duplicates(owner, keeper)
    assert "DuplicatePath" in owner.kubectl("describe", "ingress", other)


@pytest.mark.parametrize("order", [("aaa", "zzz"), ("zzz", "aaa"), None], ids=["a first", "z first", "together"])
def test_the_oldest_ingress_keeps_a_path_and_of_one_second_the_last_name(owner, order):
    host = "twice.example.com"
    both = {name: ingress(owner, name, host, service, 8000)
            for name, service in (("aaa", "service-currency"), ("zzz", "service-history"))}

    def make():
        if order is None:
            owner.site.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(both.values())}))
        else:
            owner.site.apply(json.dumps(both[order[0]]))
            first = owner.site.get("-n", NS, "ingress", order[0])["metadata"]["creationTimestamp"]
            wait_for("the next second", 5, lambda: owner.site.run("control", "date", "-u", "+%Y-%m-%dT%H:%M:%SZ").strip() > first)
            owner.site.apply(json.dumps(both[order[1]]))
        return [owner.site.get("-n", NS, "ingress", name) for name in both]

    def delete():
        owner.kubectl("delete", "ingress", "aaa", "zzz", "--ignore-not-found")

    try:
        made = make()
        while order is None and made[0]["metadata"]["creationTimestamp"] != made[1]["metadata"]["creationTimestamp"]:
            delete()
            made = make()
        keeper = order[0] if order else "zzz"
        other = ({*both} - {keeper}).pop()
        by = both[keeper]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
        wait_for("the oldest to answer", 20, lambda: owner.outside.ask("/version", host=host).served_by[0] == by)
        wait_for("an event", 20, lambda: f'host "{host}" and path "/" is already defined in ingress {NS}/{keeper}, which keeps it'
                 in duplicates(owner, other))
        owner.kubectl("delete", "ingress", keeper)
        wait_for("the other one to answer", 20, lambda: owner.outside.ask("/version", host=host).served_by[0] != by)
    finally:
        delete()


CORS = "nginx.ingress.kubernetes.io/"


def test_other_sites_may_ask_when_the_annotations_say_so(owner):
    """cors-allow-origin alone does nothing, as in the manifests; enable-cors makes it and the others count."""
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT"}
    for method in ("GET", "OPTIONS"):
        answer = owner.outside.ask("/api/v1/currencies", method=method, headers=asked)
        assert not [h for h in answer.headers if h.startswith("access-control-")], answer.headers
    notes = {CORS + "enable-cors": "true", CORS + "cors-allow-origin": "*",
             CORS + "cors-allow-methods": "GET, POST, PUT, DELETE, OPTIONS", CORS + "cors-allow-headers": "Content-Type, Authorization"}
    owner.site.apply(json.dumps(ingress(owner, "cors", "cors.example.com", "service-currency", 8000, notes)))
    try:
        wait_for("the Ingress", 20, lambda: owner.outside.ask("/version", host="cors.example.com").status == 200)
        preflight = owner.outside.ask("/version", host="cors.example.com", method="OPTIONS", headers=asked)
        assert preflight.status == 204 and preflight.headers["access-control-allow-origin"] == "*", preflight.headers
        assert preflight.headers["access-control-allow-methods"] == notes[CORS + "cors-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == notes[CORS + "cors-allow-headers"]
        answer = owner.outside.ask("/version", host="cors.example.com", headers=asked)
        assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "*", answer.headers
    finally:
        owner.kubectl("delete", "ingress", "cors")


# --- what the owner looks at --------------------------------------------------------------------------------------


def test_what_the_owner_looks_at(owner):
    for app in APPS:
        assert "successfully rolled out" in owner.kubectl("rollout", "status", f"deployment/{app}", "--timeout=60s", timeout=70)
    info = owner.site.kubectl("cluster-info")
    assert f"https://{owner.site.control}:6443" in info and "Kubernetes control plane" in info, info
    everything = owner.kubectl("get", "all")
    for prefix in ("pod/mysql-0", "service/service-currency", "deployment.apps/kafka", "replicaset.apps/redis-", "statefulset.apps/mongodb",
                   "horizontalpodautoscaler.autoscaling/service-currency-hpa", f"cronjob.batch/{CRONJOB}"):
        assert f"\n{prefix}" in "\n" + everything, (prefix, everything)
    row = owner.kubectl("get", "ingress", "trip-service-ingress", "--no-headers").split()
    assert row[:2] == ["trip-service-ingress", "nginx"] and owner.site.control in row, row
    assert "/api/v1/currencies" in owner.kubectl("get", "ingress", "-o", "yaml")
    assert "service-currency:8000" in owner.kubectl("describe", "ingress", "trip-service-ingress")
    wide = owner.kubectl("get", "pods", "-o", "wide")
    assert all(worker in wide for worker in WORKERS), wide
    assert re.search(r"mysql +1/1", owner.kubectl("get", "statefulset"))
    pod = owner.site.items("-n", NS, "pods", "-l", "app=service-currency")[0]
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == "/metrics"
    assert "Warning  FailedMount" not in owner.kubectl("describe", "pod", name_of(pod))


def test_use_of_nodes_and_pods(owner):
    rows = wait_for("numbers of nodes", 90, lambda: (r := owner.site.kubectl("top", "nodes", "--no-headers").splitlines()) and r, pause=1)
    assert len([r for r in rows if r.startswith("worker")]) == 3, rows
    wait_for("numbers of every pod", 90, lambda: len(owner.kubectl("top", "pods", "--no-headers").splitlines()) >= len(owner.pods()), pause=1)
    # The processor's use of pods that have just started does not count yet: <unknown> until they have been seen twice.
    cpu = r"resource cpu on pods +\(as a percentage of request\): +\d+% \(\d+m?\) / 70%"
    wait_for("numbers of the autoscaler", 120, lambda: re.search(cpu, owner.kubectl("describe", "hpa", "service-currency-hpa")), pause=1)
    said = owner.kubectl("describe", "hpa", "service-currency-hpa")
    assert re.search(r"resource memory on pods +\(as a percentage of request\): +\d+% \(\d+\) / 90%", said), said
    assert re.search(r"cpu: \d+%/70%, memory: \d+%/90%", owner.kubectl("get", "hpa", "service-currency-hpa")), said


def test_logs_are_followed(owner):
    owner.kubectl("rollout", "status", "deployment/service-history")
    follower = owner.site.kubectl_process("logs", "-n", NS, "-f", "deployment/service-history", "--tail=1")
    try:
        record = new_record()
        assert follower.stdout.readline()
        for _ in range(20):  # all replicas in turn
            owner.outside.ask(f"/api/v1/history?currency={record}")
        assert next(line for line in follower.stdout if record in line)
    finally:
        follower.kill()
        follower.wait()


def test_add_ons_that_the_document_looks_for_are_built_in(owner):
    """There is no metrics-server to look at, and no controller of the Ingresses; kubectl says which name it did not find."""
    for ns, words in (("kube-system", 'deployments.apps "metrics-server" not found'), ("ingress-nginx", 'namespaces "ingress-nginx" not found')):
        done = owner.site.kubectl("get", "deployment", words.split('"')[1], "-n", ns, check=False)
        assert done.returncode == 1 and words in done.stderr, done
    application = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "trip-service-dev"}, "spec": {}}
    done = owner.site.kubectl("apply", "-f", "-", stdin=json.dumps(application), check=False)
    assert done.returncode == 1 and 'no matches for kind "Application" in version "argoproj.io/v1alpha1"' in done.stderr, done
    assert "ensure CRDs are installed first" in done.stderr
