"""Who a container is, and what it may do."""

from batch import look, mounted
from behaviour import each
from filetables import LINUX

PYTHON = "webhook:1"


def context(script, says, pod=None, **of_container):
    return look(script, says, container={"securityContext": of_container}, **({"securityContext": pod} if pod else {}))


def escalation(allowed):
    """Python with the set-uid bit, of root: its effective user tells whether the bit counted."""
    copy = {"name": "i", "image": PYTHON, "command": ["sh", "-c", "cp /usr/bin/python3.11 /v/p && chmod 4755 /v/p"],
            "securityContext": {"runAsUser": 0}} | mounted()
    return look("/v/p -c 'import os; print(os.geteuid())'; grep NoNewPrivs: /proc/self/status",
                ["0", "NoNewPrivs:\t0"] if allowed else ["1000", "NoNewPrivs:\t1"],
                container={"image": PYTHON, "securityContext": {"runAsUser": 1000, "allowPrivilegeEscalation": allowed}} | mounted(),
                inits=[copy], volumes=[{"name": "v", "emptyDir": {}}])


FORBIDDEN = "[sig-node] Security Context when creating containers with AllowPrivilegeEscalation should not allow privilege escalation when false"
TABLE = {
    f"[sig-node] Kubelet when scheduling a read only busybox container should not write to root filesystem {LINUX}":
        context("(echo test >/file) 2>&1; test -e /file || echo none", ["sh: can't create /file: Read-only file system", "none"],
                readOnlyRootFilesystem=True),
    "[sig-node] Security Context When creating a pod with readOnlyRootFilesystem should run the container with writable rootfs when "
    "readOnlyRootFilesystem=false [NodeConformance] [Conformance]":
        context("touch /checkfile && ls /checkfile", ["/checkfile"], readOnlyRootFilesystem=False),
    f"[sig-node] Security Context When creating a container with runAsUser should run the container with uid 65534 {LINUX}":
        context("id -u", ["65534"], runAsUser=65534),
    f"[sig-node] Security Context When creating a pod with privileged should run the container as unprivileged when false {LINUX}":
        context("ip link add dummy0 type dummy 2>&1 || true", ["ip: RTNETLINK answers: Operation not permitted"], privileged=False),
    "[sig-node] Security Context should support container.SecurityContext.RunAsUser And container.SecurityContext.RunAsGroup "
    "[LinuxOnly] [Conformance]":
        context("id -u; id -g", ["1002", "2002"], pod={"runAsUser": 1001, "runAsGroup": 2001}, runAsUser=1002, runAsGroup=2002),
    "[sig-node] Security Context should support pod.Spec.SecurityContext.RunAsUser And pod.Spec.SecurityContext.RunAsGroup "
    "[LinuxOnly] [Conformance]":
        look("id -u; id -g", ["1001", "2002"], securityContext={"runAsUser": 1001, "runAsGroup": 2002}),
    f"{FORBIDDEN} {LINUX}": escalation(False),
}
# Where it is allowed the bit counts: else the refusal would show nothing.
ALLOWED = escalation(True)
ALLOWED.pod["metadata"]["name"] = "allowed"
OBJECTS = [ALLOWED.pod]


@each(TABLE)
def test_what_a_container_is(batch, look):
    batch.check(look)


def test_escalation_where_it_is_allowed(batch):
    batch.check(ALLOWED)
