"""Probes: who is ready, and who is started anew."""

import datetime

from behaviour import behaviour, each
from kit import condition
from labsite import is_ready, wait_for
from podkit import pod, sh

# /healthz answers well for some seconds, / for ever.
LIVES = "mkdir -p /tmp/w && cd /tmp/w && echo ok >index.html && echo ok >healthz && httpd -p 8080 && sleep {} && rm healthz; sleep 10000"
PING = {"exec": {"command": ["cat", "/tmp/health"]}}
DELAY = 5


def http(path, **more):
    return {"httpGet": {"path": path, "port": 8080}} | more


def probed(name, kind, script, probe, **more):
    return pod(name, sh(script, **more) | {kind: {"periodSeconds": 1, "timeoutSeconds": 5} | probe}, restartPolicy="Always",
               terminationGracePeriodSeconds=0)


def live(name, script, probe, **more):
    return probed(name, "livenessProbe", script, {"initialDelaySeconds": DELAY, "failureThreshold": 1} | probe, **more)


HEALTH = "echo ok >/tmp/health; {}sleep 10000"
GRPC = pod("grpc-stays", {"name": "c", "image": "grpc-health:1", "livenessProbe": {
    "initialDelaySeconds": DELAY, "failureThreshold": 1, "periodSeconds": 1, "timeoutSeconds": 5, "grpc": {"port": 9090}}},
    restartPolicy="Always", terminationGracePeriodSeconds=0)
NO_GRPC = live("grpc-goes", "sleep 10000", {"grpc": {"port": 2333}, "timeoutSeconds": 1})
OBJECTS = [
    probed("ready-late", "readinessProbe", LIVES.format(10000), http("/", initialDelaySeconds=DELAY)),
    probed("never-ready", "readinessProbe", LIVES.format(10000), {"exec": {"command": ["/bin/false"]}}),
    live("exec-goes", HEALTH.format("sleep 4; rm /tmp/health; "), PING), live("exec-stays", HEALTH.format(""), PING),
    live("http-goes", LIVES.format(4), http("/healthz")), live("http-stays", LIVES.format(4), http("/", failureThreshold=5)),
    live("tcp-stays", LIVES.format(4), {"tcpSocket": {"port": 8080}}), GRPC, NO_GRPC,
]
PROBE = "[sig-node] Probing container should {} [NodeConformance] [Conformance]"
GO = {PROBE.format('be restarted with a exec "cat /tmp/health" liveness probe'): "exec-goes",
      PROBE.format("be restarted with a /healthz http liveness probe"): "http-goes",
      PROBE.format("be restarted with a GRPC liveness probe"): "grpc-goes"}
STAY = {PROBE.format('*not* be restarted with a exec "cat /tmp/health" liveness probe'): "exec-stays",
        PROBE.format("*not* be restarted with a /healthz http liveness probe"): "http-stays",
        PROBE.format("*not* be restarted with a tcp:8080 liveness probe"): "tcp-stays",
        PROBE.format("*not* be restarted with a GRPC liveness probe"): "grpc-stays"}


def seconds(time):
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def main(got):
    return (got["status"].get("containerStatuses") or [{}])[0]


def since_start(got):
    """How long the container has been running, by the clock it shares with us."""
    began = main(got).get("state", {}).get("running", {}).get("startedAt")
    return datetime.datetime.now(datetime.timezone.utc).timestamp() - seconds(began) if began else 0


@behaviour("[sig-node] Probing container with readiness probe should not be ready before initial delay and never restart "
           "[NodeConformance] [Conformance]")
def test_ready_after_a_delay(batch):
    got = wait_for("it to be ready", 60, lambda: is_ready(p := batch.get("ready-late")) and p)
    ready = seconds(condition(got, "Ready")["lastTransitionTime"])
    assert ready - seconds(main(got)["state"]["running"]["startedAt"]) >= DELAY
    assert main(got)["restartCount"] == 0


@each(GO)
def test_restarted(batch, look):
    wait_for("a restart", 60, lambda: main(batch.get(look)).get("restartCount", 0) >= 1)
    assert any("failed liveness probe, will be restarted" in m for m in batch.events(look, "Killing"))


@each(STAY)
def test_stays(batch, look):
    got = wait_for("ten questions to be asked", 60, lambda: since_start(p := batch.get(look)) > DELAY + 10 and p, pause=0.5)
    assert main(got)["restartCount"] == 0 and is_ready(got)


@behaviour("[sig-node] Probing container with readiness probe that fails should never be ready and never restart "
           "[NodeConformance] [Conformance]")
def test_never_ready(batch):
    def watched():
        got = batch.get("never-ready")
        assert not is_ready(got)
        return since_start(got) > 20 and got
    got = wait_for("twenty seconds of failing", 60, watched, pause=0.2)
    assert main(got)["restartCount"] == 0
    assert condition(got, "Ready")["status"] == "False"
