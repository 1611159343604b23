/* layer: api */
#include "api/client.h"

#include "tests/unit/server_fixture.h"

struct answer {
    bool done;
    int rc, status;
    json_t *body;
    struct err err;
};

static void answer_on_done(void *arg, int rc, int status, const json_t *body, const struct err *err)
{
    struct answer *a = arg;

    a->done = true;
    a->rc = rc;
    a->status = status;
    a->body = json_deep_copy(body);
    a->err = *err;
}

static struct client *client_make(struct server_fixture *f)
{
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u", f->port);
    struct tls_pair pair = server_fixture_issue(f, "ann", "system:masters", false);
    struct client_config config = {
        .server = url, .ca_pem = f->ca.cert_pem, .cert_pem = pair.cert_pem, .key_pem = pair.key_pem
    };
    struct client *c = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(client_new(&c, &f->loop, &config, &err), 0);
    tls_pair_fini(&pair);
    return c;
}

static int call(struct server_fixture *f, struct client *c, const char *method, const char *path,
                const char *body, struct answer *ret)
{
    cleanup(json_decrefpp) json_t *tree = body != NULL ? quoted(body) : NULL;

    json_decref(ret->body);
    memset(ret, 0, sizeof(*ret));
    client_call(c, method, path, "application/json", tree, answer_on_done, ret);
    CHECK_SOON(&f->loop, ret->done, 5000);
    return ret->rc;
}

#define MAPS "/api/v1/namespaces/default/configmaps"

TEST(client, answers_are_trees_and_refusals_errors)
{
    struct server_fixture f = { 0 };
    struct client *c;
    struct answer a = { 0 };

    server_fixture_up(&f);
    c = client_make(&f);
    CHECK_INT(call(&f, c, "POST", MAPS, CONFIG("a", "{'x':'y'}"), &a), 0);
    CHECK_INT(a.status, 201);
    CHECK_STR(json_str(a.body, "data.x"), "y");
    CHECK_INT(call(&f, c, "POST", MAPS, CONFIG("a", "{}"), &a), ERR_EXISTS);
    CHECK_INT(a.status, 409);
    CHECK_STR(a.err.text, "configmaps \"a\" already exists");
    CHECK_INT(call(&f, c, "PUT", MAPS "/a", "{'metadata':{'name':'a','resourceVersion':'1'}}", &a),
              ERR_CONFLICT);
    CHECK_INT(call(&f, c, "GET", MAPS "/none", NULL, &a), ERR_NOT_FOUND);
    CHECK_INT(call(&f, c, "POST", MAPS, CONFIG("A!", "{}"), &a), ERR_INVALID);
    CHECK_INT(call(&f, c, "GET", "/healthz", NULL, &a), 0);
    CHECK(a.body == NULL);
    json_decref(a.body);
    client_close(c);
    server_fixture_down(&f);
}

TEST(client, nobody_there_is_an_error_without_status)
{
    struct server_fixture f = { 0 };
    struct client *c;
    struct answer a = { 0 };

    server_fixture_up(&f);
    c = client_make(&f);
    server_fixture_stop(&f);
    CHECK(call(&f, c, "GET", MAPS, NULL, &a) < 0);
    CHECK_INT(a.status, 0);
    CHECK(a.err.text[0] != '\0');
    client_close(c);
    server_fixture_down(&f);
}

TEST(client, a_canceled_call_says_nothing)
{
    struct server_fixture f = { 0 };
    struct client *c;
    struct answer a = { 0 }, b = { 0 };

    server_fixture_up(&f);
    c = client_make(&f);
    client_call_cancel(client_call(c, "GET", MAPS, NULL, NULL, answer_on_done, &a));
    CHECK_INT(call(&f, c, "GET", MAPS, NULL, &b), 0);
    CHECK(!a.done);
    json_decref(b.body);
    /* What still runs when the client ends is told so. */
    client_call(c, "GET", MAPS, NULL, NULL, answer_on_done, &a);
    client_close(c);
    CHECK(a.done);
    CHECK_INT(a.rc, ERR_CANCELED);
    server_fixture_down(&f);
}

TEST(client, a_bad_url_is_an_error)
{
    uv_loop_t loop;
    struct client_config config = { .server = (char[]){ "zebra://x" } };
    struct client *c = NULL;
    struct answer a = { 0 };
    struct err err = ERR_EMPTY;

    CHECK_INT(uv_loop_init(&loop), 0);
    CHECK_INT(client_new(&c, &loop, &config, &err), 0);
    client_call(c, "GET", "/x", NULL, NULL, answer_on_done, &a);
    CHECK(!a.done);
    CHECK_SOON(&loop, a.done, 5000);
    CHECK(a.rc < 0);
    client_close(c);
    loop_finish(&loop);
}

static void check_path(const char *bucket, const char *ns, const char *name, const char *sub,
                       const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    client_path(&t, schema_bucket(bucket), ns, name, sub);
    CHECK_STR(text_str(&t), want);
}

TEST(client, paths_name_resources)
{
    check_path("pods", NULL, NULL, NULL, "/api/v1/pods");
    check_path("pods", "a", NULL, NULL, "/api/v1/namespaces/a/pods");
    check_path("pods", "a", "b", "status", "/api/v1/namespaces/a/pods/b/status");
    check_path("nodes", "ignored", "n", NULL, "/api/v1/nodes/n");
    check_path("deployments.apps", "a", "b", "scale",
               "/apis/apps/v1/namespaces/a/deployments/b/scale");
}
