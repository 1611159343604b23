"""PodTemplates: stored, and nothing more."""

from behaviour import behaviour
from kit import lifecycle


def template(name, label="podtemplate-set"):
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name, "labels": {label: "true"}},
            "template": {"metadata": {"labels": {"pod": name}},
                         "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}


@behaviour("[sig-node] PodTemplates should run the lifecycle of PodTemplates [Conformance]")
def test_lifecycle(kinds, namespace):
    templates = kinds("v1", "PodTemplate", namespace)

    def edit(obj):
        obj["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    lifecycle(templates, template, edit, "podtemplate-set=true")


@behaviour("[sig-node] PodTemplates should delete a collection of pod templates [Conformance]")
def test_delete_collection(kinds, namespace):
    templates = kinds("v1", "PodTemplate", namespace)
    for name in ("a", "b", "c"):
        templates.create(template(name))
    templates.create(template("other", "another-set"))
    assert templates.names("podtemplate-set=true") == ["a", "b", "c"]
    templates.delete_all("podtemplate-set=true")
    assert templates.names() == ["other"]


@behaviour("[sig-node] PodTemplates should replace a pod template [Conformance]")
def test_replace(kinds, namespace):
    templates = kinds("v1", "PodTemplate", namespace)
    made = templates.create(template("t"))
    made["metadata"]["annotations"] = {"updated": "true"}
    assert templates.replace(made)["metadata"]["annotations"] == {"updated": "true"}
    got = templates.get("t")
    assert got["metadata"]["annotations"] == {"updated": "true"}
    assert got["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"
