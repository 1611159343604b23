"""Ingresses and their classes as objects; the way in itself is tested in tests/cluster/test_ingress.py."""

from behaviour import behaviour
from kit import lifecycle


def ingress(name):
    service = {"service": {"name": "default-backend", "port": {"number": 80}}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "labels": {"special-label": "ing"}},
            # Of a class that nobody serves: whoever served it would have his own word on its status.
            "spec": {"ingressClassName": "conformance-nobody", "defaultBackend": service,
                     "rules": [{"host": "foo.bar.com", "http": {"paths": [
                         {"path": "/", "pathType": "ImplementationSpecific", "backend": {"service": {
                             "name": "test-backend", "port": {"number": 8080}}}}]}}],
                     "tls": [{"hosts": ["foo.bar.com"], "secretName": "tls"}]}}


@behaviour("[sig-network] Ingress API should support creating Ingress API operations [Conformance]")
def test_ingresses(kinds, site, namespace):
    assert "networking.k8s.io/v1" in site.kubectl("api-versions").splitlines()

    def edit(obj):
        obj["spec"]["rules"][0]["host"] = "other.bar.com"
    lifecycle(kinds("networking.k8s.io/v1", "Ingress", namespace), ingress, edit, "special-label=ing",
              {"status": {"loadBalancer": {"ingress": [{"ip": "169.1.1.1"}]}}})


def ingress_class(name):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": name, "labels": {"special-label": "conformance-class"}},
            "spec": {"controller": "example.com/controller"}}


@behaviour("[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]")
def test_classes(kinds, site):
    assert "ingressclasses" in site.kubectl("api-resources", "--api-group=networking.k8s.io", "-o", "name")
    lifecycle(kinds("networking.k8s.io/v1", "IngressClass"), ingress_class, lambda obj: None,
              "special-label=conformance-class")
