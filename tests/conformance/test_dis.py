"""Discovery as clients without aggregation read it: /api, /apis, /version."""

import json

from behaviour import behaviour


@behaviour("[sig-api-machinery] server version should find the server version [Conformance]")
def test_version_is_two_numbers(site):
    version = json.loads(site.kubectl("version", "-o", "json"))["serverVersion"]
    assert int(version["major"]) == 1
    assert int(version["minor"]) >= 32
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")


@behaviour("[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup [Conformance]")
def test_preferred_version_is_one_of_the_group(site):
    groups = json.loads(site.kubectl("get", "--raw", "/apis"))["groups"]
    assert len(groups) > 15
    for group in groups:
        one = json.loads(site.kubectl("get", "--raw", f"/apis/{group['name']}"))
        assert one["kind"] == "APIGroup"
        assert one["name"] == group["name"]
        assert one["versions"] == group["versions"]
        assert one["preferredVersion"] in one["versions"]
        assert one["preferredVersion"] == group["preferredVersion"]


# A kind of each group that a client may count on.
EXPECTED = {
    "admissionregistration.k8s.io": "validatingwebhookconfigurations", "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices", "apps": "deployments", "authentication.k8s.io": "tokenreviews",
    "authorization.k8s.io": "selfsubjectaccessreviews", "autoscaling": "horizontalpodautoscalers", "batch": "jobs",
    "certificates.k8s.io": "certificatesigningrequests", "coordination.k8s.io": "leases", "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events", "flowcontrol.apiserver.k8s.io": "flowschemas", "networking.k8s.io": "ingresses",
    "node.k8s.io": "runtimeclasses", "policy": "poddisruptionbudgets", "rbac.authorization.k8s.io": "clusterroles",
    "scheduling.k8s.io": "priorityclasses", "storage.k8s.io": "storageclasses",
}


@behaviour("[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup [Conformance]")
def test_each_group_version_lists_its_resources(site):
    groups = {g["name"]: g for g in json.loads(site.kubectl("get", "--raw", "/apis"))["groups"]}
    for name, resource in EXPECTED.items():
        version = groups[name]["preferredVersion"]["groupVersion"]
        found = json.loads(site.kubectl("get", "--raw", f"/apis/{version}"))
        assert found["kind"] == "APIResourceList"
        assert found["groupVersion"] == version
        assert resource in [r["name"] for r in found["resources"]]
