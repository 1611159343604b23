"""The first boot: mkube is installed, joins, runs pods; what it leaves to the kernel is read back from the kernel."""

import json
import os
import re
import time

from kit import (ADDRESS, CGROUPS, HERE, KUBECONFIG, SERVER_DATA, SERVER_RUN, conmons, is_ready, mounts_below,
                 need, pod, read, run, say, sh, wait_for)

MIB = 1 << 20


# --- FRESH: a host on which nothing of mkube ever ran ---------------------------------------------------------------


def test_the_machine_is_debian_12_with_unified_cgroups(site):
    version = os.uname().release
    release = dict(line.split("=", 1) for line in read("/etc/os-release").splitlines())
    say(f"figure Debian {read('/etc/debian_version')}, kernel {version}, {run('nft', '--version').split()[1]} of nft, "
        f"{run('runc', '--version').split()[2]} of runc, {read('/proc/1/comm')} is init")
    need(release["VERSION_ID"] == '"12"' and version.startswith("6.1."), f"{release}, {version}")
    need(any(" /sys/fs/cgroup " in line and " - cgroup2 " in line for line in mounts_below("/sys/fs/cgroup")),
         "no cgroup2 at /sys/fs/cgroup")


def test_check_says_ready_on_a_fresh_host(site):
    for role in ("server", "agent"):
        done = run("mkube", "check", role, check=False)
        need(done.returncode == 0, f"mkube check {role}: {done.stdout}")


# --- SETUP: nothing works without these ---------------------------------------------------------------------------


def test_server_starts(site):
    began = time.monotonic()
    site.services.install("server", ["/usr/local/bin/mkube", "server", "--data-dir", SERVER_DATA, "--run-dir", SERVER_RUN])
    site.services.start("server")
    wait_for("the API", lambda: os.path.exists(KUBECONFIG) and site.get("/api/v1/namespaces/default"))
    say(f"figure server answers {time.monotonic() - began:.1f} s after its first start")


def test_agent_joins(site):
    os.makedirs("/var/lib/images", exist_ok=True)
    run("sh", "-c", f"cp {HERE}/images/*.tar /var/lib/images/")
    os.sync()
    token = run("mkube", "token", "create", "--bare", "--kubeconfig", KUBECONFIG).split()[-1]
    site.services.install("agent", ["/usr/local/bin/mkube", "agent", "--server", f"https://{ADDRESS}:6443", "--token",
                                    token, "--images-dir", "/var/lib/images"])
    began = time.monotonic()
    site.services.start("agent")
    wait_for("the node", lambda: is_ready(site.get("/api/v1/nodes/site")))
    say(f"figure node is Ready {time.monotonic() - began:.1f} s after the agent's first start")


# --- TESTS ----------------------------------------------------------------------------------------------------------


def test_pod_runs_and_exec_works(site):
    site.apply(pod("warm", sh("sleep 100000")))
    site.wait_ready("warm")
    seconds = []
    for i in range(3):
        body = pod(f"quick-{i}", sh("sleep 100000"), nodeName="site")
        began = time.monotonic()
        answer = site.api.post("/api/v1/namespaces/default/pods", body)
        need(answer.code == 201, str(answer))
        wait_for("the pod", lambda i=i: is_ready(site.pod(f"quick-{i}")), pause=0.05)
        seconds.append(time.monotonic() - began)
    say("figure pod from create to Ready: " + ", ".join(f"{s:.2f} s" for s in seconds))
    need(site.inside("warm", "sh", "-c", "echo in; hostname").split() == ["in", "warm"], "exec says something else")
    need(site.inside("warm", "sh", "-c", "exit 7", check=False).returncode == 7, "exec's exit code")
    root = site.inside("warm", "head", "-1", "/proc/self/mountinfo")
    need(" / " in root and " - overlay " in root, f"the root is not an overlay: {root}")


def test_memory_of_server_and_agent(site):
    time.sleep(5)  # what starting took may go
    for name in ("server", "agent"):
        rss, pss, own = site.memory(name)
        say(f"figure {name} with 4 pods: RSS {rss / 1024:.1f} MiB, PSS {pss / 1024:.1f} MiB, anonymous {own / 1024:.1f} MiB")
        need(rss < 40 * 1024, f"{name} has {rss} KiB")


def resources(cpu=None, memory=None, limit_cpu=None, limit_memory=None):
    asked = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    limited = {k: v for k, v in (("cpu", limit_cpu), ("memory", limit_memory)) if v}
    return {"resources": {"requests": asked, "limits": limited}}


QOS = {
    "guaranteed": resources("250m", "32Mi", "250m", "32Mi"),
    "burstable": resources("500m", "64Mi", None, "128Mi"),
    "best-effort": {},
}


def weight(milli):
    """Shares of version 1 as runc and systemd translate them."""
    shares = max(2, milli * 1024 // 1000)
    return str(1 + (shares - 2) * 9999 // 262142)


def test_control_groups_hold_what_pods_ask(site):
    site.apply(*[pod(name, sh("sleep 100000", **more)) for name, more in QOS.items()])
    site.wait_ready(*QOS)
    total = int(re.search(r"MemTotal: +(\d+)", read("/proc/meminfo"))[1]) * 1024
    wanted = {  # of the container, of the pod: cpu.max, cpu.weight, memory.max, memory.oom.group
        "guaranteed": (("25000 100000", weight(250), str(32 * MIB), "1"), ("25000 100000", weight(250), str(32 * MIB))),
        "burstable": (("max 100000", weight(500), str(128 * MIB), "1"), ("max 100000", weight(500), str(128 * MIB))),
        "best-effort": (("max 100000", weight(0), "max", "0"), ("max 100000", weight(0), "max")),
    }
    scores = {"guaranteed": -997, "burstable": 1000 - 1000 * 64 * MIB // total, "best-effort": 1000}
    for name, (of_container, of_pod) in wanted.items():
        group = site.cgroup(name)
        own = f"{group}/{site.container(name)}"
        files = ("cpu.max", "cpu.weight", "memory.max", "memory.oom.group")
        found = tuple(read(f"{own}/{f}") for f in files), tuple(read(f"{group}/{f}") for f in files[:3])
        need(found == (of_container, of_pod), f"{name}: {found}, wanted {of_container}, {of_pod}")
        score = int(read(f"/proc/{site.main_pid(name)}/oom_score_adj"))
        need(score == scores[name], f"{name}: oom_score_adj {score}, wanted {scores[name]}")
        need(read(f"{own}/pids.max") == "max" and int(read(f"{own}/pids.current")) >= 1, f"{name}: pids")
        qos = site.pod(name)["status"]["qosClass"]
        need(qos.lower() == name.replace("-", ""), f"{name}: qosClass {qos}")
        score = int(site.inside(name, "cat", "/proc/self/oom_score_adj"))
        need(score == scores[name], f"{name}: oom_score_adj of exec {score}, wanted {scores[name]}")
    # A container sees its own limits, as programs that size themselves by them expect.
    said = site.inside("guaranteed", "sh", "-c", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; "
                       "grep -o ' /sys/fs/cgroup ro' /proc/self/mountinfo").split("\n")
    need(said[:3] == [str(32 * MIB), "25000 100000", " /sys/fs/cgroup ro"], f"inside: {said}")


def test_control_groups_hold_when_systemd_reloads(site):
    if site.init == "systemd":
        run("systemctl", "daemon-reload")
        run("systemctl", "daemon-reexec")
        run("systemctl", "set-property", "--runtime", "user.slice", "MemoryHigh=1G")
    site.apply(pod("reloaded", sh("sleep 100000", **QOS["guaranteed"])))
    site.wait_ready("reloaded")
    for name in ("guaranteed", "reloaded"):
        own = f"{site.cgroup(name)}/{site.container(name)}"
        need((read(f"{own}/memory.max"), read(f"{own}/cpu.max")) == (str(32 * MIB), "25000 100000"), name)
    say(f"note controllers handed down: {read(CGROUPS + '/cgroup.subtree_control')}; "
        f"to pods: {read(CGROUPS + '/mkube/cgroup.subtree_control')}")


def terminated(site, name, container="c"):
    state = site.status(name, container)
    return state["state"].get("terminated") or state["lastState"].get("terminated")


def test_what_is_over_its_memory_is_killed_and_told(site):
    limit = resources(limit_memory="24Mi")
    site.apply(pod("hog", sh("exec tail /dev/zero", **limit), restartPolicy="Never"),
               # The one that is too big is a child; the shell would live on.
               pod("parent", sh("tail /dev/zero; echo went on; sleep 100000", **limit), restartPolicy="Never"),
               pod("again", sh("tail /dev/zero; sleep 100000", **limit), sh("sleep 100000", "other")))
    for name in ("hog", "parent", "again"):
        ended = wait_for(f"the end of {name}", lambda name=name: terminated(site, name))
        need((ended["reason"], ended["exitCode"]) == ("OOMKilled", 137), f"{name}: {ended}")
    need("went on" not in run("kubectl", "logs", "parent"), "the parent of a killed child lives on")
    wait_for("the phase", lambda: site.pod("hog")["status"]["phase"] == "Failed")
    wait_for("a restart", lambda: site.status("again")["restartCount"] >= 1)
    need(site.status("again", "other")["restartCount"] == 0, "the other container was ended too")
    need(conmons() and site.services.pid("agent") and site.services.pid("server"), "mkube itself was hit")


WORK = "i=0; while true; do i=$((i+1)); done"


def test_top_and_autoscaler_see_what_is_used(site):
    site.apply(
        pod("busy", sh(WORK, **resources("100m", None, "200m", None))),
        pod("fat", sh("dd if=/dev/zero of=/m/f bs=1M count=24; sleep 100000", **resources(None, "32Mi"),
                      volumeMounts=[{"name": "m", "mountPath": "/m"}]),
            volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}]),
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "load"},
         "spec": {"selector": {"matchLabels": {"app": "load"}}, "template": {
             "metadata": {"labels": {"app": "load"}},
             "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                 sh(WORK, **resources("50m", None, "100m", None))]}}}},
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "load"},
         "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "load"},
                  "minReplicas": 1, "maxReplicas": 2, "metrics": [
                      {"type": "Resource", "resource": {"name": "cpu", "target": {
                          "type": "Utilization", "averageUtilization": 100}}}]}})
    site.wait_ready("busy", "fat")

    def top():
        rows = [line.split() for line in run("kubectl", "top", "pods", "--no-headers").splitlines()]
        found = {r[0]: (int(r[1].removesuffix("m")), int(r[2].removesuffix("Mi"))) for r in rows}
        return found if {"busy", "fat", "guaranteed"} <= set(found) and found["busy"][0] > 100 else None

    found = wait_for("figures", top, pause=2)
    say(f"figure top: busy (limit 200m) {found['busy']}, fat (24 MiB in memory) {found['fat']}, idle {found['guaranteed']}")
    need(100 < found["busy"][0] <= 320, f"busy: {found['busy']}")
    need(24 <= found["fat"][1] <= 40, f"fat: {found['fat']}")
    need(found["guaranteed"][0] < 20 and found["guaranteed"][1] < 16, f"idle: {found['guaranteed']}")
    name, cores, _, memory, percent = wait_for("the node's figures", lambda: run(
        "kubectl", "top", "nodes", "--no-headers")).split()
    say(f"figure top node: {name} {cores} {memory} {percent}")
    need(int(cores.removesuffix("m")) >= 250 and 50 < int(memory.removesuffix("Mi")) < 2048, "figures of the node")
    wait_for("the autoscaler", lambda: site.get("/apis/apps/v1/namespaces/default/deployments/load")["spec"]["replicas"]
             == 2, pause=2)
    current = site.get("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/load")["status"]["currentMetrics"]
    say(f"figure autoscaler: {current[0]['resource']['current']}")
    run("kubectl", "delete", "hpa/load", "deployment/load", "pod/busy", "pod/fat", "--wait=false")


def test_services_and_policies_are_rules_of_this_kernel(site):
    web = pod("web", sh("mkdir -p /w; echo web > /w/index.html; exec httpd -f -p 8080 -h /w",
                        readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}))
    site.apply(web, pod("friend", sh("sleep 100000")), pod("stranger", sh("sleep 100000")),
               {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "type": "NodePort",
                         "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}})
    site.wait_ready("web", "friend", "stranger")

    def gets(who):
        return site.inside(who, "timeout", "10", "wget", "-q", "-O", "-", "http://web/", check=False).stdout.strip() == "web"

    wait_for("the Service by its name", lambda: gets("stranger"), pause=1)
    wait_for("its node port", lambda: "web" in run(
        "python3", "-c", f"import urllib.request as u; print(u.urlopen('http://{ADDRESS}:30080/', timeout=10).read())"))
    site.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"},
                "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [
                    {"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}],
                     "ports": [{"port": 8080, "protocol": "TCP"}]}]}})
    wait_for("the stranger to be kept out", lambda: not gets("stranger"), pause=1)
    need(gets("friend"), "the friend is kept out as well")
    tables = run("nft", "list", "tables").split("\n")
    say(f"note {', '.join(t for t in tables if t)}; {len(run('nft', 'list', 'ruleset').splitlines())} lines of rules")
    for log in ("server", "agent"):
        wrong = [line for line in site.services.log(log).splitlines() if "nft" in line and "error" in line.lower()]
        need(not wrong, f"{log} says {wrong[:3]}")
    run("kubectl", "delete", "networkpolicy/web")
    wait_for("the stranger to be let in", lambda: gets("stranger"), pause=1)


def test_flushed_rules_return(site):
    """Debian's /etc/nftables.conf begins with "flush ruleset"."""
    def tables():
        return {line for line in run("nft", "list", "tables").splitlines() if "mkube" in line}

    before = tables()
    need(len(before) >= 2, f"{before}")
    if site.init == "systemd":
        run("systemctl", "restart", "nftables")
    else:
        run("nft", "-f", "/etc/nftables.conf")
    began = time.monotonic()
    wait_for("the tables", lambda: tables() >= before, 120)
    say(f"figure rules are back {time.monotonic() - began:.1f} s after a flush")
    need(site.inside("stranger", "timeout", "30", "wget", "-q", "-O", "-", "http://web/") == "web\n", "the Service")


def test_routes_return_after_the_link_was_down(site):
    """Another node, which only the API knows: the way to its pods goes with the link."""
    site.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}, "spec": {"podCIDR": "10.244.200.0/24"}})
    run("kubectl", "patch", "node", "other", "--subresource=status", "--type=merge", "-p", json.dumps(
        {"status": {"addresses": [{"type": "InternalIP", "address": "10.77.0.9"}]}}))

    def leads():
        return "via 10.77.0.9 dev eth0" in run("ip", "route", "show", "10.244.200.0/24")

    wait_for("the route", leads)
    run("ip", "link", "set", "eth0", "down")
    need(not leads(), "the route stays")
    run("/usr/local/sbin/vm-network")
    began = time.monotonic()
    wait_for("the route again", leads, 120)
    say(f"figure routes are back {time.monotonic() - began:.1f} s after the link")
    run("kubectl", "delete", "node", "other")
    wait_for("the route to go", lambda: not leads())


def test_nothing_is_left_of_a_deleted_pod(site):
    names = ["guaranteed", "burstable", "again", "parent", "hog"]
    uids = {name: site.pod(name)["metadata"]["uid"] for name in names}
    run("kubectl", "delete", "pod", *names, "--timeout=200s")
    for name, uid in uids.items():
        wait_for(f"the group of {name} to go", lambda uid=uid: not os.path.exists(f"{CGROUPS}/mkube/pod{uid}"), 60)
        wait_for(f"the mounts of {name} to go", lambda uid=uid: not mounts_below(uid), 60)
    left = {e for e in os.listdir(CGROUPS + "/mkube") if e.startswith("pod")}
    there = {"pod" + p["metadata"]["uid"] for p in site.of_kind("pods")["items"]}
    wait_for("groups of pods that are there", lambda: {e for e in os.listdir(CGROUPS + "/mkube") if e.startswith("pod")}
             <= {"pod" + p["metadata"]["uid"] for p in site.of_kind("pods")["items"]}, 90)
    say(f"note groups then: {len(left)}, pods: {len(there)}")


STAYS = ("warm", "quick-0", "quick-1", "quick-2", "best-effort", "web")


def lives(site):
    return {name: (site.container(name), site.main_pid(name), site.status(name)["restartCount"]) for name in STAYS}


def test_containers_outlive_their_agent(site):
    before, monitors = lives(site), conmons()
    old = site.services.pid("agent")
    if site.init == "systemd":
        run("systemctl", "restart", "mkube-agent")
    else:
        site.services.stop("agent")
        site.services.start("agent")
    wait_for("another agent", lambda: site.services.pid("agent") not in (0, old))
    site.services.kill("agent")
    wait_for("one more", lambda: site.services.pid("agent") not in (0, old))
    site.apply(pod("after-agent", sh("sleep 100000")))
    site.wait_ready("after-agent")
    need(lives(site) == before, f"{lives(site)}, before {before}")
    need(set(monitors) <= set(conmons()), "monitors were ended")
    site.services.stop("agent")
    say("figure server with its agent away: RSS {:.1f} MiB, PSS {:.1f} MiB, anonymous {:.1f} MiB".format(
        *(n / 1024 for n in site.memory("server"))))
    need(not site.services.pid("agent") and set(monitors) <= set(conmons()), "stopping the agent ended containers")
    site.services.start("agent")
    wait_for("exec through the new agent", lambda: site.inside("warm", "echo", "here", check=False).stdout == "here\n")


def test_killed_server_returns(site):
    before = lives(site)
    old = site.services.pid("server")
    site.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}})
    began = time.monotonic()
    site.services.kill("server")
    wait_for("another server", lambda: site.services.pid("server") not in (0, old))
    site.connection.close()
    wait_for("its answer", lambda: site.of_kind("configmaps", "kept")["data"] == {"a": "1"})
    say(f"figure server answers {time.monotonic() - began:.1f} s after SIGKILL")
    wait_for("the node", lambda: is_ready(site.get("/api/v1/nodes/site")))
    need(lives(site) == before, f"{lives(site)}, before {before}")


def test_data_is_written_for_the_next_boot(site):
    site.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}},
               {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "keeper"}, "spec": {
                   "selector": {"matchLabels": {"app": "keeper"}}, "template": {
                       "metadata": {"labels": {"app": "keeper"}}, "spec": {
                           "terminationGracePeriodSeconds": 1,
                           "containers": [sh("echo started >> /d/starts; sync; sleep 100000",
                                             volumeMounts=[{"name": "d", "mountPath": "/d"}])],
                           "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}}}})
    wait_for("the keeper", lambda: site.get("/apis/apps/v1/namespaces/default/deployments/keeper")["status"]
             .get("readyReplicas") == 1)
    keeper = next(p for p in site.of_kind("pods")["items"] if p["metadata"]["labels"]["app"] == "keeper")
    site.inside(keeper["metadata"]["name"], "sh", "-c", "echo precious > /d/word; sync")
    site.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "last"}, "data": {
        "pods": json.dumps({p["metadata"]["name"]: p["metadata"]["uid"] for p in site.of_kind("pods")["items"]})}})


FRESH = [test_the_machine_is_debian_12_with_unified_cgroups, test_check_says_ready_on_a_fresh_host]
SETUP = [test_server_starts, test_agent_joins]
TESTS = [test_pod_runs_and_exec_works, test_memory_of_server_and_agent, test_control_groups_hold_what_pods_ask,
         test_control_groups_hold_when_systemd_reloads, test_what_is_over_its_memory_is_killed_and_told,
         test_top_and_autoscaler_see_what_is_used, test_services_and_policies_are_rules_of_this_kernel, test_flushed_rules_return,
         test_routes_return_after_the_link_was_down,
         test_nothing_is_left_of_a_deleted_pod, test_containers_outlive_their_agent, test_killed_server_returns,
         test_data_is_written_for_the_next_boot]
