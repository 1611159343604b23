"""Field validation: what a body says beside its kind's fields is told or refused, not dropped in silence."""

import json
import re

import pytest

from behaviour import behaviour
from definitions import OPEN, defined, definition, object_of

GROUP = "fv.example.com"
SCHEMA = {"type": "object", "properties": {"spec": {
    "type": "object", "required": ["foo"], "properties": {
        "foo": {"type": "string"}, "cronSpec": {"type": "string"},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                  "items": {"type": "object", "required": ["containerPort", "protocol"], "properties": {
                      "containerPort": {"type": "integer"}, "protocol": {"type": "string"}, "name": {"type": "string"}}}}}}}}
EMBEDDED = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"spec": {
    "type": "object", "properties": {"foo": {"type": "string"}, "template": {
        "type": "object", "x-kubernetes-embedded-resource": True, "properties": {
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}}, "spec": {"type": "object"}}}}}}}

DEPLOYMENT = """{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "%s", "labels": {"app": "nginx"}%s},
"spec": {%s "replicas": 0, "selector": {"matchLabels": {"app": "nginx"}}, "template": {"metadata": {"labels": {"app": "nginx"}},
"spec": {"containers": [{"name": "nginx", "image": "nginx"}]}}}}"""


def refused(k, body, *words, how=("create",)):
    answer = k(*how, "--validate=strict", "-f", "-", stdin=body if isinstance(body, str) else json.dumps(body), check=False)
    assert answer.returncode != 0, answer.stdout
    for word in words:
        if "--server-side" in how:  # what a merge says of the same
            word = re.sub(r'unknown field "(.*)"', r".\1: field not declared in schema", word)
        assert word in answer.stderr, answer.stderr


HOW = [("create",), ("apply",), ("apply", "--server-side")]
both = pytest.mark.parametrize("how", HOW, ids=["create", "apply", "ssa"])


@behaviour("[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object [Conformance]")
@both
def test_typed(k, api, namespace, how):
    body = DEPLOYMENT % ("typed", "", '"unknown1": 1, "paused": true, "unknownDupe": "a", "unknownDupe": "b", "paused": false,')
    if how == ("create",):
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        answer = api.post(path, body, fieldValidation="Strict")
        assert answer.code == 400
        for word in ('strict decoding error: ', 'unknown field "spec.unknown1"', 'unknown field "spec.unknownDupe"',
                     'duplicate field "spec.paused"'):
            assert word in answer.body["message"], answer
        assert api.post(path, body.replace("typed", "warned"), fieldValidation="Warn").code == 201
        assert api.post(path, body.replace("typed", "ignored"), fieldValidation="Ignore").code == 201
    else:
        refused(k, body.replace('"paused": true,', ""), 'unknown field "spec.unknown1"', how=how)


@behaviour("[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object [Conformance]")
@both
def test_typed_metadata(k, how):
    refused(k, DEPLOYMENT % ("meta", ', "unknownMeta": "foo"', ""), 'unknown field "metadata.unknownMeta"', how=how)
    if how == HOW[2]:
        return  # a merge has no field to put it in, however it is asked
    assert "warned" in k(*how, "--validate=warn", "-f", "-", stdin=DEPLOYMENT % ("warned", ', "unknownMeta": "foo"', ""))


@behaviour("[sig-api-machinery] FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema [Conformance]")
def test_without_schema(site, k):
    with defined(site, definition("noschema", GROUP, OPEN)) as crd:
        for name, how in zip(("created", "applied", "merged"), HOW):
            k(*how, "--validate=strict", "-f", "-", stdin=json.dumps(object_of(crd, name, spec={"unknown": "uk1", "cronSpec": "* * * * */5"})))
            assert k("get", "e2enoschema", name, "-o", "jsonpath={.spec.unknown}") == "uk1"


@behaviour("[sig-api-machinery] FieldValidation should create/apply a valid CR for CRD with validation schema [Conformance]")
def test_valid(site, k):
    with defined(site, definition("valid", GROUP, SCHEMA)) as crd:
        spec = {"foo": "foo1", "cronSpec": "* * * * */5", "ports": [{"name": "x", "containerPort": 80, "protocol": "TCP"}]}
        for name, how in zip(("created", "applied", "merged"), HOW):
            k(*how, "--validate=strict", "-f", "-", stdin=json.dumps(object_of(crd, name, spec=spec)))
            assert json.loads(k("get", "e2evalid", name, "-o", "json"))["spec"] == spec


@behaviour("[sig-api-machinery] FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema [Conformance]")
def test_extra_properties(site, k):
    with defined(site, definition("extra", GROUP, SCHEMA)) as crd:
        body = object_of(crd, "mine", spec={"foo": "foo1", "extraProperty": "arbitrary-value", "cronSpec": "* * * * */5"}, other=1)
        for how in HOW:
            refused(k, body, 'unknown field "spec.extraProperty"', 'unknown field "other"', how=how)


@behaviour("[sig-api-machinery] FieldValidation should detect duplicates in a CR when preserving unknown fields [Conformance]")
def test_duplicates(site, api, namespace):
    with defined(site, definition("dupe", GROUP, {"type": "object", "x-kubernetes-preserve-unknown-fields": True})) as crd:
        body = json.dumps(object_of(crd, "mine", spec={"unknown": "uk1", "foo": "foo1", "twice": 1})).replace('"twice"', '"foo"')
        path = f"/apis/{GROUP}/v1/namespaces/{namespace}/e2edupes"
        answer = api.post(path, body, fieldValidation="Strict")
        assert answer.code == 400
        assert 'strict decoding error: duplicate field "spec.foo"' in answer.body["message"]
        answer = api.request("PATCH", path + "/mine", body, "application/apply-patch+yaml", fieldManager="e2e", fieldValidation="Strict")
        assert answer.code == 400, answer
        assert "foo" in answer.body["message"]


@behaviour("[sig-api-machinery] FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR [Conformance]")
def test_custom_metadata(site, k):
    with defined(site, definition("embedded", GROUP, EMBEDDED)) as crd:
        body = object_of(crd, "mine", spec={"template": {"apiVersion": "foo/v1", "kind": "Sub", "metadata": {
            "unknownSubMeta": "unknown", "name": "subobject"}}})
        body["metadata"]["unknownMeta"] = "unknown"
        for how in HOW:
            refused(k, body, 'unknown field "metadata.unknownMeta"', 'unknown field "spec.template.metadata.unknownSubMeta"', how=how)
