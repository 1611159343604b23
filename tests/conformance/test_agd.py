"""Discovery in one document, which kubectl asks for first."""

import json

from behaviour import behaviour
from definitions import defined, definition

# A group, version and kind of each corner that every server has, as the suite lists them.
BUILT_IN = [("", "v1", "namespaces"), ("", "v1", "pods"), ("", "v1", "services"), ("", "v1", "configmaps"),
            ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"), ("apiregistration.k8s.io", "v1", "apiservices"),
            ("apps", "v1", "deployments"), ("apps", "v1", "statefulsets"), ("authentication.k8s.io", "v1", "tokenreviews"),
            ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"), ("autoscaling", "v1", "horizontalpodautoscalers"),
            ("autoscaling", "v2", "horizontalpodautoscalers"), ("batch", "v1", "jobs"), ("batch", "v1", "cronjobs"),
            ("certificates.k8s.io", "v1", "certificatesigningrequests"), ("coordination.k8s.io", "v1", "leases"),
            ("discovery.k8s.io", "v1", "endpointslices"), ("events.k8s.io", "v1", "events"), ("networking.k8s.io", "v1", "ingresses"),
            ("node.k8s.io", "v1", "runtimeclasses"), ("policy", "v1", "poddisruptionbudgets"),
            ("scheduling.k8s.io", "v1", "priorityclasses"), ("rbac.authorization.k8s.io", "v1", "roles")]
ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def aggregated(api, accept=ACCEPT):
    """{(group, version, plural): what is said of it} of both documents."""
    found = {}
    for path in ("/api", "/apis"):
        api.headers["Accept"] = accept
        answer = api.get(path)
        assert answer.code == 200
        assert answer.body["kind"] == "APIGroupDiscoveryList"
        for group in answer.body["items"]:
            for version in group["versions"]:
                for resource in version["resources"]:
                    found[group["metadata"].get("name", ""), version["version"], resource["resource"]] = resource
    return found


@behaviour("[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers [Conformance]")
def test_accept_headers(api):
    found = aggregated(api)
    assert set(BUILT_IN) <= set(found)
    pods = found["", "v1", "pods"]
    assert pods["scope"] == "Namespaced" and pods["shortNames"] == ["po"] and pods["singularResource"] == "pod"
    assert pods["responseKind"] == {"group": "", "version": "v1", "kind": "Pod"} or pods["responseKind"]["kind"] == "Pod"
    assert "status" in [s["subresource"] for s in pods["subresources"]]
    # Who names the beta as well gets what it knows; who names neither, the old form.
    assert set(BUILT_IN) <= set(aggregated(api, ACCEPT.replace("v=v2", "v=v2beta1")))
    api.headers["Accept"] = "application/json"
    assert api.get("/apis").body["kind"] == "APIGroupList"


@behaviour("[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface [Conformance]")
def test_clients_read_it(site, tmp_path):
    """kubectl asks for the aggregated form only, and knows all kinds after two requests."""
    said = site.kubectl("api-resources", "--no-headers", "-v=8", "--cache-dir", str(tmp_path), check=False)
    asked = [line.split("GET https://")[1].split()[0].partition("/")[2] for line in said.stderr.splitlines() if "GET https://" in line]
    if site.kubectl_minor() >= 27:
        assert {path.partition("?")[0] for path in asked} == {"api", "apis"}
    words = [line.split() for line in said.stdout.splitlines()]
    listed = {(w[0], next(x for x in w if x == "v1" or "/v" in x)) for w in words}
    for group, version, plural in BUILT_IN:
        if (group, version) != ("autoscaling", "v1"):  # kubectl lists what is preferred
            assert (plural, f"{group}/{version}".strip("/")) in listed


@behaviour("[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for CRDs [Conformance]")
def test_definitions_in_the_raw_document(site, api):
    crd = definition("aggregated", "raw.aggregated.example.com", versions=("v1", "v2beta1"))
    with defined(site, crd):
        found = aggregated(api)
        for version in ("v1", "v2beta1"):
            row = found["raw.aggregated.example.com", version, "e2eaggregateds"]
            assert row["responseKind"]["kind"] == "E2eAggregated"
            assert row["scope"] == "Namespaced"
    assert not [key for key in aggregated(api) if key[0] == "raw.aggregated.example.com"]


@behaviour("[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for CRDs [Conformance]")
def test_clients_find_definitions(site, tmp_path):
    crd = definition("found", "found.aggregated.example.com")
    with defined(site, crd):
        names = site.kubectl("api-resources", "-o", "name", "--cache-dir", str(tmp_path)).splitlines()
        assert "e2efounds.found.aggregated.example.com" in names
    assert json.loads(site.kubectl("get", "--raw", "/apis"))["kind"] == "APIGroupList"
