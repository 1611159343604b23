"""securityContext and what else decides who a container is and what it sees of the node."""

import pytest

from podkit import Pods, pod, sh
from labsite import wait_for


@pytest.fixture
def pods(site, namespace):
    return Pods(site, namespace)


def test_a_confined_container(pods):
    script = "; ".join(["id -u", "id -g", "id -G", "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status",
                        "touch /x 2>&1", "touch /e/f /m/f && stat -c '%u %g' /e/f", "stat -c %a:%g /e /m /e/s",
                        "touch /s/x && echo wrote", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
                        "cat /cm/k", "stat -Lc %a:%g /cm/k"])
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
               {"name": "cm", "configMap": {"name": "cm", "defaultMode": 0o400}}]
    mounts = [{"name": n, "mountPath": f"/{n}"} for n in ("e", "m", "cm")]
    pods.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}, "data": {"k": "v\n"}},
               pod("sc", sh(script, volumeMounts=[*mounts, {"name": "e", "mountPath": "/s", "subPath": "s"}],
                            securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                                             "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}),
                   securityContext={"runAsUser": 1234, "runAsGroup": 4321, "supplementalGroups": [77],
                                    "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"},
                                    "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]},
                   volumes=volumes))
    pods.wait_phase("Succeeded", "sc")
    assert pods.log("sc").splitlines() == [
        "1234", "4321", "4321 77 2000", "CapBnd:\t0000000000000400", "NoNewPrivs:\t1", "Seccomp:\t2",
        "touch: /x: Read-only file system", "1234 2000", "2777:2000", "2777:2000", "2777:2000", "wrote", "80",
        "v", "440:2000"]


def test_refusals_are_the_kubelets(pods):
    sysctls = [{"name": "kernel.msgmax", "value": "65536"}]
    pods.apply(pod("image", sh("true"), securityContext={"runAsNonRoot": True}),
               pod("user", sh("true"), securityContext={"runAsNonRoot": True, "runAsUser": 0}),
               pod("sysctl", sh("true"), securityContext={"sysctls": sysctls}),
               pod("fine", {"name": "c", "image": "hello:1"}, securityContext={"runAsNonRoot": True},
                   restartPolicy="Always"))
    for name, words in {"image": "container has runAsNonRoot and image will run as root",
                        "user": "container's runAsUser breaks non-root policy"}.items():
        told = f'{words} (pod: "{name}_{pods.namespace}({pods.uid(name)})", container: c)'
        assert pods.wait_waiting(name, "CreateContainerConfigError") == told
        pods.wait_event(name, "Failed", f"Error: {told}")
    pods.wait_phase("Failed", "sysctl")
    status = pods.get("sysctl")["status"]
    told = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert (status["reason"], status["message"]) == ("SysctlForbidden", f"Pod was rejected: {told}")
    pods.wait_event("sysctl", "SysctlForbidden", told)
    assert "SysctlForbidden" in pods.kubectl("get", "pod", "sysctl")
    pods.wait_phase("Running", "fine")  # a number other than 0 in the image


def test_names_and_namespaces(pods, site):
    look = "hostname; cat /etc/hosts; echo; cat /etc/resolv.conf; echo; readlink /proc/1/exe; echo $HOSTNAME"
    aliases = [{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}]
    pods.apply(pod("own", sh(look), hostname="hn", subdomain="sub", setHostnameAsFQDN=True, hostAliases=aliases,
                   dnsConfig={"nameservers": ["9.9.9.9"], "searches": ["ex.org"],
                              "options": [{"name": "ndots", "value": "2"}]}),
               pod("host", sh(look), hostNetwork=True, hostPID=True, hostIPC=True, hostAliases=aliases))
    pods.wait_phase("Succeeded", "own", "host")
    own, host = pods.log("own"), pods.log("host")
    status, node = pods.get("own")["status"], pods.get("host")["spec"]["nodeName"]
    name = f"hn.sub.{pods.namespace}.svc.cluster.local"
    assert own.splitlines()[0] == name == own.splitlines()[-1]
    assert f"{status['podIP']}\t{name}\thn\n" in own
    assert "\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n" in own
    assert " ex.org\n" in own and "nameserver 9.9.9.9\n" in own and "options ndots:2\n" in own
    assert host.splitlines()[0] == node == host.splitlines()[-1]
    assert "# Kubernetes-managed hosts file (host network).\n" in host and "1.2.3.4\tfoo\tbar\n" in host
    assert pods.get("host")["status"]["podIP"] == pods.get("host")["status"]["hostIP"]


def test_containers_share_their_processes_when_asked(pods, site):
    shares = pod("shares", sh("sleep 654", "a"), sh("sleep 987", "b"), shareProcessNamespace=True,
                 restartPolicy="Always")
    pods.apply(shares, pod("apart", sh("sleep 654", "a"), sh("sleep 987", "b")))
    pods.wait_phase("Running", "shares", "apart")

    def seen(name):
        return site.inside(pods.namespace, name, "ps", "-o", "pid,args")

    wait_for("both to be seen", 20, lambda: "sleep 654" in seen("shares") and "sleep 987" in seen("shares"))
    assert "sleep 987" not in seen("apart")
    first = next(line for line in seen("shares").splitlines() if line.split()[0] == "1")
    assert "pause" in first
    # The other's process, ended from here: only that container starts anew, in the same namespace.
    site.inside(pods.namespace, "shares", "sh", "-c",
                "kill $(ps -o pid,args | awk '/[s]leep 987/ {print $1}')")

    def restarts():
        return {c["name"]: c["restartCount"] for c in pods.get("shares")["status"]["containerStatuses"]}

    wait_for("its restart", 20, lambda: restarts() == {"a": 0, "b": 1})
    wait_for("it to be seen again", 20, lambda: "sleep 987" in seen("shares"))
    node = pods.get("shares")["spec"]["nodeName"]
    held = site.run(node, "sh", "-c", "pgrep -cx pause || true").strip()
    pods.kubectl("delete", "pod", "shares")
    wait_for("the first process to go", 20,
             lambda: int(site.run(node, "sh", "-c", "pgrep -cx pause || true")) == int(held) - 1)


def test_last_words(pods):
    pods.apply(pod("msg", sh("echo bye; exit 3", "log", terminationMessagePolicy="FallbackToLogsOnError"),
                   sh("echo -n done >/t/m", "file", terminationMessagePath="/t/m"),
                   {"name": "none", "image": "busybox:1", "command": ["/nonexistent"]}),
               pod("late", sh("sleep 600"), activeDeadlineSeconds=1))
    pods.wait_phase("Failed", "msg", "late")
    ends = {c["name"]: c["state"]["terminated"] for c in pods.get("msg")["status"]["containerStatuses"]}
    assert (ends["log"]["message"], ends["log"]["exitCode"]) == ("bye\n", 3)
    assert (ends["file"]["message"], ends["file"]["reason"]) == ("done", "Completed")
    assert ends["none"]["reason"] == "StartError" and "/nonexistent: no such file" in ends["none"]["message"]
    late = pods.get("late")["status"]
    words = "Pod was active on the node longer than the specified deadline"
    assert (late["reason"], late["message"]) == ("DeadlineExceeded", words)
    wait_for("the event", 10, lambda: pods.events("late", "DeadlineExceeded") == [words])
