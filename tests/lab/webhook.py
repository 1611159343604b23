#!/usr/bin/python3
"""What the API server asks others, in one small HTTPS server: admission webhooks, conversion of custom resources, and an API
of its own for the aggregator.  Certificate and key are at /tls (tls.crt, tls.key); what is asked is the path.
"""

import base64
import http.server
import json
import ssl
import time

GROUP, VERSION = "flowers.example.com", "v1alpha1"


def allow(request):
    return {"allowed": True}


def deny(message):
    return {"allowed": False, "status": {"message": message}}


def patch(*ops):
    return {"allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(ops).encode()).decode()}


def slow(request):
    time.sleep(5)
    return allow(request)


def unwanted(what):
    def judge(request):
        obj = request["object"] or request["oldObject"]
        return deny(what) if (obj.get("data") or {}).get("webhook-test") == "disallow" else allow(request)
    return judge


def pods(request):
    pod = request["object"]
    mark = pod["metadata"].get("labels", {}).get("webhook-test")
    if mark == "wait-forever":
        time.sleep(60)
    reasons = ["the pod contains unwanted label"] if mark == "disallow" else []
    if any("disallow" in c["name"] for c in pod["spec"]["containers"]):
        reasons.append("the pod contains unwanted container name")
    return deny("; ".join(reasons)) if reasons else allow(request)


def stages(request):
    data = request["object"].get("data") or {}
    ops = [{"op": "add", "path": f"/data/mutation-stage-{n}", "value": "yes"}
           for n, before in ((1, "mutation-start"), (2, "mutation-stage-1")) if data.get(before) == "yes"]
    return patch(*ops) if ops else allow(request)


def add_init_container(request):
    return patch({"op": "add", "path": "/spec/initContainers", "value": [
        {"name": "webhook-added-init-container", "image": request["object"]["spec"]["containers"][0]["image"]}]})


def add_label(request):
    return patch({"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}}) if request["object"] else allow(request)


def definitions(request):
    labels = request["object"]["metadata"].get("labels", {})
    return deny("the crd contains unwanted label") if labels.get("webhook-test") == "disallow" else allow(request)


def attach(request):
    return deny(f"attaching to pod '{request['name']}' is not allowed")


ADMISSION = {"/always-allow": allow, "/always-deny": lambda request: deny("this webhook denies all requests"),
             "/always-allow-delay-5s": slow, "/add-label": add_label,
             "/pods": pods, "/configmaps": unwanted("the configmap contains unwanted key and value"),
             "/mutating-configmaps": stages, "/mutating-pods": add_init_container,
             "/custom-resource": unwanted("the custom resource contains unwanted data"), "/mutating-custom-resource": stages,
             "/crd": definitions, "/pods/attach": attach}


def convert(obj, wanted):
    """v1 says hostPort, v2 says host and port."""
    if obj["apiVersion"] == wanted:
        return obj
    obj = dict(obj, apiVersion=wanted)
    if wanted.endswith("/v2"):
        obj["host"], obj["port"] = obj.pop("hostPort").split(":")
    else:
        obj["hostPort"] = f"{obj.pop('host')}:{obj.pop('port')}"
    return obj


def conversion(request):
    wanted = request["desiredAPIVersion"]
    if any(o.get("metadata", {}).get("annotations", {}).get("convert") == "fail" for o in request["objects"]):
        return {"result": {"status": "Failed", "message": "it does not want to"}}
    return {"result": {"status": "Success"}, "convertedObjects": [convert(o, wanted) for o in request["objects"]]}


# --- an API of its own ----------------------------------------------------------------------------------------------

FLOWERS = {}


def flower_list():
    return {"kind": "FlowerList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {"resourceVersion": "1"},
            "items": [FLOWERS[k] for k in sorted(FLOWERS)]}


def status(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                  "reason": reason, "message": message}


def discovery():
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": [
        {"name": "flowers", "singularName": "flower", "namespaced": True, "kind": "Flower", "verbs": verbs}]}


def flowers(method, path, body, headers):
    part = path.removeprefix(f"/apis/{GROUP}/{VERSION}").strip("/").split("/")
    if part == [""]:
        return discovery()
    if part == ["whoami"]:
        return 200, {"users": headers.get_all("X-Remote-User"), "groups": headers.get_all("X-Remote-Group"),
                     "authorization": headers.get("Authorization")}
    ns, name = (part[1], part[3] if len(part) > 3 else None) if part[0] == "namespaces" else (None, None)
    if method == "POST":
        body["metadata"] |= {"namespace": ns, "uid": f"uid-{body['metadata']['name']}", "resourceVersion": "1",
                             "creationTimestamp": "2026-01-01T00:00:00Z"}
        FLOWERS[ns, body["metadata"]["name"]] = body
        return 201, body
    if name is None and method == "GET":
        return 200, flower_list()
    if name is None and method == "DELETE":
        FLOWERS.clear()
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
    if (ns, name) not in FLOWERS:
        return status(404, "NotFound", f'flowers.{GROUP} "{name}" not found')
    if method == "GET":
        return 200, FLOWERS[ns, name]
    if method == "PUT":
        FLOWERS[ns, name] = body
        return 200, body
    if method == "DELETE":
        del FLOWERS[ns, name]
        return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
    return status(405, "MethodNotAllowed", "not here")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(body) if body else None
        path = self.path.split("?")[0]
        if path in ADMISSION or path == "/crdconvert":
            request = body["request"]
            response = (ADMISSION[path] if path in ADMISSION else conversion)(request)
            return 200, {"kind": body["kind"], "apiVersion": body["apiVersion"], "response": response | {"uid": request["uid"]}}
        if path.startswith("/apis/"):
            return flowers(self.command, path, body, self.headers)
        return (200, {}) if path in ("/readyz", "/healthz", "/livez") else status(404, "NotFound", path)

    def do_GET(self):
        code, tree = self.answer()
        body = json.dumps(tree).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """The handshake belongs to the connection's thread, not to the one that accepts."""
    request_queue_size = 64

    def finish_request(self, request, client_address):
        try:
            super().finish_request(self.tls.wrap_socket(request, server_side=True), client_address)
        except OSError:
            pass


if __name__ == "__main__":
    server = Server(("", 8443), Handler)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server.serve_forever()
