"""Limits of a namespace as their owner meets them: stock kubectl, Kubernetes' sentences, many clients at once; runtime classes."""

from concurrent.futures import ThreadPoolExecutor

from api import Api
from labsite import is_ready, wait_for

GOOD = """
apiVersion: v1
kind: Pod
metadata: {name: good}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - {name: c, image: "busybox:1", command: [sleep, "1000"],
     securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
"""
SILENT = """allowPrivilegeEscalation != false (container "{0}" must set securityContext.allowPrivilegeEscalation=false), \
unrestricted capabilities (container "{0}" must set securityContext.capabilities.drop=["ALL"]), \
runAsNonRoot != true (pod or container "{0}" must set securityContext.runAsNonRoot=true), \
seccompProfile (pod or container "{0}" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"""


def label(site, namespace, *labels):
    done = site.kubectl("label", "--overwrite", "namespace", namespace,
                        *(f"pod-security.kubernetes.io/{text}" for text in labels), check=False)
    return done.returncode, done.stderr


def test_pod_security(site, namespace):
    def k(*args, **options):
        return site.kubectl("-n", namespace, *args, **options)
    assert label(site, namespace, "enforce=restricted", "warn=restricted") == (0, "")
    refused = k("run", "p", "--image=busybox:1", check=False)
    assert refused.stderr.strip() == ('Error from server (Forbidden): pods "p" is forbidden: violates PodSecurity '
                                      f'"restricted:latest": {SILENT.format("p")}')
    made = k("create", "deployment", "d", "--image=busybox:1", check=False)
    assert made.stderr.strip() == f'Warning: would violate PodSecurity "restricted:latest": {SILENT.format("busybox")}'
    site.apply(GOOD, "-n", namespace)
    wait_for("the pod that keeps to it", 60, lambda: is_ready(site.get("-n", namespace, "pod", "good")))
    assert label(site, namespace, "enforce-version=1.25") == (
        1, f'The Namespace "{namespace}" is invalid: metadata.labels[pod-security.kubernetes.io/enforce-version]: '
           'Invalid value: "1.25": must be "latest" or "v1.x"\n')


def test_a_level_that_rises(site, namespace):
    for name in "ab":
        site.kubectl("-n", namespace, "run", name, "--image=busybox:1", '--overrides={"spec":{"hostPID":true}}', "--", "sleep", "1")
    code, said = label(site, namespace, "enforce=baseline")
    assert (code, said.splitlines()) == (0, [
        f'Warning: existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "baseline:latest"',
        "Warning: a (and 1 other pod): host namespaces"])


def test_a_quota_under_many_hands(site, namespace):
    site.kubectl("-n", namespace, "create", "quota", "five", "--hard=secrets=5")

    def create(i):
        client = Api(site.kubeconfig)
        try:
            return client.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": f"s-{i}"}})
        finally:
            client.close()
    with ThreadPoolExecutor(16) as hands:
        answers = list(hands.map(create, range(32)))
    assert sorted(a.code for a in answers) == [201] * 5 + [403] * 27
    assert {a.body["message"].partition(": ")[2] for a in answers if a.code == 403} == {
        "exceeded quota: five, requested: secrets=1, used: secrets=5, limited: secrets=5"}
    told = site.get("-n", namespace, "quota", "five")["status"]
    assert (told["used"], len(site.items("-n", namespace, "secrets"))) == ({"secrets": "5"}, 5)
    site.kubectl("-n", namespace, "delete", "secrets", "--all")
    assert create("again").code == 201


def test_a_claim_in_use_stays(site, namespace):
    site.apply("""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
  containers: [{name: c, image: "busybox:1", command: [sleep, "1000"], volumeMounts: [{name: data, mountPath: /data}]}]
""", "-n", namespace)
    wait_for("the pod", 60, lambda: is_ready(site.get("-n", namespace, "pod", "user")))
    site.kubectl("-n", namespace, "delete", "pvc", "data", "--wait=false")
    claim = site.get("-n", namespace, "pvc", "data")
    assert claim["metadata"]["deletionTimestamp"] and claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    site.kubectl("-n", namespace, "delete", "pod", "user")
    wait_for("the claim to go", 30, lambda: not site.items("-n", namespace, "pvc"))


def test_runtime_classes(site, namespace):
    names = {handler: f"{namespace}-{handler}" for handler in ("runc", "gvisor")}
    try:
        for handler, name in names.items():
            site.apply(f"""
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {{name: {name}}}
handler: {handler}
---
apiVersion: v1
kind: Pod
metadata: {{name: {handler}}}
spec:
  runtimeClassName: {name}
  terminationGracePeriodSeconds: 0
  containers: [{{name: c, image: "busybox:1", command: [sleep, "1000"]}}]
""", "-n", namespace)
        wait_for("the pod of runc", 60, lambda: is_ready(site.get("-n", namespace, "pod", "runc")))
        said = wait_for("the event", 30, lambda: [e for e in site.items("-n", namespace, "events")
                                                  if e["reason"] == "FailedCreatePodSandBox"])
        assert said[0]["involvedObject"]["name"] == "gvisor"
        assert said[0]["message"].endswith('failed to get sandbox runtime: no runtime for "gvisor" is configured')
    finally:
        site.kubectl("delete", "runtimeclass", *names.values(), "--ignore-not-found")
