/* layer: nodeagent */
#include "api/conditions.h"
#include "base/mem.h"
#include "nodeagent/action.h"
#include "nodeagent/pod_ports.h"
#include "nodeagent/pod_status_make.h"
#include "nodeagent/pod_support.h"
#include "nodeagent/probe_spec.h"
#include "nodeagent/runc_spec.h"
#include "nodeagent/user.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

static json_t *parse(const char *text)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    return tree;
}

static struct pod_view *pod_of(const char *spec)
{
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u1\"},\"spec\":%s}", spec);
    struct err err = ERR_EMPTY;
    struct pod_view *pod = NULL;

    CHECK_INT(pod_view_new(&pod, parse(text), &err), 0);
    return pod;
}

/* --- runc_spec --- */

static json_t *spec_of(const char *container, const char *image, int *ret_rc)
{
    cleanup(freep) char *text = mem_fmt("{\"containers\":[%s]}", container);
    struct pod_view *pod = pod_of(text);
    json_t *config = parse(image), *ret = NULL;
    struct env_list env = ENV_LIST_EMPTY;
    struct user user = { .uid = 0, .home = "/root" };
    struct runc_host host = { .capabilities = ~UINT64_C(0),
                              .nofile_hard = 4096,
                              .may_lower_oom = true,
                              .memory_bytes = INT64_C(1) << 30 };
    struct runc_spec_input in = { .pod = pod,
                                  .container = &pod->containers[0],
                                  .image_config = config,
                                  .env = &env,
                                  .user = &user,
                                  .rootfs = "/r",
                                  .cgroup = "/mkube/podu1/x",
                                  .net_ns = "/ns/net",
                                  .uts_ns = "/ns/uts",
                                  .ipc_ns = "/ns/ipc",
                                  .shm = "/shm",
                                  .host = &host };
    struct err err = ERR_EMPTY;

    env_list_set(&env, "WHO", "me");
    *ret_rc = runc_spec_make(&ret, &in, &err);
    env_list_fini(&env);
    json_decref(config);
    pod_view_unref(pod);
    return ret;
}

TEST(runc_spec, command_and_args_meet_entrypoint_and_cmd)
{
    static const char
        *image = "{\"config\":{\"Entrypoint\":[\"/"
                 "e\",\"$(WHO)\"],\"Cmd\":[\"c\"],\"WorkingDir\":\"/w\",\"Env\":[\"A=1\"]}}";
    static const struct {
        const char *container, *want;
    } cases[] = {
        { "{\"name\":\"c\"}", "[\"/e\",\"$(WHO)\",\"c\"]" },
        { "{\"name\":\"c\",\"args\":[\"$(WHO)\"]}", "[\"/e\",\"$(WHO)\",\"me\"]" },
        { "{\"name\":\"c\",\"command\":[\"/x\"]}", "[\"/x\"]" },
        { "{\"name\":\"c\",\"command\":[\"/x\"],\"args\":[\"y\"]}", "[\"/x\",\"y\"]" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        int rc;
        json_t *spec = spec_of(cases[i].container, image, &rc);
        cleanup(freep) char *args = json_print(json_at(spec, "process.args"), NULL);

        CHECK_INT(rc, 0);
        CHECK_STR(args, cases[i].want);
        CHECK_STR(json_str(spec, "process.cwd"), "/w");
        json_decref(spec);
    }
}

TEST(runc_spec, nothing_to_run_is_refused)
{
    int rc;
    json_t *spec = spec_of("{\"name\":\"c\"}", "{}", &rc);

    CHECK_INT(rc, ERR_INVALID);
    CHECK(spec == NULL);
}

TEST(runc_spec, limits_and_requests_become_cgroup_values)
{
    int rc;
    json_t *spec = spec_of(
        "{\"name\":\"c\",\"command\":[\"x\"],\"resources\":{\"requests\":{\"cpu\":\"250m\"},"
        "\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}}}",
        "{}", &rc);
    const json_t *r = json_at(spec, "linux.resources");

    CHECK_INT(json_int(r, "cpu.shares", 0), 256);
    CHECK_INT(json_int(r, "cpu.quota", 0), 50000);
    CHECK_INT(json_int(r, "cpu.period", 0), 100000);
    CHECK_INT(json_int(r, "memory.limit", 0), 64 << 20);
    CHECK_INT(json_int(json_array_get(json_at(spec, "process.rlimits"), 0), "hard", 0), 4096);
    json_decref(spec);
}

TEST(runc_spec, security_context_shapes_capabilities)
{
    int rc;
    json_t *spec = spec_of(
        "{\"name\":\"c\",\"command\":[\"x\"],\"securityContext\":{\"allowPrivilegeEscalation\":"
        "false,"
        "\"readOnlyRootFilesystem\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"},"
        "\"capabilities\":{\"drop\":[\"ALL\"],\"add\":[\"NET_BIND_SERVICE\"]}}}",
        "{}", &rc);
    cleanup(freep) char *caps = json_print(json_at(spec, "process.capabilities.bounding"), NULL);

    CHECK_INT(rc, 0);
    CHECK_STR(caps, "[\"CAP_NET_BIND_SERVICE\"]");
    CHECK(json_bool(spec, "process.noNewPrivileges", false) &&
          json_bool(spec, "root.readonly", false));
    CHECK(json_at(spec, "linux.seccomp") != NULL);
    json_decref(spec);
    spec = spec_of("{\"name\":\"c\",\"command\":[\"x\"],\"securityContext\":{\"capabilities\":{"
                   "\"add\":[\"NO_SUCH\"]}}}",
                   "{}", &rc);
    CHECK_INT(rc, ERR_INVALID);
    CHECK(spec == NULL);
}

/* --- user --- */

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n";
static const char group[] = "root:x:0:\nstaff:x:50:app,other\nvideo:x:44:app\n";

TEST(user, names_numbers_and_groups_of_the_image)
{
    static const struct {
        const char *spec;
        uint32_t uid, gid;
        size_t n_groups;
        const char *home;
    } cases[] = {
        { "", 0, 0, 0, "/root" },
        { "app", 1000, 1001, 2, "/home/app" },
        { "1000", 1000, 1001, 0, "/home/app" },
        { "4242", 4242, 0, 0, "/" },
        { "app:staff", 1000, 50, 2, "/home/app" },
        { "7:8", 7, 8, 0, "/" },
    };
    struct err err = ERR_EMPTY;

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct user u;

        CHECK_INT(user_decide(&u, cases[i].spec, passwd, group, NULL, NULL, &err), 0);
        CHECK_INT(u.uid, cases[i].uid);
        CHECK_INT(u.gid, cases[i].gid);
        CHECK_INT(u.n_groups, cases[i].n_groups);
        CHECK_STR(u.home, cases[i].home);
    }
}

TEST(user, the_security_context_rules_and_non_root_is_kept)
{
    json_t *pod = parse(
        "{\"runAsUser\":5,\"fsGroup\":9,\"supplementalGroups\":[10],\"runAsNonRoot\":true}");
    json_t *container = parse("{\"runAsUser\":6,\"runAsGroup\":7}");
    struct err err = ERR_EMPTY;
    struct user u;

    CHECK_INT(user_decide(&u, "root", passwd, group, pod, container, &err), 0);
    CHECK_INT(u.uid, 6);
    CHECK_INT(u.gid, 7);
    CHECK_INT(u.n_groups, 2);
    json_object_del(pod, "runAsUser");
    CHECK_INT(user_decide(&u, "0", passwd, group, pod, NULL, &err), ERR_FORBIDDEN);
    CHECK_STR(err.text, "container has runAsNonRoot and image will run as root");
    CHECK_INT(user_decide(&u, "app:staff", passwd, group, pod, NULL, &err), ERR_FORBIDDEN);
    CHECK(strstr(err.text, "non-numeric user (app)") != NULL);
    /* What cannot be verified is said before what cannot be found. */
    CHECK_INT(user_decide(&u, "nobody-here", passwd, group, pod, NULL, &err), ERR_FORBIDDEN);
    CHECK_INT(user_decide(&u, "1000", passwd, group, pod, NULL, &err), 0);
    CHECK_INT(user_decide(&u, "nobody-here", passwd, group, NULL, NULL, &err), ERR_INVALID);
    json_decref(pod);
    json_decref(container);
}

/* --- probes and hooks --- */

TEST(probe_spec, thresholds_count_answers_in_a_row)
{
    struct probe_spec spec;
    struct probe_verdict v;
    json_t *tree = parse("{\"failureThreshold\":2,\"successThreshold\":2}");

    probe_spec_read(&spec, tree);
    CHECK_INT(spec.period_ms, 10000);
    CHECK_INT(spec.timeout_ms, 1000);
    probe_verdict_init(&v, PROBE_READINESS);
    CHECK(!v.passes && !probe_verdict_feed(&v, &spec, true));
    CHECK(!probe_verdict_feed(&v, &spec, false));
    CHECK(!probe_verdict_feed(&v, &spec, true));
    CHECK(probe_verdict_feed(&v, &spec, true) && v.passes);
    CHECK(!probe_verdict_feed(&v, &spec, false) && v.passes);
    CHECK(probe_verdict_feed(&v, &spec, false) && !v.passes);
    json_decref(tree);
}

TEST(action, http_get_finds_named_ports_and_the_pods_address)
{
    struct pod_view *pod = pod_of("{\"containers\":[{\"name\":\"c\",\"ports\":[{\"name\":\"web\","
                                  "\"containerPort\":8080}]}]}");
    json_t *handler = parse("{\"httpGet\":{\"path\":\"/"
                            "ok\",\"port\":\"web\",\"scheme\":\"HTTPS\",\"httpHeaders\":[{\"name\":"
                            "\"X\",\"value\":\"1\"}]}}");
    struct action a;
    struct err err = ERR_EMPTY;

    CHECK_INT(action_parse(&a, handler, &pod->containers[0], "10.1.0.5", ACTION_PROBE, &err), 0);
    CHECK_STR(a.url, "https://10.1.0.5:8080/ok");
    CHECK_STR(a.headers[0], "X: 1");
    CHECK_STR(a.headers[1], "User-Agent: kube-probe/1.32");
    CHECK(a.use == ACTION_PROBE);
    action_fini(&a);
    CHECK_INT(action_parse(&a, handler, &pod->containers[0], "10.1.0.5", ACTION_HOOK, &err), 0);
    CHECK_STR(a.headers[1], "User-Agent: kube-lifecycle/1.32");
    CHECK(a.use == ACTION_HOOK);
    action_fini(&a);
    json_put_str(handler, "httpGet.port", "nope");
    CHECK_INT(action_parse(&a, handler, &pod->containers[0], "10.1.0.5", ACTION_PROBE, &err),
              ERR_INVALID);
    json_decref(handler);
    pod_view_unref(pod);
}

TEST(action, redirects_stay_within_the_host)
{
    static const struct {
        const char *url, *location, *want;
    } cases[] = {
        { "http://10.1.0.5:80/a/b", "/login", "http://10.1.0.5:80/login" },
        { "http://10.1.0.5:80/a/b?x=1/2", "c", "http://10.1.0.5:80/a/c" },
        { "http://10.1.0.5:80", "c", "http://10.1.0.5:80/c" },
        { "http://10.1.0.5:80/", "https://10.1.0.5/x", "https://10.1.0.5/x" },
        { "http://10.1.0.5:80/", "http://elsewhere/x", NULL },
        { "http://10.1.0.5:80/", "http://10.1.0.55/x", NULL },
        { "http://10.1.0.5:80/", "//elsewhere/x", NULL },
        { "http://10.1.0.5:80/", "ftp://10.1.0.5/x", NULL },
        { "http://[fd00::1]:80/", "http://[fd00::1]:81/x", "http://[fd00::1]:81/x" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(freep) char *to = action_redirect(cases[i].url, cases[i].location);

        CHECK_STR(to, cases[i].want);
    }
}

TEST(pod_view, the_node_name_is_qualified_only_when_asked_for)
{
    static const struct {
        const char *spec, *want;
    } cases[] = {
        { "{\"subdomain\":\"s\",\"containers\":[{\"name\":\"c\"}]}", "p" },
        { "{\"setHostnameAsFQDN\":true,\"containers\":[{\"name\":\"c\"}]}", "p" },
        { "{\"setHostnameAsFQDN\":true,\"hostname\":\"h\",\"subdomain\":\"s\","
          "\"containers\":[{\"name\":\"c\"}]}",
          "h.s.n.svc.x.local" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct pod_view *pod = pod_of(cases[i].spec);
        cleanup(freep) char *name = pod_view_nodename(pod, "x.local");

        CHECK_STR(name, cases[i].want);
        pod_view_unref(pod);
    }
}

TEST(pod_support, only_safe_sysctls_of_namespaces_of_its_own)
{
    static const struct {
        const char *spec, *want;
    } cases[] = {
        { "\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\"}]}}", NULL },
        { "\"securityContext\":{\"sysctls\":[{\"name\":\"net/ipv4/tcp_syncookies\"}]}}", NULL },
        { "\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\"},"
          "{\"name\":\"kernel.msgmax\"}]}}",
          "forbidden sysctl: \"kernel.msgmax\" not allowlisted" },
        { "\"hostNetwork\":true,"
          "\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\"}]}}",
          "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled" },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        cleanup(freep) char *spec = mem_fmt("{\"containers\":[{\"name\":\"c\"}],%s", cases[i].spec);
        struct pod_view *pod = pod_of(spec);
        struct err err = ERR_EMPTY;

        CHECK_INT(pod_support_sysctls(pod, &err), cases[i].want == NULL ? 0 : ERR_FORBIDDEN);
        CHECK(cases[i].want == NULL || str_eq(err.text, cases[i].want));
        pod_view_unref(pod);
    }
}

TEST(pod_support, names_what_this_node_cannot_do)
{
    static const struct {
        const char *spec, *want;
    } cases[] = {
        { "{\"containers\":[{\"name\":\"c\"}]}", NULL },
        { "{\"hostUsers\":false,\"containers\":[{\"name\":\"c\"}]}", "spec.hostUsers" },
        { "{\"containers\":[{\"name\":\"c\",\"volumeDevices\":[{\"name\":\"d\"}]}]}",
          "volumeDevices" },
        { "{\"containers\":[{\"name\":\"c\",\"ports\":[{\"hostPort\":80}]}]}", NULL },
        { "{\"containers\":[{\"name\":\"c\",\"ports\":[{\"hostPort\":80,"
          "\"hostIP\":\"127.0.0.1\"}]}]}",
          "ports.hostIP" },
        { "{\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"ports\":[{\"hostPort\":80}]}]}",
          NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct pod_view *pod = pod_of(cases[i].spec);
        struct err err = ERR_EMPTY;
        int rc = pod_support_check(pod, &err);

        CHECK_INT(rc, cases[i].want == NULL ? 0 : ERR_INVALID);
        CHECK(cases[i].want == NULL || strstr(err.text, cases[i].want) != NULL);
        pod_view_unref(pod);
    }
}

TEST(pod_support, one_runtime_is_here)
{
    struct err err = ERR_EMPTY;

    CHECK_INT(pod_support_handler("", &err), 0);
    CHECK_INT(pod_support_handler("runc", &err), 0);
    CHECK_INT(pod_support_handler("gvisor", &err), ERR_INVALID);
    CHECK(strstr(err.text, "no runtime for \"gvisor\" is configured") != NULL);
}

TEST(pod_ports, the_same_port_of_one_node_is_a_clash)
{
    static const struct {
        const char *port;
        bool clashes;
    } rows[] = {
        { "{\"containerPort\":1,\"hostPort\":80}", true },
        { "{\"containerPort\":80}", false },
        { "{\"containerPort\":8080,\"hostPort\":81}", false },
        { "{\"containerPort\":8080,\"hostPort\":80,\"protocol\":\"UDP\"}", false },
        { "{\"containerPort\":1,\"hostPort\":80,\"hostIP\":\"192.0.2.1\"}", true },
        { "{\"containerPort\":1,\"hostPort\":53,\"hostIP\":\"192.0.2.1\"}", true },
        { "{\"containerPort\":1,\"hostPort\":53,\"hostIP\":\"192.0.2.2\"}", false },
    };
    struct pod_view *first = pod_of("{\"containers\":[{\"name\":\"a\",\"ports\":["
                                    "{\"containerPort\":8080,\"hostPort\":80}]},{\"name\":\"b\"},"
                                    "{\"name\":\"c\",\"ports\":[{\"containerPort\":53,"
                                    "\"hostPort\":53,\"hostIP\":\"192.0.2.1\"}]}]}");

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(freep) char *spec = mem_fmt("{\"containers\":[{\"name\":\"c\",\"ports\":[%s]}]}",
                                            rows[i].port);
        struct pod_view *second = pod_of(spec);

        CHECK(pod_ports_clash(first, second) == rows[i].clashes);
        CHECK(pod_ports_clash(second, first) == rows[i].clashes);
        pod_view_unref(second);
    }
    pod_view_unref(first);
}

TEST(pod_ports, gathers_those_of_pods_with_an_address_of_their_own)
{
    struct pod_view *web = pod_of("{\"containers\":[{\"name\":\"c\",\"ports\":["
                                  "{\"containerPort\":8080,\"hostPort\":80},"
                                  "{\"containerPort\":9}]},{\"name\":\"d\",\"ports\":["
                                  "{\"containerPort\":53,\"hostPort\":53,\"protocol\":\"UDP\","
                                  "\"hostIP\":\"192.0.2.1\"}]}]}");
    struct pod_view *on_node = pod_of("{\"hostNetwork\":true,\"containers\":[{\"name\":\"c\","
                                      "\"ports\":[{\"containerPort\":1,\"hostPort\":1}]}]}");
    struct pod_ports all = POD_PORTS_EMPTY;

    pod_ports_add(&all, web, "10.1.0.5");
    pod_ports_add(&all, on_node, "192.0.2.1");
    CHECK_INT(all.n, 2);
    CHECK_INT(all.list[0].host_port, 80);
    CHECK_INT(all.list[0].pod_port, 8080);
    CHECK_STR(all.list[0].protocol, "TCP");
    CHECK_STR(all.list[0].host_ip, "");
    CHECK_STR(all.list[1].protocol, "UDP");
    CHECK_STR(all.list[1].host_ip, "192.0.2.1");
    CHECK_STR(all.list[1].pod_ip, "10.1.0.5");
    pod_ports_fini(&all);
    pod_view_unref(web);
    pod_view_unref(on_node);
}

/* --- status --- */

struct status_fixture {
    struct pod_view *pod;
    struct container_facts c[4];
    struct pod_facts facts;
    struct pod_plan plan;
};

static json_t *status_of(struct status_fixture *f, const json_t *before, const char *ip)
{
    struct pod_status_input in = { .pod = f->pod,
                                   .facts = &f->facts,
                                   .plan = &f->plan,
                                   .before = before,
                                   .host_ip = "10.0.0.1",
                                   .pod_ip = ip,
                                   .has_sandbox = ip[0] != '\0' };

    f->facts.containers = f->c;
    pod_plan(&f->plan, f->pod, &f->facts);
    return pod_status_make(&in);
}

TEST(pod_status_make, goes_from_creating_to_ready)
{
    struct status_fixture f = { .facts = { .now_wall_ms = 1000000, .started_wall_ms = 1000000 } };
    json_t *first, *second;

    f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}");
    first = status_of(&f, NULL, "");
    CHECK_STR(json_str(first, "phase"), "Pending");
    CHECK_STR(
        json_str(json_array_get(json_at(first, "containerStatuses"), 0), "state.waiting.reason"),
        "ContainerCreating");
    CHECK_STR(json_str(condition_get(first, "Ready"), "message"),
              "containers with unready status: [c]");
    f.c[0].phase = CONTAINER_RUNNING;
    f.c[0].started = f.c[0].ready = true;
    snprintf(f.c[0].id, sizeof(f.c[0].id), "abc");
    f.facts.mains_began = true;
    f.facts.now_wall_ms += 5000;
    second = status_of(&f, first, "10.1.0.5");
    CHECK_STR(json_str(second, "phase"), "Running");
    CHECK_STR(json_str(second, "podIP"), "10.1.0.5");
    CHECK(condition_is(second, "Ready", "True") &&
          condition_is(second, "PodReadyToStartContainers", "True"));
    CHECK_STR(json_str(condition_get(second, "Ready"), "lastTransitionTime"),
              "1970-01-01T00:16:45Z");
    CHECK_STR(json_str(condition_get(second, "Initialized"), "lastTransitionTime"),
              "1970-01-01T00:16:40Z");
    CHECK_STR(json_str(json_array_get(json_at(second, "containerStatuses"), 0), "containerID"),
              "mkube://abc");
    CHECK_STR(json_str(second, "qosClass"), "BestEffort");
    json_decref(first);
    json_decref(second);
    pod_view_unref(f.pod);
}

TEST(pod_status_make, an_evicted_pod_says_why_and_a_refused_one_has_no_containers)
{
    struct status_fixture f = {
        .facts = { .now_wall_ms = 1000000, .started_wall_ms = 1000000, .evicted = "Evicted" }
    };
    struct pod_status_input in = { .facts = &f.facts,
                                   .plan = &f.plan,
                                   .host_ip = "10.0.0.1",
                                   .pod_ip = "",
                                   .is_evicted = true,
                                   .message = "too much" };
    json_t *status;

    in.pod = f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"volumeMounts\":[{\"name\":\"v\","
                            "\"mountPath\":\"/v\",\"readOnly\":true}]}]}");
    f.facts.containers = f.c;
    pod_plan(&f.plan, f.pod, &f.facts);
    status = pod_status_make(&in);
    CHECK_STR(json_str(status, "phase"), "Failed");
    CHECK_STR(json_str(status, "reason"), "Evicted");
    CHECK_STR(json_str(status, "message"), "too much");
    CHECK_STR(json_str(condition_get(status, "DisruptionTarget"), "reason"),
              "TerminationByKubelet");
    CHECK_STR(
        json_str(json_array_get(json_at(json_array_get(json_at(status, "containerStatuses"), 0),
                                        "volumeMounts"),
                                0),
                 "recursiveReadOnly"),
        "Disabled");
    json_decref(status);
    in.is_evicted = false;
    in.is_rejected = true;
    status = pod_status_make(&in);
    CHECK(json_at(status, "containerStatuses") == NULL);
    CHECK(condition_get(status, "DisruptionTarget") == NULL);
    json_decref(status);
    pod_view_unref(f.pod);
}

TEST(pod_status_make, says_the_same_twice_whatever_was_there_before)
{
    struct status_fixture f = { .facts = { .now_wall_ms = 1000000 } };
    json_t *before = parse("{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"
                           "{\"type\":\"Theirs\",\"status\":\"True\"}]}");
    json_t *first, *second;

    f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}");
    first = status_of(&f, before, "10.1.0.5");
    second = status_of(&f, first, "10.1.0.5");
    CHECK(json_equal(first, second));
    CHECK(condition_get(first, "Theirs") == NULL);
    json_decref(before);
    json_decref(first);
    json_decref(second);
    pod_view_unref(f.pod);
}

TEST(pod_status_make, a_crashing_container_shows_its_last_end)
{
    struct status_fixture f = { .facts = { .now_wall_ms = 1000000, .now_ms = 100 } };
    json_t *status;
    const json_t *c;

    f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}");
    f.c[0].phase = CONTAINER_EXITED;
    f.c[0].restarts = 3;
    f.c[0].end = (struct container_end){ .id = "old", .exit_code = 1, .reason = "Error" };
    f.c[0].crash.retry_at_ms = 5000;
    f.c[0].waiting = "CrashLoopBackOff";
    status = status_of(&f, NULL, "10.1.0.5");
    c = json_array_get(json_at(status, "containerStatuses"), 0);
    CHECK_STR(json_str(c, "state.waiting.reason"), "CrashLoopBackOff");
    CHECK_INT(json_int(c, "lastState.terminated.exitCode", -1), 1);
    CHECK_INT(json_int(c, "restartCount", 0), 3);
    CHECK_STR(json_str(status, "phase"), "Running");
    json_decref(status);
    pod_view_unref(f.pod);
}

TEST(pod_status_make, a_container_that_just_ended_shows_how)
{
    struct status_fixture f = { .facts = { .now_wall_ms = 1000000, .now_ms = 100 } };
    json_t *status;
    const json_t *c;

    f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}");
    f.c[0].phase = CONTAINER_EXITED;
    f.c[0].restarts = 1;
    f.c[0].end = (struct container_end){ .id = "new", .exit_code = 137, .reason = "OOMKilled" };
    f.c[0].last = (struct container_end){ .id = "old", .exit_code = 1, .reason = "Error" };
    f.c[0].crash.retry_at_ms = 5000; /* held, and not yet said to be */
    status = status_of(&f, NULL, "10.1.0.5");
    c = json_array_get(json_at(status, "containerStatuses"), 0);
    CHECK_STR(json_str(c, "state.terminated.reason"), "OOMKilled");
    CHECK_INT(json_int(c, "state.terminated.exitCode", -1), 137);
    CHECK_INT(json_int(c, "lastState.terminated.exitCode", -1), 1);
    CHECK_STR(json_str(status, "phase"), "Running");
    json_decref(status);
    pod_view_unref(f.pod);
}

TEST(pod_status_make, the_patch_takes_away_what_is_no_more)
{
    struct status_fixture f = { .facts = { .now_wall_ms = 1000000 } };
    json_t *status, *patch;

    f.pod = pod_of("{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],\"readinessGates\":[{"
                   "\"conditionType\":\"g/x\"}]}");
    f.c[0].phase = CONTAINER_RUNNING;
    f.c[0].started = f.c[0].ready = true;
    status = status_of(&f, NULL, "10.1.0.5");
    CHECK_STR(json_str(condition_get(status, "Ready"), "reason"), "ReadinessGatesNotReady");
    patch = pod_status_patch(f.pod, status);
    CHECK_STR(json_str(patch, "metadata.uid"), "u1");
    CHECK(json_is_null(json_object_get(json_at(patch, "status"), "reason")));
    CHECK_STR(json_str(json_array_get(json_at(patch, "status.podIPs"), 0), "$patch"), "replace");
    CHECK(json_is_null(
        json_object_get(condition_get(json_at(patch, "status"), "ContainersReady"), "message")));
    json_decref(status);
    json_decref(patch);
    pod_view_unref(f.pod);
}
