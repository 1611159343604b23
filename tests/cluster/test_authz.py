"""Who may do what: a table of askers and questions, against a server of its own (bareserver: no nodes, no lab)."""

import base64
import hashlib
import json
import os
import subprocess
import time

import pytest

from bareserver import BareServer
from labsite import wait_for

JSON = {"Content-Type": "application/json"}
ISSUER = "https://kubernetes.default.svc.cluster.local"
A, B = "/api/v1/namespaces/a", "/api/v1/namespaces/b"
RBAC_A = "/apis/rbac.authorization.k8s.io/v1/namespaces/a"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NAMED = "?fieldSelector=metadata.name%3D{}"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"


# --- things to ask with: openssl makes what the server would not ---

def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, check=True, capture_output=True).stdout


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def es256(key, data):
    """r and s of 32 bytes each, out of the DER that openssl prints."""
    der = openssl("dgst", "-sha256", "-sign", key, stdin=data)
    at, out = 2, b""
    for _ in range(2):
        length = der[at + 1]
        out += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return out


def key_id(key):
    return b64(hashlib.sha256(openssl("ec", "-in", key, "-pubout", "-outform", "DER")).digest())


def jwt(key, claims, header=None, kid=None):
    head = header or {"alg": "ES256", "kid": kid or key_id(key)}
    signed = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
    return signed + "." + ("" if head["alg"] == "none" else b64(es256(key, signed.encode())))


class World:
    """What the table speaks of: namespaces a and b, accounts, pods on w1 and w2, roles; and who asks."""

    def __init__(self, bare):
        self.bare, self.dir = bare, bare.path("clients")
        os.mkdir(self.dir)
        for ns in "ab":
            self.make("/api/v1/namespaces", ns)
            self.make(f"/api/v1/namespaces/{ns}/secrets", "s", stringData={"k": "v"})
            self.make(f"/api/v1/namespaces/{ns}/configmaps", "c", data={"k": "v"})
        for node in ("w1", "w2"):
            self.make("/api/v1/nodes", node)
        for name in ("reader", "editor", "admin", "viewer", "nobody", "named", "gone", "again", "podbound", "secretbound"):
            self.make(A + "/serviceaccounts", name)
        self.make(RBAC_A + "/roles", "reader", rules=[{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]}])
        self.make(RBAC_A + "/roles", "named",
                  rules=[{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["c"], "verbs": ["get", "update", "watch"]}])
        for name, kind, role in (("reader", "Role", "reader"), ("named", "Role", "named"), ("editor", "ClusterRole", "edit"),
                                 ("admin", "ClusterRole", "admin")):
            self.bind(RBAC_A + "/rolebindings", name, kind, role)
        self.bind(RBAC + "/clusterrolebindings", "viewer", "ClusterRole", "view")
        self.make(RBAC + "/clusterroles", "prober", rules=[{"nonResourceURLs": ["/metrics", "/mkube/*"], "verbs": ["get"]}])
        self.bind(RBAC + "/clusterrolebindings", "named", "ClusterRole", "prober")
        for name, node, account in (("mine", "w1", "podbound"), ("other", "w2", "nobody"), ("doomed", "w1", "podbound")):
            self.pod(name, node, account)
        self.asks = {"nothing": {}, "admin": {"client": (bare.path("pki", "admin.crt"), bare.path("pki", "admin.key"))}}
        self.certificates()
        self.tokens()

    def post(self, path, body):
        status, text, _ = self.bare.get(path, headers=JSON, method="POST", body=json.dumps(body).encode())
        assert status == 201, text
        return json.loads(text)

    def make(self, path, name, **more):
        return self.post(path, {"metadata": {"name": name}, **more})

    def bind(self, path, account, kind, role):
        self.make(path, account, roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
                  subjects=[{"kind": "ServiceAccount", "namespace": "a", "name": account}])

    def pod(self, name, node, account):
        spec = {"nodeName": node, "serviceAccountName": account, "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": "s"}}]}]}
        return self.post(A + "/pods", {"metadata": {"name": name}, "spec": spec if name != "other" else
                                       {**spec, "containers": [{"name": "c", "image": "i", "envFrom": [{"configMapRef": {"name": "c"}}]}]}})

    def request(self, account, **spec):
        return self.post(f"{A}/serviceaccounts/{account}/token", {"spec": spec})["status"]["token"]

    def delete(self, path):
        assert self.bare.get(path, method="DELETE")[0] == 200

    def certificate(self, who, subject, ca=None, dates=None):
        """A client certificate; @dates (from, to) need openssl ca, which keeps books."""
        key, csr, crt = (os.path.join(self.dir, f"{who}.{end}") for end in ("key", "csr", "crt"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", csr, "-subj", subject)
        ca = ca or (self.bare.path("pki", "ca.crt"), self.bare.path("pki", "ca.key"))
        conf = os.path.join(self.dir, who + ".cnf")
        for book in ("index.txt", "index.txt.attr"):
            open(os.path.join(self.dir, book), "w").close()
        with open(conf, "w") as f:
            f.write(f"[ca]\ndefault_ca=c\n[c]\ndatabase={self.dir}/index.txt\nnew_certs_dir={self.dir}\nrand_serial=yes\ndefault_md=sha256\n"
                    "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\norganizationName=optional\n[x]\nextendedKeyUsage=clientAuth\n")
        start, end = dates or ("20200101000000Z", "20990101000000Z")
        openssl("ca", "-batch", "-notext", "-config", conf, "-in", csr, "-out", crt, "-cert", ca[0], "-keyfile", ca[1],
                "-startdate", start, "-enddate", end)
        self.asks[who] = {"client": (crt, key)}

    def certificates(self):
        self.certificate("jane", "/O=people/CN=jane")
        self.certificate("node w1", "/O=system:nodes/CN=system:node:w1")
        self.certificate("half a node", "/O=people/CN=system:node:w1")
        self.certificate("expired certificate", "/O=system:masters/CN=late", dates=("20200101000000Z", "20210101000000Z"))
        other = [os.path.join(self.dir, "other-ca." + end) for end in ("crt", "key")]
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", other[1], "-out", other[0],
                "-subj", "/CN=mkube", "-days", "10")
        self.certificate("other CA's certificate", "/O=system:masters/CN=mallory", ca=other)

    def bearer(self, who, token):
        self.asks[who] = {"token": token}

    def tokens(self):
        for name in ("reader", "editor", "admin", "viewer", "nobody", "named"):
            self.bearer("ns admin" if name == "admin" else name, self.request(name))
        self.bearer("other audience", self.request("admin", audiences=["vault"]))
        self.bearer("both audiences", self.request("reader", audiences=["vault", ISSUER]))
        self.bearer("bound to a pod", self.request("podbound", boundObjectRef={"kind": "Pod", "name": "mine"}))
        self.bearer("pod gone", self.request("podbound", boundObjectRef={"kind": "Pod", "name": "doomed"}))
        self.make(A + "/secrets", "bound")
        self.bearer("secret gone", self.request("secretbound", boundObjectRef={"kind": "Secret", "name": "bound"}))
        self.delete(A + "/secrets/bound")
        self.delete(A + "/pods/doomed?gracePeriodSeconds=0")
        wait_for("the pod to go", 10, lambda: self.bare.get(A + "/pods/doomed")[0] == 404)
        self.pod("doomed", "w1", "podbound")  # the same name, another pod
        for name in ("gone", "again"):
            self.bind(RBAC + "/clusterrolebindings", name, "ClusterRole", "cluster-admin")
            self.bearer(f"account {name}", self.request(name))
            self.delete(f"{A}/serviceaccounts/{name}")
        self.make(A + "/serviceaccounts", "again")
        self.forgeries()
        self.legacy()
        for name, more in (("bootstrap", {}), ("expired bootstrap", {"expiration": "2020-01-01T00:00:00Z"}),
                           ("unusable bootstrap", {"usage-bootstrap-authentication": "false"})):
            secret = hashlib.sha256(name.encode()).hexdigest()
            self.post("/api/v1/namespaces/kube-system/secrets", {
                "metadata": {"name": f"bootstrap-token-{secret[:6]}"}, "type": "bootstrap.kubernetes.io/token",
                "stringData": {"token-id": secret[:6], "token-secret": secret[6:22], "usage-bootstrap-authentication": "true", **more}})
            self.bearer(name, f"{secret[:6]}.{secret[6:22]}")
        self.bearer("wrong bootstrap", secret[:6] + "." + "0" * 16)

    def legacy(self):
        self.post(A + "/secrets", {"metadata": {"name": "old", "annotations": {"kubernetes.io/service-account.name": "reader"}},
                                   "type": "kubernetes.io/service-account-token"})
        data = json.loads(self.bare.get(A + "/secrets/old")[1])["data"]
        self.bearer("token of a Secret", base64.b64decode(data["token"]).decode())

    def forgeries(self):
        ours = self.bare.path("pki", "sa.key")
        theirs = os.path.join(self.dir, "theirs.key")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", theirs)
        uid = json.loads(self.bare.get(A + "/serviceaccounts/admin")[1])["metadata"]["uid"]
        now = int(time.time())
        good = {"iss": ISSUER, "aud": [ISSUER], "iat": now, "nbf": now, "exp": now + 3600, "sub": "system:serviceaccount:a:admin",
                "kubernetes.io": {"namespace": "a", "serviceaccount": {"name": "admin", "uid": uid}}}
        legacy = {"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:a:admin"} | {
            "kubernetes.io/serviceaccount/" + key: value for key, value in (
                ("namespace", "a"), ("secret.name", "s"), ("service-account.name", "admin"), ("service-account.uid", uid))}
        self.bearer("good by our key", jwt(ours, good))
        self.bearer("expired", jwt(ours, good | {"iat": now - 7200, "exp": now - 3600}))
        self.bearer("no end", jwt(ours, {k: v for k, v in good.items() if k != "exp"}))
        self.bearer("other issuer", jwt(ours, good | {"iss": "https://evil.example"}))
        self.bearer("no audience", jwt(ours, {k: v for k, v in good.items() if k != "aud"}))
        self.bearer("other uid", jwt(ours, good | {"kubernetes.io": {"namespace": "a", "serviceaccount": {"name": "admin", "uid": "x"}}}))
        self.bearer("other key", jwt(theirs, good))
        self.bearer("other key under our name", jwt(theirs, good, kid=key_id(ours)))
        self.bearer("alg none", jwt(ours, good, {"alg": "none", "kid": key_id(ours)}))
        self.bearer("alg HS256", jwt(ours, good, {"alg": "HS256", "kid": key_id(ours)}))
        self.bearer("signature cut", jwt(ours, good)[:-4])
        self.bearer("claims changed", self.changed(jwt(ours, good)))
        self.bearer("forged token of a Secret", jwt(ours, legacy))
        self.bearer("no token at all", "x")
        self.bearer("too long", "x" * 9000)

    @staticmethod
    def changed(token):
        head, body, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        return ".".join((head, b64(json.dumps(claims | {"exp": claims["exp"] + 1}).encode()), signature))

    def ask(self, who, method, path, body=None):
        ask = self.asks[who]
        headers = dict(JSON) if method != "PATCH" else {"Content-Type": "application/merge-patch+json"}
        if "token" in ask:
            headers["Authorization"] = "Bearer " + ask["token"]
        return self.bare.get(path, ask.get("client"), headers, method, None if body is None else json.dumps(body).encode())


@pytest.fixture(scope="module")
def world():
    bare = BareServer().start()
    try:
        yield World(bare)
    finally:
        bare.remove()


ROLE_GET = {"metadata": {"name": "x"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
ROLE_NODES = {"metadata": {"name": "y"}, "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}
MAP = {"metadata": {"name": "new"}}
SELF = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "a"}}}
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TOKEN_OF_MINE = {"spec": {"boundObjectRef": {"kind": "Pod", "name": "mine"}}}


def binding(name, kind, role):
    return {"metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]}


TABLE = [
    # strangers
    ("nothing", "GET", "/livez", None, 200), ("nothing", "GET", "/readyz", None, 200), ("nothing", "GET", "/version", None, 200),
    ("nothing", "GET", "/api", None, 401), ("nothing", "GET", "/apis", None, 401), ("nothing", "GET", "/metrics", None, 401),
    ("nothing", "GET", "/openid/v1/jwks", None, 401), ("nothing", "GET", A + "/pods", None, 401),
    ("nothing", "POST", WHOAMI, {}, 401), ("nothing", "GET", "/mkube/v1/token-key", None, 401),
    # those who are known, and no more
    ("nobody", "GET", "/api", None, 200), ("nobody", "GET", "/openapi/v3", None, 200), ("nobody", "POST", WHOAMI, {}, 201),
    ("nobody", "GET", "/openid/v1/jwks", None, 200), ("jane", "GET", "/openid/v1/jwks", None, 403),
    ("nobody", "GET", "/metrics", None, 403), ("nobody", "GET", A + "/pods", None, 403), ("nobody", "GET", "/api/v1/nodes", None, 403),
    ("nobody", "POST", "/mkube/v1/join", {}, 403), ("nobody", "POST", "/mkube/v1/token-key/rotate", None, 403),
    ("jane", "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", SELF, 201),
    ("jane", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", SELF, 403),
    ("jane", "POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}, 403),
    # a Role
    ("reader", "GET", A + "/pods", None, 200), ("reader", "GET", A + "/pods/mine", None, 200), ("reader", "GET", A + "/pods/none", None, 404),
    ("reader", "GET", B + "/pods", None, 403), ("reader", "GET", "/api/v1/pods", None, 403), ("reader", "GET", A + "/pods/mine/status", None, 403),
    ("reader", "GET", A + "/secrets", None, 403), ("reader", "GET", A + "/configmaps/c", None, 403),
    ("reader", "DELETE", A + "/pods/mine", None, 403), ("reader", "DELETE", A + "/pods", None, 403),
    ("reader", "PATCH", A + "/pods/mine", {}, 403), ("reader", "POST", A + "/pods/mine/eviction", {}, 403),
    ("reader", "POST", A + "/pods/mine/exec?command=id", None, 403), ("reader", "GET", "/api/v1/namespaces/a", None, 403),
    # names, and addresses of no resource
    ("named", "GET", A + "/configmaps/c", None, 200), ("named", "GET", A + "/configmaps/kube-root-ca.crt", None, 403),
    ("named", "GET", A + "/configmaps", None, 403), ("named", "GET", A + "/configmaps?fieldSelector=metadata.name%3Dc", None, 403),
    ("named", "GET", A + "/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dc", None, 200),
    ("named", "GET", A + "/configmaps?watch=1&timeoutSeconds=1", None, 403),
    ("named", "GET", "/metrics", None, 200), ("named", "GET", "/mkube/v1/token-key", None, 200), ("named", "GET", "/mkube", None, 403),
    ("named", "POST", "/mkube/v1/token-key/rotate", None, 403),
    # view, edit, admin
    ("viewer", "GET", B + "/pods", None, 200), ("viewer", "GET", B + "/secrets", None, 403), ("viewer", "POST", B + "/configmaps", MAP, 403),
    ("viewer", "GET", "/api/v1/nodes", None, 403), ("viewer", "GET", "/api/v1/namespaces", None, 200),
    ("editor", "POST", A + "/configmaps?dryRun=All", MAP, 201), ("editor", "GET", A + "/secrets/s", None, 200),
    ("editor", "POST", B + "/configmaps?dryRun=All", MAP, 403), ("editor", "POST", RBAC_A + "/roles?dryRun=All", ROLE_GET, 403),
    ("editor", "POST", A + "/serviceaccounts/reader/token", {}, 201), ("editor", "PATCH", A + "/resourcequotas/q", {}, 403),
    ("admin", "GET", "/api/v1/nodes", None, 200),
    ("admin", "POST", RBAC + "/clusterroles?dryRun=All", {**ROLE_NODES, "metadata": {"name": "any"}}, 201),
    # nobody gives away what he does not have
    ("ns admin", "POST", RBAC_A + "/roles?dryRun=All", ROLE_GET, 201), ("ns admin", "POST", RBAC_A + "/roles?dryRun=All", ROLE_NODES, 403),
    ("ns admin", "POST", RBAC_A + "/rolebindings?dryRun=All", binding("v", "ClusterRole", "view"), 201),
    ("ns admin", "POST", RBAC_A + "/rolebindings?dryRun=All", binding("r", "Role", "reader"), 201),
    ("ns admin", "POST", RBAC_A + "/rolebindings?dryRun=All", binding("c", "ClusterRole", "cluster-admin"), 403),
    ("ns admin", "POST", RBAC_A + "/rolebindings?dryRun=All", binding("n", "Role", "none"), 404),
    ("ns admin", "POST", RBAC + "/clusterrolebindings?dryRun=All", binding("v", "ClusterRole", "view"), 403),
    ("ns admin", "PATCH", RBAC_A + "/roles/reader?dryRun=All", {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, 403),
    # a node
    ("node w1", "GET", "/api/v1/nodes", None, 200), ("node w1", "GET", A + "/secrets/s", None, 200), ("node w1", "GET", A + "/configmaps/c", None, 403),
    ("node w1", "GET", B + "/secrets/s", None, 403), ("node w1", "GET", "/api/v1/secrets", None, 403), ("node w1", "GET", B + "/secrets", None, 403),
    ("node w1", "GET", A + "/secrets", None, 403), ("node w1", "GET", A + "/configmaps", None, 403),
    ("node w1", "GET", A + "/secrets?watch=1&timeoutSeconds=1", None, 403), ("node w1", "GET", A + "/secrets" + NAMED.format("s"), None, 200),
    ("node w1", "GET", A + "/secrets" + NAMED.format("s") + "&watch=1&timeoutSeconds=1", None, 200),
    ("node w1", "GET", A + "/secrets" + NAMED.format("old"), None, 403), ("node w1", "GET", A + "/configmaps" + NAMED.format("c"), None, 403),
    ("node w1", "POST", A + "/secrets", MAP, 403), ("node w1", "DELETE", A + "/secrets/s", None, 403),
    ("node w1", "POST", A + "/serviceaccounts/podbound/token", TOKEN_OF_MINE, 201),
    ("node w1", "POST", A + "/serviceaccounts/podbound/token", {"spec": {}}, 403),
    ("node w1", "POST", A + "/serviceaccounts/nobody/token", {"spec": {"boundObjectRef": {"kind": "Pod", "name": "other"}}}, 403),
    ("node w1", "POST", A + "/serviceaccounts/admin/token", TOKEN_OF_MINE, 403),
    ("node w1", "PATCH", A + "/pods/mine/status?dryRun=All", {"status": {"phase": "Running"}}, 200),
    ("node w1", "PATCH", A + "/pods/other/status?dryRun=All", {"status": {"phase": "Running"}}, 403),
    ("node w1", "PATCH", A + "/pods/mine?dryRun=All", {}, 403), ("node w1", "DELETE", A + "/pods/other", None, 403),
    ("node w1", "DELETE", A + "/pods/mine?dryRun=All", None, 200), ("node w1", "POST", A + "/pods", {}, 403),
    ("node w1", "POST", "/api/v1/nodes?dryRun=All", {"metadata": {"name": "w1"}}, 409),
    ("node w1", "POST", "/api/v1/nodes?dryRun=All", {"metadata": {"name": "w2"}}, 403),
    ("node w1", "POST", "/api/v1/nodes?dryRun=All", {"metadata": {"name": "w1", "labels": {"node-restriction.kubernetes.io/x": "y"}}}, 403),
    ("node w1", "POST", LEASES + "/kube-node-lease/leases?dryRun=All", {"metadata": {"name": "w1"}}, 201),
    ("node w1", "POST", LEASES + "/kube-node-lease/leases?dryRun=All", {"metadata": {"name": "w2"}}, 403),
    ("node w1", "POST", LEASES + "/kube-system/leases?dryRun=All", {"metadata": {"name": "w1"}}, 403),
    ("node w1", "GET", RBAC + "/clusterroles", None, 403), ("node w1", "GET", CSRS, None, 200),
    ("half a node", "GET", "/api/v1/nodes", None, 403), ("half a node", "GET", A + "/secrets/s", None, 403),
    # tokens that hold
    ("good by our key", "GET", A + "/secrets/s", None, 200), ("both audiences", "GET", A + "/pods", None, 200),
    ("bound to a pod", "POST", WHOAMI, {}, 201), ("token of a Secret", "GET", A + "/pods", None, 200),
    ("bootstrap", "POST", WHOAMI, {}, 201), ("bootstrap", "GET", "/api/v1/nodes", None, 403), ("bootstrap", "GET", "/api/v1/secrets", None, 403),
] + [
    # and those that do not, where everybody known gets an answer
    (who, "POST", WHOAMI, {}, 401) for who in (
        "expired", "no end", "other issuer", "no audience", "other audience", "other uid", "other key", "other key under our name", "alg none",
        "alg HS256", "signature cut", "claims changed", "forged token of a Secret", "no token at all", "too long", "account gone",
        "account again", "pod gone", "secret gone", "expired bootstrap", "unusable bootstrap", "wrong bootstrap")
] + [("other CA's certificate", "POST", WHOAMI, {}, 401), ("expired certificate", "POST", WHOAMI, {}, 401)]


def test_everybody_gets_what_is_theirs_and_no_more(world):
    assert len(TABLE) >= 120
    wrong = []
    for who, method, path, body, want in TABLE:
        status, text, _ = world.ask(who, method, path, body)
        # A certificate that nobody believes may end the connection before there is an answer.
        if status != want and not (status == 0 and "certificate" in who and want == 401):
            wrong.append(f"{who}: {method} {path}: {status}, not {want}: {text[:200]}")
    assert not wrong, "\n".join(wrong)


def test_a_secrets_token_ends_with_the_secret(world):
    assert world.ask("token of a Secret", "GET", A + "/pods")[0] == 200
    world.delete(A + "/secrets/old")
    assert world.ask("token of a Secret", "GET", A + "/pods")[0] == 401
    world.legacy()


def test_a_role_taken_away_is_gone_at_once(world):
    assert world.ask("viewer", "GET", B + "/pods")[0] == 200
    world.delete(RBAC + "/clusterrolebindings/viewer")
    assert world.ask("viewer", "GET", B + "/pods")[0] == 403
    world.bind(RBAC + "/clusterrolebindings", "viewer", "ClusterRole", "view")
    assert world.ask("viewer", "GET", B + "/pods")[0] == 200


def test_reviews_say_what_requests_get(world):
    """A row of the table, asked about instead of done."""
    def may(user, groups, **attributes):
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        return world.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})["status"]["allowed"]

    reader, accounts = "system:serviceaccount:a:reader", ["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"]
    assert may(reader, accounts, verb="list", resource="pods", namespace="a")
    assert not may(reader, accounts, verb="list", resource="pods", namespace="b")
    assert may("system:node:w1", ["system:nodes"], verb="get", resource="secrets", namespace="a", name="s")
    assert not may("system:node:w1", ["system:nodes"], verb="get", resource="secrets", namespace="b", name="s")
    assert not may("system:node:w1", [], verb="get", resource="secrets", namespace="a", name="s")


def test_keys_rotate_online_and_earlier_tokens_hold(world):
    bare, old = world.bare, world.request("reader")
    before = {k["kid"] for k in json.loads(bare.get("/openid/v1/jwks")[1])["keys"]}
    said = bare.mkube("token-key", "rotate").stdout
    after = {k["kid"] for k in json.loads(bare.get("/openid/v1/jwks")[1])["keys"]}
    new = world.request("reader")
    assert before < after and len(after - before) == 1 and (after - before).pop() in said
    for _ in range(2):
        for token in (old, new):
            assert bare.get(A + "/pods", None, {"Authorization": "Bearer " + token})[0] == 200
        bare.stop()
        bare.start()
    assert {k["kid"] for k in json.loads(bare.get("/openid/v1/jwks")[1])["keys"]} == after


def test_tokens_of_pods_live_on_and_say_when_they_should_not(world):
    def claims(token):
        return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))

    pod = {"kind": "Pod", "name": "mine"}
    mounted = claims(world.request("podbound", boundObjectRef=pod, expirationSeconds=3607))
    assert mounted["kubernetes.io"]["warnafter"] - mounted["iat"] == 3607 and mounted["exp"] - mounted["iat"] == 365 * 86400
    assert mounted["kubernetes.io"]["pod"]["name"] == "mine" and mounted["kubernetes.io"]["node"]["name"] == "w1" and mounted["jti"]
    for spec in ({"boundObjectRef": pod, "expirationSeconds": 3600}, {"expirationSeconds": 3607},
                 {"boundObjectRef": pod, "expirationSeconds": 3607, "audiences": ["vault"]}):
        short = claims(world.request("podbound", **spec))
        assert short["exp"] - short["iat"] == spec["expirationSeconds"] and "warnafter" not in short["kubernetes.io"]
    status, text, _ = world.ask("admin", "POST", A + "/serviceaccounts/reader/token", {"spec": {"expirationSeconds": 599}})
    assert status == 422 and "may not specify a duration less than 10 minutes" in text
