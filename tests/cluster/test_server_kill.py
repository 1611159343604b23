"""SIGKILL for the server at random moments of a stream of writes: what was acknowledged is there, whole."""

import hashlib
import http.client
import random
import statistics
import threading
import time

from api import Api
from labsite import container_ids, restarts, wait_for

ROUNDS = 100
WRITERS = 3
BACK_WITHIN_S = 1.0

TICKER = """
apiVersion: v1
kind: Pod
metadata: {name: ticker}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: ticker
      image: busybox:1
      command: [sh, -c, "i=0; while true; do i=$((i+1)); echo $i; sleep 0.2; done"]
"""


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Writer(threading.Thread):
    """Creates objects, and counts up in one of its own, until the server is gone."""

    def __init__(self, site, namespace, number, rng):
        super().__init__()
        self.api, self.rng = Api(site.kubeconfig), rng
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.number, self.acked, self.counted, self.refused = number, {}, 0, []

    def run(self):
        try:
            while True:
                self.create_one()
                self.count_one()
        except (OSError, http.client.HTTPException):
            self.api.close()

    def create_one(self):
        name = f"w{self.number}-{len(self.acked)}-{self.rng.randrange(1 << 40):x}"
        payload = "x%x" % self.rng.getrandbits(8 * self.rng.randrange(1, 2000))
        answer = self.api.post(self.path, {"metadata": {"name": name, "labels": {"kill": "create"}},
                                           "data": {"payload": payload, "digest": digest(payload)}})
        if answer.code == 201:
            self.acked[name] = answer.body["metadata"]["resourceVersion"]
        else:
            self.refused.append(repr(answer))

    def count_one(self):
        body = {"metadata": {"name": f"count-{self.number}"}, "data": {"count": str(self.counted + 1)}}
        answer = self.api.put(f"{self.path}/count-{self.number}", body)
        if answer.code == 200:
            self.counted += 1
        else:
            self.refused.append(repr(answer))


def wait_until_served(api, path):
    """Seconds until the first answer."""
    began = time.monotonic()
    while True:
        try:
            if api.get(path).code == 200:
                return time.monotonic() - began
        except (OSError, http.client.HTTPException):
            pass
        assert time.monotonic() - began < 20, "the server does not come back"
        time.sleep(0.005)


def check_round(api, path, writers):
    listed = {}
    answer = api.get(path, labelSelector="kill=create")
    for item in answer.body["items"]:
        listed[item["metadata"]["name"]] = item
        assert digest(item["data"]["payload"]) == item["data"]["digest"], f"half written: {item['metadata']['name']}"
    revision = int(answer.body["metadata"]["resourceVersion"])
    for writer in writers:
        assert writer.refused == []
        lost = set(writer.acked) - set(listed)
        assert not lost, f"acknowledged and lost: {sorted(lost)}"
        for name, version in writer.acked.items():
            assert listed[name]["metadata"]["resourceVersion"] == version
            assert int(version) <= revision, "revisions went back"
        found = int(api.get(f"{path}/count-{writer.number}").body["data"]["count"])
        assert found in (writer.counted, writer.counted + 1), f"counted {writer.counted}, found {found}"


def test_acknowledged_writes_survive_kills(site, namespace, api):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    site.apply(TICKER, "-n", namespace)
    site.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/ticker", "--timeout=30s")
    before = site.get("-n", namespace, "pod", "ticker")
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    back, written = [], 0
    for _ in range(ROUNDS):
        for number in range(WRITERS):
            api.request("DELETE", f"{path}/count-{number}")
            assert api.post(path, {"metadata": {"name": f"count-{number}"}, "data": {"count": "0"}}).code == 201
        writers = [Writer(site, namespace, n, random.Random(rng.getrandbits(32))) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(rng.random() * 0.4)  # the random moment; not a wait for anything
        site.service("control", "kill", "server")
        for writer in writers:
            writer.join(timeout=20)
        written += sum(len(w.acked) + w.counted for w in writers)
        api.close()
        site.service("control", "start", "server")
        back.append(wait_until_served(api, "/readyz"))
        check_round(api, path, writers)
        assert api.request("DELETE", path, labelSelector="kill=create").code == 200
    print(f"{written} acknowledged writes; back after {statistics.median(back):.3f} s, at worst {max(back):.3f} s")
    assert written > ROUNDS
    assert max(back) < BACK_WITHIN_S

    after = wait_for("the agent to report again", 30, lambda: site.get("-n", namespace, "pod", "ticker"))
    assert restarts(after) == 0
    assert container_ids(after) == container_ids(before)
    said = [int(n) for n in site.kubectl("-n", namespace, "logs", "ticker").split()]
    assert said == list(range(1, len(said) + 1)), "the pod noticed nothing"
