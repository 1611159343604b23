"""Projected volumes: what ConfigMaps, Secrets and the pod itself give, in one directory."""

from batch import config, look, mounted, secret
from behaviour import behaviour, each
from filetables import (DATA, FIELD, check_comes_and_goes, check_follows, check_metadata, comes_and_goes, configmaps, downward, follows,
                        follows_metadata, projected, secrets)

CONFIG, SECRET = projected("configMap"), projected("secret")


def of_pod(items, defaultMode=None):
    return {"name": "v", "projected": {"sources": [{"downwardAPI": {"items": items}}]}
            | ({"defaultMode": defaultMode} if defaultMode else {})}


def one_of(kind, file):
    return {kind: {"name": "plain", "items": [{"key": "data-1", "path": file}]}}


ALL = {"name": "v", "projected": {"sources": [
    {"downwardAPI": {"items": [FIELD]}}, one_of("secret", "of-secret"), one_of("configMap", "of-configmap")]}}
TABLE = {
    "[sig-storage] Projected combined should project all components that make up the projection API [Projection] [NodeConformance] "
    "[Conformance]": look("cat /v/podname; echo; cat /v/of-secret; echo; cat /v/of-configmap",
                          lambda batch, got: [got["metadata"]["name"], "value-1", "value-1"], container=mounted(), volumes=[ALL]),
} | configmaps("[sig-storage] Projected configMap", CONFIG) | secrets("[sig-storage] Projected secret", SECRET) | downward(
    "[sig-storage] Projected downwardAPI", of_pod)
OBJECTS = [config("plain", DATA), secret("plain", DATA), *follows(CONFIG, "changes", config),
           *comes_and_goes(CONFIG, "config", config), *comes_and_goes(SECRET, "secret", secret),
           follows_metadata(of_pod, "labels"), follows_metadata(of_pod, "annotations")]


@each(TABLE)
def test_what_a_container_sees(batch, look):
    batch.check(look)


@each({f"[sig-storage] Projected downwardAPI should update {field} on modification [NodeConformance] [Conformance]": field
       for field in ("labels", "annotations")})
def test_updates_of_the_pod(batch, look):
    check_metadata(batch, look)


@behaviour("[sig-storage] Projected configMap updates should be reflected in volume [NodeConformance] [Conformance]")
def test_updates(batch):
    check_follows(batch, "configmap", "changes")


@each({"[sig-storage] Projected configMap optional updates should be reflected in volume [NodeConformance] [Conformance]": config,
       "[sig-storage] Projected secret optional updates should be reflected in volume [NodeConformance] [Conformance]": secret})
def test_optional_updates(batch, look):
    kind = "configmap" if look is config else "secret"
    check_comes_and_goes(batch, kind, "config" if look is config else "secret", look)
