"""Tables: what cannot be one says so."""

import json
import ssl
import urllib.error
import urllib.request

from behaviour import behaviour


@behaviour("[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not "
           "implement metadata [Conformance]")
def test_not_a_table(site, namespace):
    token = site.kubectl("-n", namespace, "create", "token", "default").strip()
    server = site.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").strip()
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
              "spec": {"resourceAttributes": {"namespace": namespace, "verb": "list", "resource": "pods"}}}
    request = urllib.request.Request(server + "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json.dumps(review).encode(), {
        "Authorization": f"Bearer {token}", "Content-Type": "application/json",
        "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})
    try:
        urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context())
        raise AssertionError("a review came as a Table")
    except urllib.error.HTTPError as e:
        status = json.loads(e.read())
    assert (status["kind"], status["status"], status["code"], status["reason"]) == ("Status", "Failure", 406, "NotAcceptable")
