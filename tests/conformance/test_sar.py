"""What reviews say of somebody is what he gets."""

import json

from behaviour import behaviour


@behaviour("[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]")
def test_reviews_and_requests_agree(k, site, namespace):
    def review(kind, path, ns):
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {"namespace": ns} if ns else {},
                "spec": {"user": user, "groups": groups, "resourceAttributes": {
                    "verb": "list", "resource": "configmaps", "namespace": namespace, "version": "v1"}}}
        answer = json.loads(site.kubectl("create", "--raw", f"/apis/authorization.k8s.io/v1/{path}", "-f", "-", stdin=json.dumps(body)))
        assert answer["kind"] == kind and answer["spec"]["user"] == user
        return answer["status"]["allowed"]

    def lists():
        done = k("get", "configmaps", "--as", user, *(f"--as-group={g}" for g in groups), check=False)
        assert done.returncode == 0 or "configmaps is forbidden" in done.stderr
        return done.returncode == 0

    user = f"system:serviceaccount:{namespace}:asked-about"
    groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    k("create", "serviceaccount", "asked-about")
    for allowed in (False, True):
        assert review("SubjectAccessReview", "subjectaccessreviews", None) is allowed
        assert review("LocalSubjectAccessReview", f"namespaces/{namespace}/localsubjectaccessreviews", namespace) is allowed
        assert lists() is allowed
        if not allowed:
            k("create", "rolebinding", "asked-about", "--clusterrole=view", f"--serviceaccount={namespace}:asked-about")
