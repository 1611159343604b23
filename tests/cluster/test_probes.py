"""Probes and hooks: what they ask, what they decide, and the events in the kubelet's words."""

import pytest

from podkit import Pods, pod, sh
from labsite import is_ready, wait_for


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def every_second(**probe):
    return {"periodSeconds": 1} | probe


def command(script):
    return {"exec": {"command": ["sh", "-c", script]}}


ANSWERS = ("while :; do printf 'HTTP/1.0 {}\\r\\nLocation: {}\\r\\nContent-Length: 0\\r\\n\\r\\n' | "
           "nc -l -p {} >/dev/null; done")


def test_a_missed_probe_is_told_as_the_kubelet_does(pods):
    def asked(name, script="sleep 600", **probe):
        return sh(script, name, readinessProbe=every_second(**probe))

    pods.apply(pod("misses", asked("http", httpGet={"port": 80}), asked("tcp", tcpSocket={"port": 81}),
                   asked("exec", **command("echo no; exit 1")),
                   asked("slow", **command("sleep 9")), asked("absent", exec={"command": ["/none"]}),
                   asked("mute", "nc -ll -p 82 -e sleep 600", httpGet={"port": 82}),
                   asked("code", ANSWERS.format("503 No", "", 83), httpGet={"port": 83, "path": "/x"}),
                   asked("port", httpGet={"port": "nosuch"})))
    pods.wait_phase("Running", "misses")
    ip = pods.get("misses")["status"]["podIP"]
    for words in (f'Readiness probe failed: Get "http://{ip}:80/": dial tcp {ip}:80: connect: connection refused',
                  f"Readiness probe failed: dial tcp {ip}:81: connect: connection refused",
                  "Readiness probe failed: no",
                  'Readiness probe failed: command timed out: "sh -c sleep 9" timed out after 1s',
                  "Readiness probe errored and resulted in unknown state: OCI runtime exec failed: exec failed: "
                  'unable to start container process: exec: "/none": stat /none: no such file or directory',
                  f'Readiness probe failed: Get "http://{ip}:82/": context deadline exceeded '
                  "(Client.Timeout exceeded while awaiting headers)",
                  "Readiness probe failed: HTTP probe failed with statuscode: 503",
                  "Readiness probe errored and resulted in unknown state: "
                  'strconv.Atoi: parsing "nosuch": invalid syntax'):
        pods.wait_event("misses", "Unhealthy", words)
    assert not any(c["ready"] for c in pods.get("misses")["status"]["containerStatuses"])


def test_probes_decide(pods, site):
    # Startup passes at the third question and holds the others back; liveness then kills.
    starts = sh("sleep 600", "starts", startupProbe=every_second(
        failureThreshold=30, **command("echo x >>/n; test $(wc -l </n) -ge 3")),
        livenessProbe=every_second(failureThreshold=1, terminationGracePeriodSeconds=1, **command("exit 1")))
    gates = sh("sleep 600", readinessProbe=every_second(successThreshold=1, failureThreshold=1,
                                                        **command("test -e /ready")))
    pods.apply(pod("restarts", starts, restartPolicy="Always", terminationGracePeriodSeconds=600),
               pod("gates", gates), pod("never", sh("sleep 600", livenessProbe=every_second(
                   failureThreshold=1, **command("exit 1")))),
               pod("startup", sh("sleep 600", startupProbe=every_second(failureThreshold=1, **command("exit 1")))),
               pod("redirect", sh(ANSWERS.format("302 Go", "/same", 80), readinessProbe=every_second(
                   httpGet={"port": 80}))),
               pod("away", sh(ANSWERS.format("302 Go", "http://elsewhere.example/", 80),
                              readinessProbe=every_second(httpGet={"port": 80}))))
    wait_for("a restart", 40, lambda: pods.get("restarts")["status"]["containerStatuses"][0]["restartCount"] >= 1)
    pods.wait_event("restarts", "Killing", "Container starts failed liveness probe, will be restarted")
    pods.wait_phase("Failed", "never", "startup")
    assert "Container c failed liveness probe" in pods.events("never", "Killing")
    assert "Container c failed startup probe" in pods.events("startup", "Killing")
    pods.wait_phase("Running", "gates")
    site.inside(pods.namespace, "gates", "touch", "/ready")
    wait_for("ready", 20, lambda: is_ready(pods.get("gates")))
    site.inside(pods.namespace, "gates", "rm", "/ready")
    wait_for("not ready", 20, lambda: not is_ready(pods.get("gates")))
    wait_for("a redirect to elsewhere counts", 20, lambda: is_ready(pods.get("away")))
    # One within the host is followed: here in a circle, which never comes to an answer of its own.
    assert pods.get("redirect")["status"]["phase"] == "Running"


def test_grpc(pods, site):
    def server(name, probe, **more):
        return {"name": name, "image": "grpc-health:1", "readinessProbe": every_second(grpc=probe)} | more

    pods.apply(pod("grpc", server("c", {"port": 9090, "service": "db"}, livenessProbe=every_second(
                   initialDelaySeconds=3, failureThreshold=1, grpc={"port": 9090})),
                   sh("sleep 600", "absent", readinessProbe=every_second(grpc={"port": 9191})),
                   sh("nc -ll -p 9192 -e sleep 600", "mute", readinessProbe=every_second(grpc={"port": 9192})),
                   restartPolicy="Always"))
    wait_for("the server to serve", 30, lambda: [
        c for c in pods.get("grpc")["status"].get("containerStatuses", []) if c["name"] == "c" and c["ready"]])
    ip = pods.get("grpc")["status"]["podIP"]
    pods.wait_event("grpc", "Unhealthy", f'Readiness probe failed: timeout: failed to connect service "{ip}:9191" '
                                         "within 1s: context deadline exceeded")
    pods.wait_event("grpc", "Unhealthy", "Readiness probe failed: timeout: health rpc did not complete within 1s")
    which = next(c["containerID"] for c in pods.get("grpc")["status"]["containerStatuses"] if c["name"] == "c")
    site.run(pods.get("grpc")["spec"]["nodeName"], "runc", "--root", "/run/mkube/runc", "exec",
             which.partition("://")[2], "touch", "/unhealthy")
    pods.wait_event("grpc", "Unhealthy", 'Liveness probe failed: service unhealthy (responded with "NOT_SERVING")')
    pods.wait_event("grpc", "Killing", "Container c failed liveness probe, will be restarted")


def test_hooks(pods, site):
    notes = "/var/lib/mkube/hooks-of-a-test"
    volume = {"volumes": [{"name": "n", "hostPath": {"path": notes, "type": "DirectoryOrCreate"}}]}
    mounted = {"volumeMounts": [{"name": "n", "mountPath": "/n"}]}
    file = f"/n/{pods.namespace}"
    hooks = {"postStart": command(f"echo started >>{file}"), "preStop": command(f"echo stopping >>{file}")}
    pods.apply(pod("hooks", sh(f"trap 'echo term >>{file}; exit 0' TERM; while :; do sleep 0.1; done",
                               lifecycle=hooks, **mounted), terminationGracePeriodSeconds=20, **volume),
               pod("fails", sh("sleep 600", lifecycle={"postStart": command("echo secret; exit 1")})),
               pod("stops", sh("sleep 600", lifecycle={"preStop": command("echo secret; exit 1")}),
                   terminationGracePeriodSeconds=2),
               pod("sleeps", sh("sleep 600", lifecycle={"preStop": {"sleep": {"seconds": 1}}})))
    pods.wait_event("fails", "FailedPostStartHook", "PostStartHook failed")
    pods.wait_event("fails", "Killing", "FailedPostStartHook")
    pods.wait_phase("Running", "hooks", "stops", "sleeps")
    node = pods.get("hooks")["spec"]["nodeName"]
    pods.kubectl("delete", "pod", "hooks", "stops", "sleeps", timeout=60)
    pods.wait_event("stops", "FailedPreStopHook", "PreStopHook failed")
    assert not [m for name in ("fails", "stops") for m in pods.events(name) if "secret" in m]
    path = f"{notes}/{pods.namespace}"
    assert site.run(node, "cat", path).split() == ["started", "stopping", "term"]
    site.run(node, "rm", path)
