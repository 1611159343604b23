/* layer: nodeagent */
#include "nodeagent/node.h"
#include "nodeagent/node_status.h"

#include "tests/unit/server_fixture.h"

/* A node against a real API face. */
struct fixture {
    struct server_fixture f;
    struct client *client;
    struct node *node;
    char *cidr;
};

static void fixture_on_registered(void *arg, const char *pod_cidr)
{
    struct fixture *x = arg;

    CHECK(x->cidr == NULL);
    x->cidr = mem_str(pod_cidr);
}

static void fixture_up(struct fixture *x)
{
    struct err err = ERR_EMPTY;
    cleanup(freep) char *url = NULL;
    struct tls_pair pair;
    struct node_opts opts = { .name = "w1",
                              .ip = "192.0.2.7",
                              .data_dir = test_dir(),
                              .on_registered = fixture_on_registered,
                              .arg = x };

    memset(x, 0, sizeof(*x));
    server_fixture_up(&x->f);
    url = mem_fmt("https://127.0.0.1:%u", x->f.port);
    pair = server_fixture_issue(&x->f, "system:node:w1", "system:nodes", false);
    CHECK_INT(client_new(&x->client, &x->f.loop,
                         &(struct client_config){ .server = url,
                                                  .ca_pem = x->f.ca.cert_pem,
                                                  .cert_pem = pair.cert_pem,
                                                  .key_pem = pair.key_pem },
                         &err),
              0);
    tls_pair_fini(&pair);
    opts.client = x->client;
    x->node = node_new(&x->f.loop, &opts);
    node_start(x->node);
    node_set_ready(x->node, NULL);
}

static void fixture_down(struct fixture *x)
{
    node_close(x->node);
    client_close(x->client);
    server_fixture_down(&x->f);
    free(x->cidr);
}

static const struct object *fixture_object(struct fixture *x)
{
    return store_get(x->f.base.s, "nodes", NULL, "w1");
}

static const char *fixture_ready(struct fixture *x)
{
    const struct object *o = fixture_object(x);
    static char ret[16];
    json_t *tree = o == NULL ? NULL : object_tree(o);
    const json_t *ready = json_find(json_at(tree, "status.conditions"), "type", "Ready");

    snprintf(ret, sizeof(ret), "%s", json_str_or(ready, "status", "none"));
    json_decref(tree);
    return ret;
}

/* As the node lifecycle controller does when a node is silent. */
static void fixture_lose(struct fixture *x)
{
    CHECK_INT(server_fixture_http(
                  &x->f,
                  (struct request){
                      .method = "PATCH",
                      .path = "/api/v1/nodes/w1/status",
                      .type = "application/strategic-merge-patch+json",
                      .body = "{'status':{'conditions':[{'type':'Ready','status':'Unknown'}]}}" }),
              200);
    CHECK_STR(fixture_ready(x), "Unknown");
}

TEST(node, registers_and_tells_its_cidr_once)
{
    struct fixture x;

    fixture_up(&x);
    CHECK_SOON(&x.f.loop, x.cidr != NULL && str_eq(fixture_ready(&x), "True"), 5000);
    CHECK(strchr(x.cidr, '/') != NULL);
    CHECK_SOON(&x.f.loop,
               store_get(x.f.base.s, "leases.coordination.k8s.io", "kube-node-lease", "w1") != NULL,
               5000);
    fixture_down(&x);
}

TEST(node, tells_again_what_others_wrote_over)
{
    struct fixture x;

    fixture_up(&x);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 5000);
    fixture_lose(&x);
    node_on_shown(x.node, fixture_object(&x));
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 2000);
    fixture_down(&x);
}

/* What the watch brings late is no news. */
TEST(node, is_not_moved_by_what_is_older_than_its_own_word)
{
    struct fixture x;
    struct object *old;
    uint64_t before;

    fixture_up(&x);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 5000);
    fixture_lose(&x);
    old = object_ref(fixture_object(&x));
    node_on_shown(x.node, old);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 2000);
    before = fixture_object(&x)->revision;
    node_on_shown(x.node, fixture_object(&x)); /* its own */
    node_on_shown(x.node, old);
    /* A round trip: had it said something, that would have been first. */
    CHECK_INT(server_fixture_http(&x.f, (struct request){ .method = "GET", .path = "/version" }),
              200);
    CHECK_INT(fixture_object(&x)->revision, before);
    object_unref(old);
    fixture_down(&x);
}

TEST(node, tells_itself_anew_when_the_server_is_back)
{
    struct fixture x;

    fixture_up(&x);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 5000);
    fixture_lose(&x);
    node_on_back(x.node); /* nobody showed us anything */
    node_on_back(x.node);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 2000);
    fixture_down(&x);
}

TEST(node, comes_back_when_its_node_was_deleted)
{
    struct fixture x;

    fixture_up(&x);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 5000);
    CHECK_INT(server_fixture_http(
                  &x.f, (struct request){ .method = "DELETE", .path = "/api/v1/nodes/w1" }),
              200);
    CHECK(fixture_object(&x) == NULL);
    node_on_shown(x.node, NULL);
    CHECK_SOON(&x.f.loop, str_eq(fixture_ready(&x), "True"), 5000);
    fixture_down(&x);
}

TEST(node_status, a_taint_is_key_value_and_effect)
{
    static const struct {
        const char *text, *taint;
    } rows[] = {
        { "workload=kafka:NoSchedule",
          "{\"effect\":\"NoSchedule\",\"key\":\"workload\",\"value\":\"kafka\"}" },
        { "gpu:NoExecute", "{\"effect\":\"NoExecute\",\"key\":\"gpu\"}" },
        { "a.b/c=:PreferNoSchedule",
          "{\"effect\":\"PreferNoSchedule\",\"key\":\"a.b/c\",\"value\":\"\"}" },
        { "gpu", NULL },
        { "gpu:Never", NULL },
        { "=x:NoExecute", NULL },
        { ":NoExecute", NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(json_decrefpp) json_t *taint = node_status_taint(rows[i].text);
        cleanup(freep) char *text = taint != NULL ? json_print_sorted(taint, NULL) : NULL;

        CHECK_STR(text, rows[i].taint);
    }
}
