"""kubectl 1.32 and Debian's 1.20: every verb that needs no running container says what it says on Kubernetes."""

import os
import shutil

import pytest

import kubectls
import transcript

FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "transcripts")


def environment(kubectl, kubeconfig, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(kubectl)
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path),
                         "KUBECTL_EXTERNAL_DIFF": "diff -u"}


@pytest.fixture(scope="module", params=["1.32", "1.20"])
def kubectl(request):
    path = shutil.which("kubectl") if request.param == "1.32" else kubectls.debian()[0]
    if kubectls.version(path) != request.param:
        pytest.skip(f"no kubectl {request.param} here: {path} is {kubectls.version(path)}")
    return path, request.param


@pytest.mark.xdist_group("transcripts")
@pytest.mark.parametrize("name", sorted(n for n in os.listdir(FOLDER) if n.endswith(".txt")))
def test_transcript(server, kubectl, kubeconfig, tmp_path, name):
    path, version = kubectl
    env = environment(path, kubeconfig, tmp_path)
    told = transcript.differences(os.path.join(FOLDER, name), version, env)
    for namespace in namespaces(name):
        server.kubectl("delete", "namespace", namespace, "--ignore-not-found")
    assert told == "", "\n" + told


def namespaces(name):
    return {step.command.split()[-1] for step in transcript.read(os.path.join(FOLDER, name))
            if step.command.startswith("kubectl create namespace ")}
