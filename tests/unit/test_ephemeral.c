/* layer: nodeagent */
#include "base/mem.h"
#include "nodeagent/pod_plan.h"
#include "nodeagent/pod_status_make.h"
#include "nodeagent/pod_support.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

enum { INIT, MAIN, DEBUG, N };

struct fixture {
    struct pod_view *pod;
    struct container_facts c[N];
    struct pod_facts facts;
    struct pod_plan plan;
};

static struct pod_view *view(const char *policy, const char *ephemeral)
{
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},\"spec\":{"
        "\"restartPolicy\":\"%s\",\"initContainers\":[{\"name\":\"i\",\"image\":\"x\"}],"
        "\"containers\":[{\"name\":\"m\",\"image\":\"x\"}],\"ephemeralContainers\":[%s]}}",
        policy, ephemeral);
    struct err err = ERR_EMPTY;
    struct pod_view *v = NULL;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    CHECK_INT(pod_view_new(&v, tree, &err), 0);
    return v;
}

#define DEBUGGER "{\"name\":\"d\",\"image\":\"x\",\"targetContainerName\":\"m\"}"

static void up(struct fixture *f, const char *policy)
{
    *f = (struct fixture){ .pod = view(policy, DEBUGGER) };
    f->facts = (struct pod_facts){ .now_ms = 1000, .now_wall_ms = 5000, .containers = f->c };
}

static void plan(struct fixture *f)
{
    pod_plan(&f->plan, f->pod, &f->facts);
}

static void run(struct fixture *f, int i)
{
    f->c[i].phase = CONTAINER_RUNNING;
    f->c[i].started = f->c[i].ready = true;
}

static void end(struct fixture *f, int i, int code)
{
    f->c[i].phase = CONTAINER_EXITED;
    snprintf(f->c[i].end.id, sizeof(f->c[i].end.id), "x");
    f->c[i].end.exit_code = code;
}

TEST(ephemeral, starts_once_whatever_the_others_do)
{
    struct fixture f;

    up(&f, "Always");
    run(&f, INIT);
    plan(&f);
    CHECK_INT(f.plan.start, 1 << DEBUG); /* the init container hangs: it is there to see why */
    CHECK(f.plan.phase == POD_PENDING);
    end(&f, INIT, 0);
    run(&f, MAIN);
    f.facts.mains_began = true;
    f.c[DEBUG].phase = CONTAINER_STARTING;
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    end(&f, DEBUG, 1);
    plan(&f);
    CHECK_INT(f.plan.start | f.plan.held | f.plan.stop, 0);
    CHECK(f.plan.phase == POD_RUNNING && !f.plan.is_ending);
    pod_view_unref(f.pod);
}

TEST(ephemeral, an_image_that_does_not_come_is_tried_again)
{
    struct fixture f;

    up(&f, "Never");
    run(&f, MAIN);
    end(&f, INIT, 0);
    f.c[DEBUG].refused.retry_at_ms = 3000;
    plan(&f);
    CHECK_INT(f.plan.start, 0);
    CHECK_INT(f.plan.held, 1 << DEBUG);
    CHECK_INT(f.plan.wake_ms, 3000);
    pod_view_unref(f.pod);
}

TEST(ephemeral, ends_with_the_pod_and_has_no_say_in_its_phase)
{
    struct fixture f;

    up(&f, "Never");
    end(&f, INIT, 0);
    end(&f, MAIN, 0);
    run(&f, DEBUG);
    plan(&f);
    CHECK_INT(f.plan.stop, 1 << DEBUG);
    CHECK(f.plan.is_ending && !f.plan.is_down);
    end(&f, DEBUG, 137);
    plan(&f);
    CHECK(f.plan.is_down && f.plan.phase == POD_SUCCEEDED);
    pod_view_unref(f.pod);
}

TEST(ephemeral, has_a_status_that_makes_nothing_unready)
{
    struct fixture f;
    struct pod_status_input in;
    json_t *status;

    up(&f, "Always");
    end(&f, INIT, 0);
    run(&f, MAIN);
    run(&f, DEBUG);
    plan(&f);
    in = (struct pod_status_input){ .pod = f.pod,
                                    .facts = &f.facts,
                                    .plan = &f.plan,
                                    .host_ip = "1.2.3.4",
                                    .pod_ip = "",
                                    .has_sandbox = true };
    status = pod_status_make(&in);
    CHECK_INT(json_array_size(json_at(status, "containerStatuses")), 1);
    CHECK_INT(json_array_size(json_at(status, "initContainerStatuses")), 1);
    CHECK_STR(
        json_str(json_find(json_at(status, "ephemeralContainerStatuses"), "name", "d"), "image"),
        "x");
    CHECK(!json_bool(json_array_get(json_at(status, "ephemeralContainerStatuses"), 0), "ready",
                     true));
    CHECK_STR(json_str(json_find(json_at(status, "conditions"), "type", "Ready"), "status"),
              "True");
    json_decref(status);
    pod_view_unref(f.pod);
}

TEST(ephemeral, a_pod_goes_on_with_more_of_them_only)
{
    struct pod_view *none = view("Always", ""), *one = view("Always", DEBUGGER);
    struct pod_view *other = view("Always", "{\"name\":\"e\",\"image\":\"x\"}," DEBUGGER);

    CHECK(pod_view_continues(one, none) && pod_view_continues(one, one));
    CHECK(!pod_view_continues(none, one));
    CHECK(!pod_view_continues(other, one)); /* its place is taken */
    CHECK(pod_view_shares_pid(one, DEBUG) && !pod_view_shares_pid(one, MAIN));
    pod_view_unref(none);
    pod_view_unref(one);
    pod_view_unref(other);
}

TEST(ephemeral, what_is_not_supported_is_refused_for_itself)
{
    struct pod_view *v = view(
        "Always", "{\"name\":\"d\",\"image\":\"x\",\"securityContext\":{\"seccompProfile\":"
                  "{\"type\":\"Localhost\"}}}");
    struct err err = ERR_EMPTY;

    CHECK_INT(pod_support_check(v, &err), 0);
    CHECK_INT(pod_support_container(v, MAIN, &err), 0);
    CHECK(pod_support_container(v, DEBUG, &err) < 0);
    pod_view_unref(v);
}
