/* layer: controlplane */
#include "controlplane/controllers.h"
#include "tests/lib/plan_fixture.h"
#include "tests/lib/test.h"

#define SLICES    "endpointslices.discovery.k8s.io"
#define SLICE     &endpointslice_controller, "default", "web"
#define ENDPOINTS &endpoints_controller, "default", "web"
#define MIRROR    &endpointmirror_controller, "default", "web"

static void put_service(struct plan_fixture *f, const char *more)
{
    plan_fixture_putf(f, "services",
                      "{'metadata': {'name': 'web', 'labels': {'team': 'x'}}, 'spec': {'selector':"
                      " {'app': 'web'}, 'clusterIP': '10.96.0.9', 'ipFamilies': ['IPv4'], %s"
                      " 'ports': [{'name': 'http', 'port': 80, 'targetPort': 'http'}]}}",
                      more);
}

static void put_pod(struct plan_fixture *f, const char *name, const char *ip, int port,
                    const char *ready)
{
    plan_fixture_putf(f, "pods",
                      "{'metadata': {'name': '%s', 'labels': {'app': 'web'}}, 'spec':"
                      " {'nodeName': 'n1', 'hostname': '%s', 'subdomain': 'web', 'containers':"
                      " [{'name': 'c', 'ports': [{'name': 'http', 'containerPort': %d}]}]},"
                      " 'status': {'phase': 'Running', 'podIP': '%s', 'conditions':"
                      " [{'type': 'Ready', 'status': '%s'}]}}",
                      name, name, port, ip, ready);
}

static const json_t *endpoint(const struct plan_write *w, size_t i)
{
    return json_array_get(json_object_get(w->tree, "endpoints"), i);
}

TEST(endpointslice, holds_the_pods_with_their_ports_and_conditions)
{
    struct plan_fixture f;
    const struct plan_write *w;
    const json_t *labels;

    plan_fixture_up(&f);
    plan_fixture_put(
        &f, "nodes",
        "{'metadata': {'name': 'n1', 'labels': {'topology.kubernetes.io/zone': 'z'}}}");
    put_service(&f, "");
    put_pod(&f, "a", "10.244.1.2", 8080, "True");
    put_pod(&f, "b", "10.244.1.3", 8080, "False");
    put_pod(&f, "done", "10.244.1.4", 8080, "False");
    plan_fixture_set(&f, "pods", "done", "status.phase", "'Succeeded'");
    put_pod(&f, "going", "10.244.1.5", 8080, "True");
    plan_fixture_set(&f, "pods", "going", "metadata.deletionTimestamp", "'2026-01-01T00:00:30Z'");
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 1);
    w = plan_fixture_write(&f, PLAN_CREATE, SLICES, 0);
    labels = json_at(w->tree, "metadata.labels");
    CHECK_STR(json_string_value(json_object_get(labels, "kubernetes.io/service-name")), "web");
    CHECK_STR(json_string_value(json_object_get(labels, "endpointslice.kubernetes.io/managed-by")),
              "endpointslice-controller.k8s.io");
    CHECK_STR(json_str(w->tree, "metadata.labels.team"), "x");
    CHECK_STR(json_str(w->tree, "metadata.generateName"), "web-");
    CHECK_INT(json_int(json_array_get(json_at(w->tree, "ports"), 0), "port", 0), 8080);
    CHECK_INT(json_array_size(json_at(w->tree, "endpoints")), 3);
    CHECK(json_bool(endpoint(w, 0), "conditions.ready", false));
    CHECK_STR(json_str(endpoint(w, 0), "hostname"), "a");
    CHECK_STR(json_str(endpoint(w, 0), "zone"), "z");
    CHECK_STR(json_str(endpoint(w, 0), "nodeName"), "n1");
    CHECK_STR(json_str(endpoint(w, 0), "targetRef.uid"), "uid-a");
    CHECK(!json_bool(endpoint(w, 1), "conditions.ready", true));
    CHECK(!json_bool(endpoint(w, 2), "conditions.ready", true));
    CHECK(json_bool(endpoint(w, 2), "conditions.serving", false));
    CHECK(json_bool(endpoint(w, 2), "conditions.terminating", false));
    plan_fixture_apply(&f);
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_down(&f);
}

TEST(endpointslice, updates_in_place_and_keeps_one_when_empty)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    put_service(&f, "");
    plan_fixture_run(&f, SLICE);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, SLICES), 1);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 0);
    put_pod(&f, "a", "10.244.1.2", 8080, "False");
    plan_fixture_settle(&f, SLICE, 3);
    CHECK_INT(store_count(f.store, SLICES), 1); /* the empty one took them */
    put_pod(&f, "a", "10.244.1.2", 8080, "True");
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 1);
    w = plan_fixture_write(&f, PLAN_UPDATE, SLICES, 0);
    CHECK(json_bool(endpoint(w, 0), "conditions.ready", false));
    plan_fixture_apply(&f);
    plan_fixture_remove(&f, "pods", "a");
    plan_fixture_settle(&f, SLICE, 3);
    CHECK_INT(store_count(f.store, SLICES), 1);
    plan_fixture_remove(&f, "services", "web");
    plan_fixture_settle(&f, SLICE, 3);
    CHECK_INT(store_count(f.store, SLICES), 0);
    plan_fixture_down(&f);
}

TEST(endpointslice, a_hundred_fit_and_ports_divide)
{
    struct plan_fixture f;
    char name[16], ip[24];

    plan_fixture_up(&f);
    put_service(&f, "");
    for (int i = 0; i < 205; i++) {
        snprintf(name, sizeof(name), "p%03d", i);
        snprintf(ip, sizeof(ip), "10.244.1.%d", i);
        put_pod(&f, name, ip, i < 200 ? 8080 : 9090, "True");
    }
    plan_fixture_run(&f, SLICE);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, SLICES), 3);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 0);
    put_pod(&f, "p150", "10.244.9.9", 8080, "True");
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 1);
    CHECK_INT(json_array_size(json_object_get(f.plan.writes[0].tree, "endpoints")), 100);
    plan_fixture_down(&f);
}

TEST(endpointslice, publishes_unready_ones_and_marks_headless)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    put_service(&f, "'publishNotReadyAddresses': true,");
    plan_fixture_set(&f, "services", "web", "spec.clusterIP", "'None'");
    put_pod(&f, "a", "10.244.1.2", 8080, "False");
    plan_fixture_run(&f, SLICE);
    w = plan_fixture_write(&f, PLAN_CREATE, SLICES, 0);
    CHECK(json_bool(endpoint(w, 0), "conditions.ready", false));
    CHECK(json_object_get(json_at(w->tree, "metadata.labels"), "service.kubernetes.io/headless") !=
          NULL);
    plan_fixture_run(&f, ENDPOINTS);
    w = plan_fixture_write(&f, PLAN_CREATE, "endpoints", 0);
    CHECK_INT(json_array_size(
                  json_object_get(json_array_get(json_at(w->tree, "subsets"), 0), "addresses")),
              1);
    plan_fixture_down(&f);
}

TEST(endpointslice, endpoints_split_ready_from_not_ready)
{
    struct plan_fixture f;
    const struct plan_write *w;
    const json_t *subset;

    plan_fixture_up(&f);
    put_service(&f, "");
    put_pod(&f, "a", "10.244.1.2", 8080, "True");
    put_pod(&f, "b", "10.244.1.3", 8080, "False");
    put_pod(&f, "c", "10.244.1.4", 9090, "True");
    plan_fixture_run(&f, ENDPOINTS);
    w = plan_fixture_write(&f, PLAN_CREATE, "endpoints", 0);
    CHECK_INT(json_array_size(json_at(w->tree, "subsets")), 2);
    subset = json_array_get(json_at(w->tree, "subsets"), 0);
    CHECK_STR(json_str(json_array_get(json_at(subset, "addresses"), 0), "ip"), "10.244.1.2");
    CHECK_STR(json_str(json_array_get(json_at(subset, "notReadyAddresses"), 0), "ip"),
              "10.244.1.3");
    CHECK_INT(json_int(json_array_get(json_at(subset, "ports"), 0), "port", 0), 8080);
    plan_fixture_apply(&f);
    plan_fixture_run(&f, ENDPOINTS);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_remove(&f, "services", "web");
    plan_fixture_run(&f, ENDPOINTS);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, "endpoints"), 1);
    plan_fixture_down(&f);
}

#define HAND_MADE                                                                      \
    "{'metadata': {'name': 'web'}, 'subsets': [{'addresses': [{'ip': '192.0.2.1'}],"   \
    " 'notReadyAddresses': [{'ip': '2001:db8::1'}], 'ports': [{'name': 'http', 'port'" \
    ": 80}]}]}"

TEST(endpointslice, hand_made_endpoints_are_mirrored_and_left_alone)
{
    struct plan_fixture f;
    const struct plan_write *w;

    plan_fixture_up(&f);
    plan_fixture_put(&f, "endpoints", HAND_MADE);
    plan_fixture_run(&f, ENDPOINTS);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_run(&f, MIRROR);
    CHECK_INT(f.plan.n, 0); /* no Service yet */
    plan_fixture_put(&f, "services", "{'metadata': {'name': 'web'}, 'spec': {'ports': []}}");
    plan_fixture_run(&f, MIRROR);
    CHECK_INT(plan_fixture_count(&f, PLAN_CREATE, SLICES), 2);
    w = plan_fixture_write(&f, PLAN_CREATE, SLICES, 1);
    CHECK_STR(json_str(w->tree, "addressType"), "IPv6");
    CHECK(!json_bool(endpoint(w, 0), "conditions.ready", true));
    plan_fixture_apply(&f);
    plan_fixture_run(&f, MIRROR);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_run(&f, SLICE);
    CHECK_INT(f.plan.n, 0);
    plan_fixture_set(&f, "endpoints", "web", "metadata.labels",
                     "{'endpointslice.kubernetes.io/skip-mirror': 'true'}");
    plan_fixture_run(&f, MIRROR);
    CHECK_INT(plan_fixture_count(&f, PLAN_DELETE, SLICES), 2);
    plan_fixture_down(&f);
}
