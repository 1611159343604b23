"""What the pytest suites that run in labs share."""

import contextlib
import itertools
import os
import socket

import pytest

from labsite import WORKERS, wait_for


@contextlib.contextmanager
def free_lab(prefix):
    """The first of check1, check2... that no other run on this machine holds; what a dead run left is ours."""
    with socket.socket(socket.AF_UNIX) as holder:
        for i in itertools.count(1):
            try:
                holder.bind(f"\0mkube-{prefix}{i}")
                yield f"{prefix}{i}"
                return
            except OSError:
                pass


@contextlib.contextmanager
def standing(site):
    """@site, made anew; down again afterwards, unless LAB_KEEP says otherwise."""
    site.lab("down")
    try:
        site.up()
        yield site
    finally:
        if not os.environ.get("LAB_KEEP"):
            site.lab("down")


@contextlib.contextmanager
def namespace(site, name):
    """Namespace @name, ready for pods; it goes with all in it."""
    site.kubectl("create", "namespace", name)
    try:
        wait_for("the default service account", 10,
                 lambda: site.kubectl("-n", name, "get", "serviceaccount", "default"))
        yield name
    finally:
        site.up()
        site.kubectl("delete", "namespace", name, "--timeout=60s", timeout=90)


@pytest.hookimpl(hookwrapper=True)
def show_the_site_of_a_failure(item, call):
    """A failure shows what the site looked like, and keeps each host's last words."""
    report = (yield).get_result()
    whole = item.funcargs.get("whole_site")
    if report.failed and whole is not None and whole.kubeconfig:
        report.sections.append(("lab status", whole.lab("status", check=False).stdout))
        pods = whole.kubectl("get", "pods", "-A", "-o", "wide", "--request-timeout=5s", check=False)
        report.sections.append(("pods", pods.stdout + pods.stderr))
        for host in ("control", *WORKERS):
            words = whole.lab("logs", host, check=False).stdout.splitlines()[-25:]
            report.sections.append((f"log of {host}", "\n".join(words)))
