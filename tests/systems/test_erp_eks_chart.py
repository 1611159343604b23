"""ERP on EKS as one release of helm: foreign kinds, brokers on nodes of their own, agents and a service, all at once."""

import json

import pytest
import yaml

import helm as helm_program
from labsite import WORKERS, CommandFailed, wait_for
from outside import Outside
from test_erp_eks_variants import (  # noqa: F401  (fixtures are found by their names)
    EMPLOYEE, KAFKA, MKUBE, NS, STORES, XRAY, ZONE, ZOOKEEPER, external, nodes, ns, pushed)

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: employee-service}
spec: {selector: {app: employee-service}, ports: [{name: http, port: 8081}]}
---
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {name: employee-service-tgb}
spec:
  serviceRef: {name: employee-service, port: 8081}
  targetGroupARN: {{ required "an ARN is needed" .Values.targetGroups.employee }}
  targetType: ip
"""
VALUES = {"replicas": 2, "tag": "latest",
          "targetGroups": {"employee": "arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:targetgroup/employee/0"}}


@pytest.fixture
def chart(tmp_path):
    """A folder as `helm create` lays it out."""
    templates = tmp_path / "erp" / "templates"
    templates.mkdir(parents=True)
    (tmp_path / "erp" / "Chart.yaml").write_text("apiVersion: v2\nname: erp\nversion: 0.1.0\nappVersion: '1'\n")
    (tmp_path / "erp" / "values.yaml").write_text(yaml.safe_dump(VALUES))
    employee = (EMPLOYEE.replace("replicas: 2", "replicas: {{ .Values.replicas }}")
                .replace("employee-service:latest", "employee-service:{{ .Values.tag }}"))
    assert employee.count("{{") == 2
    for name, text in {
            "employee": employee, "service": SERVICE, "xray": XRAY,
            "secrets": STORES + external("v1", "erp-secret", "ClusterSecretStore", "erp-head-store"),
            "kafka": yaml.safe_dump_all(KAFKA), "zookeeper": yaml.safe_dump_all(ZOOKEEPER)}.items():
        (templates / f"{name}.yaml").write_text(text)
    return str(tmp_path / "erp")


@pytest.fixture
def helm(site):
    path, why = helm_program.find()
    if not path:
        pytest.skip(why)
    return helm_program.Helm(site, path)


def version(site):
    answer = Outside(site).ask("/version", port=8081)
    if answer.status != 200:
        raise CommandFailed(repr(answer))
    return answer.json["version"]


def test_everything_in_one_release(site, ns, nodes, chart, helm):  # noqa: F811
    """Installed, updated to another version, rolled back, taken away; the claims of the brokers stay, as helm leaves them."""
    site.push(["erp/employee-service:v2"])
    for worker, zone in zip(WORKERS, ("a", "b")):
        nodes.kubectl("label", "node", worker, "workload=kafka", f"{ZONE}=ap-northeast-2{zone}")
        nodes.kubectl("taint", "node", worker, "workload=kafka:NoSchedule")
    site._run([MKUBE, "secretstore", "put", "erp-head/mysql", "username=admin", "password=pw"], True, timeout=20)
    try:
        helm("upgrade", "--install", "erp", chart, "-n", NS, "--wait", "--timeout=180s")
        wait_for("the target group", 20, lambda: version(site) == "latest")
        assert json.loads(helm("list", "-n", NS, "-o", "json"))[0]["status"] == "deployed"
        assert ns.kubectl("get", "externalsecret", "erp-secret", "--no-headers").split()[-1] == "True"
        helm("upgrade", "erp", chart, "-n", NS, "--set", "tag=v2,replicas=3", "--wait", "--timeout=180s")
        wait_for("the new version", 20, lambda: version(site) == "v2")
        assert "tag: v2" in helm("get", "values", "erp", "-n", NS)
        helm("rollback", "erp", "1", "-n", NS, "--wait", "--timeout=180s")
        wait_for("the old version", 20, lambda: version(site) == "latest")
        assert [h["revision"] for h in json.loads(helm("history", "erp", "-n", NS, "-o", "json"))] == [1, 2, 3]
        helm("uninstall", "erp", "-n", NS, "--wait", "--timeout=120s")
        wait_for("nothing but claims", 60, lambda: not ns.items("pods,services,statefulsets,targetgroupbindings,externalsecrets"))
        assert len(ns.items("pvc")) == 2
    finally:
        site.kubectl("delete", "clustersecretstore", "erp-head-store", "--ignore-not-found")
        site._run([MKUBE, "secretstore", "delete", "erp-head/mysql"], False, timeout=20)
