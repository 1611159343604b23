"""What strangers and broken clients get from the API."""

import json

from api import Api


def reason(answer):
    return answer.code, answer.body["kind"], answer.body["reason"]


def test_strangers_are_unauthorized(site):
    stranger = Api(site.kubeconfig, anonymous=True)
    assert reason(stranger.get("/api/v1/pods")) == (401, "Status", "Unauthorized")
    stranger.headers["Authorization"] = "Bearer nonsense"
    assert reason(stranger.get("/api/v1/pods")) == (401, "Status", "Unauthorized")
    stranger.close()


def test_unknown_paths_are_not_found(api):
    for path in ("/api/v1/namespaces/default/nonsense", "/apis/nonsense.example/v1/things", "/nonsense"):
        answer = api.get(path)
        assert answer.code == 404, answer
        assert "the server could not find the requested resource" in answer.text or path == "/nonsense"


def test_bad_json_is_told_where(api):
    answer = api.request("POST", "/api/v1/namespaces/default/configmaps", '{"metadata": {"name": "x",}}')
    assert reason(answer) == (400, "Status", "BadRequest")
    assert "invalid character '}'" in answer.body["message"], answer


def test_oversized_body_is_refused(api):
    body = json.dumps({"metadata": {"name": "big"}, "data": {"x": "y" * (4 << 20)}})
    try:
        answer = api.request("POST", "/api/v1/namespaces/default/configmaps", body)
    except OSError:
        return  # refused before all of it was sent: the answer may be lost with the connection
    assert answer.code == 413, answer
    assert api.get("/api/v1/namespaces/default/configmaps/big").code == 404


def test_health_and_version(api):
    assert api.get("/healthz").text == "ok"
    assert api.get("/readyz").code == 200
    version = api.get("/version").body
    assert (version["major"], version["minor"]) == ("1", "32")
