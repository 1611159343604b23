"""Kernel parameters of pods."""

from batch import look
from behaviour import behaviour, each
from kit import refused
from podkit import pod, sh


def sysctls(**values):
    return {"securityContext": {"sysctls": [{"name": name, "value": value} for name, value in values.items()]}}


TABLE = {"[sig-node] Sysctls [LinuxOnly] [NodeConformance] should support sysctls [MinimumKubeletVersion:1.21] "
         "[Environment:NotInUserNS] [Conformance]":
         look("sysctl kernel.shm_rmid_forced", ["kernel.shm_rmid_forced = 1"], **sysctls(**{"kernel.shm_rmid_forced": "1"}))}


@each(TABLE)
def test_safe(batch, look):
    batch.check(look)
    assert not [m for m in batch.events(look.pod["metadata"]["name"]) if "sysctl" in m]


@behaviour("[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls [MinimumKubeletVersion:1.21] [Conformance]")
def test_invalid(batch, kinds):
    values = {"foo-": "bar", "kernel.shmmax": "100000000", "safe-and-unsafe": "100000000", "bar..": "42"}
    answer = refused(kinds("v1", "Pod", batch.namespace).create, pod("refused", sh("true"), **sysctls(**values)))
    assert answer.code == 422
    for name in ("foo-", "bar.."):
        assert f'Invalid value: "{name}"' in answer.message
    for name in ("safe-and-unsafe", "kernel.shmmax"):
        assert name not in answer.message
