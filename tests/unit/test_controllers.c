/* layer: controlplane
 *
 * All controllers over the real registry, on a virtual clock: what they write must come back
 * as they meant it, or they would write for ever. */
#include "controlplane/controllers.h"
#include "controlplane/runner.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include "api/conditions.h"
#include "base/map.h"
#include "base/mem.h"
#include "storage/backend.h"

#include <string.h>

struct cluster {
    struct backend_memory *memory;
    struct store *store;
    struct registry *registry;
    struct runner *runner;
    struct clock_now now;
    uint64_t random;
    int http; /* of the last request */
    char message[512];
};

static int64_t cluster_wall(void *arg)
{
    return ((struct cluster *)arg)->now.wall_ms;
}

static uint64_t cluster_random(void *arg)
{
    struct cluster *c = arg;

    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return c->random >> 11 ^ c->random << 40;
}

static void cluster_flush(struct cluster *c)
{
    while (backend_memory_step(c->memory))
        ;
}

static void cluster_on_done(void *arg, int rc, const struct err *err)
{
    (void)err;
    CHECK_INT(rc, 0);
    *(bool *)arg = true;
}

static void cluster_on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void cluster_up(struct cluster *c)
{
    struct store_opts store = { 0 };
    struct err err = ERR_EMPTY;
    bool done = false;

    *c = (struct cluster){ .now = { .wall_ms = 1767225600000, .mono_ms = 1000000 }, .random = 7 };
    c->memory = backend_memory_new();
    CHECK_INT(store_open(&c->store, backend_memory_open(c->memory), &store, &err), 0);
    struct registry_opts opts = {
        .store = c->store,
        .wall_ms = cluster_wall,
        .random = cluster_random,
        .arg = c,
        .service_cidr = "10.96.0.0/16",
        .pod_cidr = "10.244.0.0/16",
        .node_port_min = 30000,
        .node_port_max = 32767,
        .cluster_domain = "cluster.local",
        .ca_pem = "the CA",
    };
    struct runner_opts runner = { .controllers = controllers };

    CHECK_INT(registry_new(&c->registry, &opts, &err), 0);
    registry_bootstrap(c->registry, "192.0.2.1", 6443, cluster_on_done, &done);
    cluster_flush(c);
    CHECK(done);
    runner.registry = c->registry;
    CHECK_INT(runner_new(&c->runner, &runner, &err), 0);
}

static void cluster_down(struct cluster *c)
{
    bool closed = false;

    runner_free(c->runner);
    store_close(c->store, cluster_on_closed, &closed);
    while (!closed && backend_memory_step(c->memory))
        ;
    registry_free(c->registry);
    backend_memory_free(c->memory);
}

static uint64_t cluster_writes(struct cluster *c)
{
    struct runner_stats stats;

    runner_stats(c->runner, &stats);
    return stats.writes;
}

/* Steps until nothing is written any more; fails when that does not come to an end. */
static void cluster_settle(struct cluster *c)
{
    int calm = 0;

    for (int i = 0; i < 400 && calm < 8; i++) {
        uint64_t before = cluster_writes(c);
        uint64_t revision = store_revision(c->store);

        runner_step(c->runner, c->now);
        cluster_flush(c);
        c->now.mono_ms += 20;
        c->now.wall_ms += 20;
        calm = cluster_writes(c) == before && store_revision(c->store) == revision ? calm + 1 : 0;
    }
    CHECK(calm == 8);
}

static void cluster_on_answer(void *arg, const struct registry_answer *answer)
{
    struct cluster *c = arg;

    c->http = answer->http;
    snprintf(c->message, sizeof(c->message), "%s", json_str_or(answer->body, "message", ""));
}

static void cluster_write(struct cluster *c, enum registry_verb verb, const char *bucket,
                          const char *sub, const char *ns, const char *name, json_t *body_steal)
{
    cleanup(json_decrefpp) json_t *body = body_steal;
    static const char *const groups[] = { "system:masters", NULL };
    static const struct registry_user user = { .name = "admin", .groups = groups, .uid = "" };
    struct registry_request req = {
        .verb = verb,
        .resource = schema_bucket(bucket),
        .sub = sub,
        .ns = ns,
        .name = name,
        .body = body,
        .patch = REGISTRY_STRATEGIC_PATCH,
        .user = &user,
        .grace_seconds = -1,
    };

    c->http = 0;
    registry_write(c->registry, &req, cluster_on_answer, c);
    cluster_flush(c);
    if (c->http >= 300 || c->http == 0)
        print_error("%s %s/%s: %d %s\n", bucket, ns, name, c->http, c->message);
    CHECK(c->http >= 200 && c->http < 300);
}

static void cluster_create(struct cluster *c, const char *bucket, const char *ns, const char *json)
{
    cluster_write(c, REGISTRY_CREATE, bucket, "", ns, "", quoted(json));
}

static void cluster_delete(struct cluster *c, const char *bucket, const char *ns, const char *name)
{
    cluster_write(c, REGISTRY_DELETE, bucket, "", ns, name, NULL);
}

/* --- what agents would do --- */

static void cluster_node(struct cluster *c, const char *name)
{
    cleanup(freep) char *json = mem_fmt(
        "{'metadata': {'name': '%s', 'labels': {'kubernetes.io/hostname': '%s'}}, 'status':"
        " {'allocatable': {'cpu': '4', 'memory': '8Gi', 'pods': '110'}, 'capacity': {'cpu': '4',"
        " 'memory': '8Gi', 'pods': '110'}, 'conditions': [{'type': 'Ready', 'status': 'True'}]}}",
        name, name);

    cluster_create(c, "nodes", "", json);
}

/* Every pod that has a node runs and is ready; those that die are gone. */
static void cluster_agents(struct cluster *c)
{
    cleanup(map_freep) struct map *todo = map_new(NULL);
    struct store_iter it;
    const struct object *o;
    const char *key;
    void *value;

    store_iter_init(&it, c->store, "pods", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)))
        if (*o->node && (o->deleting || !str_eq(o->phase, "Running"))) {
            cleanup(freep) char *name = mem_fmt("%s/%s", o->ns, o->name);

            map_put(todo, name, o->deleting ? c : NULL);
        }
    for (size_t i = 0; map_each(todo, &i, &key, &value);) {
        cleanup(freep) char *ns = mem_strn(key, (size_t)(strchr(key, '/') - key));
        const char *name = strchr(key, '/') + 1;
        json_t *tree = object_tree(store_get(c->store, "pods", ns, name));

        if (value) {
            json_decref(tree);
            cluster_write(c, REGISTRY_DELETE, "pods", "", ns, name,
                          quoted("{'gracePeriodSeconds': 0}"));
            continue;
        }
        json_put_str(tree, "status.phase", "Running");
        json_put_str(tree, "status.podIP", "10.244.0.7");
        json_put(tree, "status.podIPs", quoted("[{'ip': '10.244.0.7'}]"));
        condition_set(json_object_get(tree, "status"), "Ready", "True", NULL, NULL, c->now.wall_ms);
        cluster_write(c, REGISTRY_UPDATE, "pods", "status", ns, name, tree);
    }
}

static void cluster_run(struct cluster *c)
{
    for (int i = 0; i < 8; i++) {
        cluster_settle(c);
        cluster_agents(c);
    }
    cluster_settle(c);
}

/* A server that starts again finds nothing to do. */
static void cluster_restart(struct cluster *c)
{
    struct runner_opts opts = { .controllers = controllers, .registry = c->registry };
    struct err err = ERR_EMPTY;

    runner_free(c->runner);
    CHECK_INT(runner_new(&c->runner, &opts, &err), 0);
    cluster_settle(c);
    CHECK_INT(cluster_writes(c), 0);
}

static size_t cluster_count(struct cluster *c, const char *bucket, const char *ns)
{
    struct store_iter it;
    size_t n = 0;

    store_iter_init(&it, c->store, bucket, ns, NULL, NULL);
    while (store_iter_next(&it))
        n++;
    return n;
}

#define TEMPLATE                                                                       \
    "'selector': {'matchLabels': {'app': 'web'}}, 'template': {'metadata': {'labels':" \
    " {'app': 'web'}}, 'spec': {'containers': [{'name': 'c', 'image': 'i', 'ports':"   \
    " [{'name': 'http', 'containerPort': 80}]}]}}"
#define DEPLOYMENT "{'metadata': {'name': 'web'}, 'spec': {'replicas': 3, " TEMPLATE "}}"
#define SERVICE                                                          \
    "{'metadata': {'name': 'web'}, 'spec': {'selector': {'app': 'web'}," \
    " 'ports': [{'port': 80, 'targetPort': 'http'}]}}"

static void cluster_shop(struct cluster *c)
{
    cleanup(json_decrefpp) json_t *tree = NULL;

    cluster_up(c);
    cluster_node(c, "n1");
    cluster_node(c, "n2");
    cluster_node(c, "n3");
    cluster_create(c, "namespaces", "", "{'metadata': {'name': 'shop'}}");
    tree = object_tree(store_get(c->store, "configmaps", "shop", "kube-root-ca.crt"));
    CHECK_STR(json_string_value(json_object_get(json_object_get(tree, "data"), "ca.crt")),
              "the CA");
}

TEST(controllers, a_deployment_and_its_service_come_to_rest)
{
    struct cluster c;

    cluster_shop(&c);
    cluster_create(&c, "deployments.apps", "shop", DEPLOYMENT);
    cluster_create(&c, "services", "shop", SERVICE);
    cluster_create(&c, "services", "shop",
                   "{'metadata': {'name': 'bare'}, 'spec': {'clusterIP': 'None', 'selector':"
                   " {'app': 'web'}}}");
    cluster_create(&c, "services", "shop",
                   "{'metadata': {'name': 'none'}, 'spec': {'selector': {'app': 'x'}, 'ports':"
                   " [{'port': 1}]}}");
    cluster_create(&c, "services", "shop",
                   "{'metadata': {'name': 'hand'}, 'spec': {'ports': [{'port': 1}]}}");
    cluster_create(&c, "endpoints", "shop",
                   "{'metadata': {'name': 'hand'}, 'subsets': [{'addresses': [{'ip':"
                   " '192.0.2.7'}], 'ports': [{'port': 1}]}]}");
    cluster_create(&c, "poddisruptionbudgets.policy", "shop",
                   "{'metadata': {'name': 'web'}, 'spec': {'minAvailable': 3, 'selector':"
                   " {'matchLabels': {'app': 'web'}}}}");
    cluster_create(&c, "poddisruptionbudgets.policy", "shop",
                   "{'metadata': {'name': 'idle'}, 'spec': {'maxUnavailable': 1, 'selector':"
                   " {'matchLabels': {'app': 'x'}}}}");
    cluster_run(&c);
    CHECK_INT(cluster_count(&c, "pods", "shop"), 3);
    CHECK_INT(cluster_count(&c, "endpointslices.discovery.k8s.io", "shop"), 4);
    CHECK_INT(cluster_count(&c, "endpoints", "shop"), 4);
    cluster_restart(&c);
    cluster_down(&c);
}

TEST(controllers, deleting_a_namespace_leaves_nothing)
{
    struct cluster c;

    cluster_shop(&c);
    cluster_create(&c, "deployments.apps", "shop", DEPLOYMENT);
    cluster_create(&c, "services", "shop", SERVICE);
    cluster_run(&c);
    cluster_delete(&c, "namespaces", "", "shop");
    cluster_run(&c);
    CHECK(store_get(c.store, "namespaces", "", "shop") == NULL);
    CHECK_INT(cluster_count(&c, "pods", "shop"), 0);
    CHECK_INT(cluster_count(&c, "services", "shop"), 0);
    cluster_down(&c);
}

TEST(controllers, deleting_an_owner_takes_what_it_owns)
{
    static const char *const policies[] = { "Background", "Foreground" };
    struct cluster c;

    cluster_shop(&c);
    for (size_t i = 0; i < N_ELEMENTS(policies); i++) {
        cluster_create(&c, "deployments.apps", "shop", DEPLOYMENT);
        cluster_run(&c);
        CHECK_INT(cluster_count(&c, "pods", "shop"), 3);
        cluster_write(&c, REGISTRY_DELETE, "deployments.apps", "", "shop", "web",
                      json_pack("{s:s}", "propagationPolicy", policies[i]));
        cluster_run(&c);
        CHECK_INT(cluster_count(&c, "pods", "shop"), 0);
        CHECK_INT(cluster_count(&c, "replicasets.apps", "shop"), 0);
        CHECK_INT(cluster_count(&c, "deployments.apps", "shop"), 0);
    }
    cluster_create(&c, "deployments.apps", "shop", DEPLOYMENT);
    cluster_run(&c);
    cluster_write(&c, REGISTRY_DELETE, "deployments.apps", "", "shop", "web",
                  json_pack("{s:s}", "propagationPolicy", "Orphan"));
    cluster_run(&c);
    CHECK_INT(cluster_count(&c, "deployments.apps", "shop"), 0);
    CHECK_INT(cluster_count(&c, "replicasets.apps", "shop"), 1);
    CHECK_INT(cluster_count(&c, "pods", "shop"), 3);
    cluster_down(&c);
}

/* --- volumes --- */

#define STATEFUL                                                                             \
    "{'metadata': {'name': 'db'}, 'spec': {'replicas': 2, 'serviceName': 'db', 'selector':"  \
    " {'matchLabels': {'app': 'db'}}, 'template': {'metadata': {'labels': {'app': 'db'}},"   \
    " 'spec': {'containers': [{'name': 'c', 'image': 'i', 'volumeMounts': [{'name': 'data'," \
    " 'mountPath': '/d'}]}]}}, 'volumeClaimTemplates': [{'metadata': {'name': 'data'},"      \
    " 'spec': {%s 'accessModes': ['ReadWriteOnce'], 'resources': {'requests': {'storage':"   \
    " '1Gi'}}}}]}}"

static json_t *cluster_get(struct cluster *c, const char *bucket, const char *ns, const char *name)
{
    const struct object *o = store_get(c->store, bucket, ns, name);

    CHECK(o != NULL);
    return object_tree(o);
}

/* What agents do about volumes whose data is to go. */
static void cluster_remove_data(struct cluster *c)
{
    cleanup(json_decrefpp) json_t *names = json_array();
    struct store_iter it;
    const struct object *o;
    json_t *name;
    size_t i;

    store_iter_init(&it, c->store, "persistentvolumes", NULL, NULL, NULL);
    while ((o = store_iter_next(&it)))
        if (o->deleting)
            json_array_append_new(names, json_string(o->name));
    json_array_foreach (names, i, name)
        cluster_write(c, REGISTRY_PATCH, "persistentvolumes", "", "", json_string_value(name),
                      quoted("{'metadata': {'$deleteFromPrimitiveList/finalizers':"
                             " ['mkube.io/local-volume']}}"));
}

TEST(controllers, a_stateful_set_comes_to_rest_with_volumes)
{
    static const char *const classes[] = { "", "'storageClassName': 'gp2'," };
    struct cluster c;

    cluster_shop(&c);
    for (size_t i = 0; i < N_ELEMENTS(classes); i++) {
        cleanup(freep) char *set = mem_fmt(STATEFUL, classes[i]);

        cluster_create(&c, "statefulsets.apps", "shop", set);
        for (int k = 0; k < 3; k++)
            cluster_run(&c);
        {
            cleanup(json_decrefpp)
                json_t *claim = cluster_get(&c, "persistentvolumeclaims", "shop", "data-db-1");
            cleanup(json_decrefpp) json_t *volume = cluster_get(
                &c, "persistentvolumes", "", json_str_or(claim, "spec.volumeName", "none"));
            cleanup(json_decrefpp) json_t *pod = cluster_get(&c, "pods", "shop", "db-1");

            CHECK_STR(json_str(claim, "status.phase"), "Bound");
            CHECK_STR(json_str(claim, "status.capacity.storage"), "1Gi");
            CHECK_STR(json_str(volume, "status.phase"), "Bound");
            CHECK_STR(json_string_value(json_object_get(json_at(volume, "metadata.annotations"),
                                                        "mkube.io/node")),
                      json_str(pod, "spec.nodeName"));
            CHECK(strstr(json_str_or(volume, "spec.local.path", ""),
                         "/var/lib/mkube/volumes/pvc-") != NULL);
        }
        cluster_restart(&c);
        cluster_delete(&c, "statefulsets.apps", "shop", "db");
        cluster_delete(&c, "persistentvolumeclaims", "shop", "data-db-0");
        cluster_delete(&c, "persistentvolumeclaims", "shop", "data-db-1");
        CHECK_INT(cluster_count(&c, "persistentvolumeclaims", "shop"), 2); /* in use */
        cluster_run(&c);
        CHECK_INT(cluster_count(&c, "persistentvolumeclaims", "shop"), 0);
        CHECK_INT(cluster_count(&c, "persistentvolumes", NULL), 2); /* with data */
        cluster_remove_data(&c);
        cluster_run(&c);
        CHECK_INT(cluster_count(&c, "persistentvolumes", NULL), 0);
    }
    cluster_down(&c);
}
