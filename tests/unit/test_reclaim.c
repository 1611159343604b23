/* layer: nodeagent */
#include "base/file.h"
#include "nodeagent/reclaim.h"
#include "tests/unit/server_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define VOLUME(node, finalizers, path)                                                             \
    "{'metadata':{'name':'v','annotations':{'mkube.io/node':'" node "'},'finalizers':[" finalizers \
    "]},'spec':{'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce'],"                     \
    "'local':{'path':'" path "'},'nodeAffinity':{'required':{'nodeSelectorTerms':["                \
    "{'matchExpressions':[{'key':'kubernetes.io/hostname','operator':'In','values':['" node        \
    "']}]}]}}}}"
#define OURS "'mkube.io/local-volume'"
#define BOTH OURS ",'kubernetes.io/pv-protection'"

static void check_plan(const char *text, bool deleted, enum reclaim_step want, const char *want_dir)
{
    cleanup(json_decrefpp) json_t *volume = quoted(text);
    const char *dir = "unset";

    if (deleted)
        json_put_str(volume, "metadata.deletionTimestamp", "2026-01-02T03:04:05Z");
    CHECK_INT(reclaim_plan(&dir, volume, "w1", "/d"), want);
    CHECK_STR(dir, want_dir);
}

TEST(reclaim, takes_only_what_is_deleted_ours_and_let_go)
{
    check_plan(VOLUME("w1", OURS, "/d/volumes/v"), true, RECLAIM_REMOVE, "v");
    check_plan(VOLUME("w1", OURS, "/d/volumes/v"), false, RECLAIM_NOTHING, NULL);
    check_plan(VOLUME("w2", OURS, "/d/volumes/v"), true, RECLAIM_NOTHING, NULL);
    check_plan(VOLUME("w1", BOTH, "/d/volumes/v"), true, RECLAIM_NOTHING, NULL);
    check_plan(VOLUME("w1", "'kubernetes.io/pv-protection'", "/d/volumes/v"), true, RECLAIM_NOTHING,
               NULL);
}

TEST(reclaim, removes_nothing_outside_its_directory)
{
    static const char *const paths[] = { "/d/volumes",
                                         "/d/volumes/",
                                         "/d/volumes/.",
                                         "/d/volumes/..",
                                         "/d/volumes/../x",
                                         "/d/volumes/a/b",
                                         "/d/volumesx/a",
                                         "/etc",
                                         "",
                                         "volumes/v" };

    for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
        cleanup(json_decrefpp) json_t *volume = quoted(VOLUME("w1", OURS, ""));
        const char *dir;

        json_put_str(volume, "metadata.deletionTimestamp", "2026-01-02T03:04:05Z");
        json_put_str(volume, "spec.local.path", paths[i]);
        CHECK_INT(reclaim_plan(&dir, volume, "w1", "/d"), RECLAIM_RELEASE);
    }
}

/* --- for real --- */

struct fixture {
    struct server_fixture f;
    struct client *client;
    struct reclaim *r;
    struct err err;
    char *kept, *data;
};

#define VOLUMES "/api/v1/persistentvolumes"

static void fixture_up(struct fixture *x)
{
    cleanup(freep) char *url = NULL, *link = NULL, *file = NULL;
    struct tls_pair pair;

    memset(x, 0, sizeof(*x));
    server_fixture_up(&x->f);
    url = mem_fmt("https://127.0.0.1:%u", x->f.port);
    pair = server_fixture_issue(&x->f, "system:node:w1", "system:nodes", false);
    CHECK_INT(client_new(&x->client, &x->f.loop,
                         &(struct client_config){ .server = url,
                                                  .ca_pem = x->f.ca.cert_pem,
                                                  .cert_pem = pair.cert_pem,
                                                  .key_pem = pair.key_pem },
                         &x->err),
              0);
    tls_pair_fini(&pair);
    /* The volume holds a file and a link to what must stay. */
    x->kept = mem_fmt("%s/kept", test_dir());
    x->data = mem_fmt("%s/volumes/v", test_dir());
    CHECK_INT(file_mkdirs(x->kept, 0755, &x->err), 0);
    CHECK_INT(file_mkdirs(x->data, 0755, &x->err), 0);
    file = mem_fmt("%s/file", x->data);
    link = mem_fmt("%s/link", x->data);
    CHECK_INT(file_write_fast(file, "x", 1, 0644, &x->err), 0);
    CHECK_INT(symlink(x->kept, link), 0);
    CHECK_INT(reclaim_new(&x->r, &x->f.loop, x->client, "w1", test_dir(), &x->err), 0);
}

static void fixture_down(struct fixture *x)
{
    reclaim_close(x->r);
    client_close(x->client);
    server_fixture_down(&x->f);
    free(x->kept);
    free(x->data);
}

static int fixture_ask(struct fixture *x, const char *method, const char *path, const char *body)
{
    return server_fixture_http(&x->f,
                               (struct request){ .method = method, .path = path, .body = body });
}

static void fixture_make(struct fixture *x, const char *node, const char *finalizers)
{
    cleanup(json_decrefpp) json_t *volume = quoted(VOLUME("w1", OURS, "/x"));
    cleanup(freep) char *text = NULL;
    cleanup(json_decrefpp) json_t *list = quoted(finalizers);
    size_t len;

    json_object_set_new(json_at(volume, "metadata.annotations"), "mkube.io/node",
                        json_string(node));
    json_put(volume, "metadata.finalizers", STEAL(list));
    json_put_str(volume, "spec.local.path", x->data);
    text = json_print(volume, &len);
    CHECK_INT(fixture_ask(x, "POST", VOLUMES, text), 201);
}

/* As the controller does when no claim holds it any more. */
static void fixture_unprotect(struct fixture *x)
{
    CHECK_INT(server_fixture_http(
                  &x->f, (struct request){ .method = "PATCH",
                                           .path = VOLUMES "/v",
                                           .type = "application/merge-patch+json",
                                           .body = "{'metadata':{'finalizers':[" OURS "]}}" }),
              200);
}

static bool fixture_has_volume(struct fixture *x)
{
    return store_get(x->f.base.s, "persistentvolumes", NULL, "v") != NULL;
}

TEST(reclaim, removes_the_data_then_lets_go)
{
    struct fixture x;

    fixture_up(&x);
    fixture_make(&x, "w1", "[" OURS "]");
    CHECK_INT(fixture_ask(&x, "DELETE", VOLUMES "/v", NULL), 200);
    fixture_unprotect(&x);
    CHECK_SOON(&x.f.loop, !fixture_has_volume(&x), 5000);
    CHECK(!file_exists(x.data));
    CHECK(file_exists(x.kept));
    fixture_down(&x);
}

TEST(reclaim, waits_until_nobody_else_holds_it)
{
    struct fixture x;

    fixture_up(&x);
    fixture_make(&x, "w1", "['kubernetes.io/pv-protection'," OURS "]");
    CHECK_INT(fixture_ask(&x, "DELETE", VOLUMES "/v", NULL), 200);
    CHECK_INT(fixture_ask(&x, "GET", "/version", NULL), 200);
    CHECK(file_exists(x.data));
    fixture_unprotect(&x);
    CHECK_SOON(&x.f.loop, !fixture_has_volume(&x), 5000);
    CHECK(!file_exists(x.data));
    fixture_down(&x);
}

TEST(reclaim, a_node_may_let_go_of_its_own_volumes_only)
{
    struct fixture x;
    struct request patch = { .method = "PATCH",
                             .path = VOLUMES "/v",
                             .type = "application/merge-patch+json",
                             .body = "{'metadata':{'labels':{'a':'b'}}}" };

    fixture_up(&x);
    patch.client = x.f.worker; /* w1 */
    fixture_make(&x, "w2", "[" OURS "]");
    CHECK_INT(server_fixture_http(&x.f, patch), 403);
    CHECK_INT(fixture_ask(&x, "DELETE", VOLUMES "/v", NULL), 200);
    CHECK_INT(fixture_ask(&x, "GET", "/version", NULL), 200);
    CHECK(fixture_has_volume(&x));
    CHECK(file_exists(x.data));
    fixture_down(&x);
}
