/* layer: api */
#include "api/informer.h"

#include "base/http_server.h"
#include "tests/unit/server_fixture.h"

struct ear {
    struct server_fixture f;
    struct client *client;
    struct informer *i;
    struct text heard; /* "+a ~a -a synced up down" */
    int synced;
};

static void ear_on_change(void *arg, const struct object *object, const struct object *before)
{
    struct ear *e = arg;

    CHECK(object != NULL || before != NULL);
    /* The copy is told of first. */
    CHECK(informer_get(e->i, object != NULL ? object->ns : before->ns,
                       object != NULL ? object->name : before->name) == object);
    text_fmt(&e->heard, "%s%s ",
             object == NULL   ? "-"
             : before == NULL ? "+"
                              : "~",
             object != NULL ? object->name : before->name);
}

static void ear_on_synced(void *arg)
{
    ((struct ear *)arg)->synced++;
    text_puts(&((struct ear *)arg)->heard, "synced ");
}

static void ear_on_connected(void *arg, bool connected)
{
    text_puts(&((struct ear *)arg)->heard, connected ? "up " : "down ");
}

static void ear_start(struct ear *e, const struct informer_opts *more)
{
    struct informer_opts opts = *more;
    struct informer_listener listener = { .on_change = ear_on_change,
                                          .on_synced = ear_on_synced,
                                          .on_connected = ear_on_connected,
                                          .arg = e };
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u", e->f.port);
    struct tls_pair pair = server_fixture_issue(&e->f, "ann", "system:masters", false);
    struct client_config config = { .server = url,
                                    .ca_pem = e->f.ca.cert_pem,
                                    .cert_pem = pair.cert_pem,
                                    .key_pem = pair.key_pem };
    struct err err = ERR_EMPTY;

    CHECK_INT(client_new(&e->client, &e->f.loop, &config, &err), 0);
    tls_pair_fini(&pair);
    opts.client = e->client;
    CHECK_INT(informer_new(&e->i, &e->f.loop, &opts, &err), 0);
    informer_listen(e->i, &listener);
    informer_start(e->i);
}

static const struct informer_opts maps_here = { .bucket = "configmaps", .ns = "default" };

static void ear_up(struct ear *e, const struct informer_opts *opts)
{
    memset(e, 0, sizeof(*e));
    server_fixture_up(&e->f);
    ear_start(e, opts);
}

static void ear_down(struct ear *e)
{
    informer_close(e->i);
    client_close(e->client);
    server_fixture_down(&e->f);
    text_fini(&e->heard);
}

#define HEARS(e, what)  CHECK_SOON(&(e).f.loop, strstr(text_str(&(e).heard), (what)) != NULL, 10000)
#define EAR_WRITE(...)  CHECK(registry_fixture_ask(&e.f.base, (struct ask){ __VA_ARGS__ }) < 300)
#define EAR_CREATE(...) EAR_WRITE(.verb = REGISTRY_CREATE, __VA_ARGS__)
#define EAR_MERGE(...)  EAR_WRITE(.verb = REGISTRY_PATCH, .patch = REGISTRY_MERGE_PATCH, __VA_ARGS__)
#define EAR_DELETE(...) EAR_WRITE(.verb = REGISTRY_DELETE, __VA_ARGS__)

TEST(informer, keeps_a_true_copy)
{
    struct ear e;
    size_t it = 0, n = 0;

    ear_up(&e, &maps_here);
    EAR_CREATE(.body = CONFIG("a", "{'x':'1'}"));
    CHECK(!informer_synced(e.i));
    HEARS(e, "synced");
    CHECK(informer_synced(e.i));
    CHECK(informer_connected(e.i));
    CHECK(informer_get(e.i, "default", "a") != NULL);
    EAR_CREATE(.body = CONFIG("b", "{}"));
    HEARS(e, "+b");
    EAR_MERGE(.name = "b", .body = "{'data':{'k':'v'}}");
    HEARS(e, "~b");
    CHECK(strstr(informer_get(e.i, "default", "b")->json, "\"k\":\"v\"") != NULL);
    CHECK_INT(informer_get(e.i, "default", "b")->revision, store_revision(e.f.base.s));
    EAR_DELETE(.name = "a");
    HEARS(e, "-a");
    CHECK(informer_get(e.i, "default", "a") == NULL);
    while (informer_next(e.i, &it) != NULL)
        n++;
    CHECK_INT(n, 2); /* b and the root CA */
    CHECK_INT(informer_count(e.i), 2);
    CHECK_INT(e.synced, 1);
    ear_down(&e);
}

TEST(informer, follows_its_selectors)
{
    struct ear e;
    struct informer_opts opts = { .bucket = "configmaps", .label_selector = "x in (1,2),!y" };

    ear_up(&e, &opts);
    HEARS(e, "synced");
    EAR_CREATE(.body = CONFIG("no", "{}"));
    EAR_CREATE(.ns = "kube-system", .body = "{'metadata':{'name':'a','labels':{'x':'1'}}}");
    HEARS(e, "+a");
    EAR_MERGE(.ns = "kube-system", .name = "a", .body = "{'metadata':{'labels':{'y':'1'}}}");
    HEARS(e, "-a");
    CHECK_INT(informer_count(e.i), 0);
    ear_down(&e);
}

TEST(informer, of_pods_by_node)
{
    struct ear e;
    struct informer_opts opts = { .bucket = "pods", .field_selector = "spec.nodeName=w1" };

    ear_up(&e, &opts);
    HEARS(e, "synced");
    EAR_CREATE(.bucket = "pods", .body = POD("p", ""));
    EAR_CREATE(.bucket = "pods", .sub = "binding", .name = "p", .body = "{'target':{'name':'w1'}}");
    HEARS(e, "+p");
    ear_down(&e);
}

TEST(informer, an_unknown_resource_is_refused)
{
    struct informer_opts opts = { .bucket = "zebras" };
    struct informer *i = NULL;
    struct err err = ERR_EMPTY;
    uv_loop_t loop;

    CHECK_INT(uv_loop_init(&loop), 0);
    CHECK_INT(informer_new(&i, &loop, &opts, &err), ERR_NOT_FOUND);
    loop_finish(&loop);
}

/* --- the server goes and comes --- */

TEST(informer, serves_what_it_knows_while_the_server_is_away)
{
    struct ear e;

    ear_up(&e, &maps_here);
    EAR_CREATE(.body = CONFIG("a", "{}"));
    HEARS(e, "synced");
    server_fixture_stop(&e.f);
    HEARS(e, "down");
    CHECK(!informer_connected(e.i));
    CHECK(informer_get(e.i, "default", "a") != NULL);
    ear_down(&e);
}

TEST(informer, resumes_where_it_was)
{
    struct ear e;

    ear_up(&e, &maps_here);
    EAR_CREATE(.body = CONFIG("a", "{}"));
    EAR_CREATE(.body = CONFIG("b", "{}"));
    HEARS(e, "synced");
    server_fixture_stop(&e.f);
    HEARS(e, "down");
    EAR_DELETE(.name = "a");
    EAR_MERGE(.name = "b", .body = "{'data':{'k':'v'}}");
    EAR_CREATE(.body = CONFIG("c", "{}"));
    text_clear(&e.heard);
    server_fixture_listen(&e.f);
    HEARS(e, "+c");
    CHECK_STR(text_str(&e.heard), "up -a ~b +c ");
    CHECK_INT(e.synced, 1);
    ear_down(&e);
}

/* Connected again although nothing happened meanwhile. */
TEST(informer, notices_the_server_s_return_in_silence)
{
    struct ear e;

    ear_up(&e, &maps_here);
    HEARS(e, "synced");
    server_fixture_stop(&e.f);
    HEARS(e, "down");
    text_clear(&e.heard);
    server_fixture_listen(&e.f);
    HEARS(e, "up");
    CHECK_STR(text_str(&e.heard), "up ");
    ear_down(&e);
}

TEST(informer, survives_a_restart_of_everything)
{
    struct ear e;

    ear_up(&e, &maps_here);
    EAR_CREATE(.body = CONFIG("a", "{}"));
    EAR_CREATE(.body = CONFIG("b", "{}"));
    HEARS(e, "synced");
    server_fixture_stop(&e.f);
    HEARS(e, "down");
    EAR_DELETE(.name = "a");
    EAR_CREATE(.body = CONFIG("a", "{}")); /* another one of the same name */
    EAR_DELETE(.name = "b");
    text_clear(&e.heard);
    registry_fixture_restart(&e.f.base);
    server_fixture_listen(&e.f);
    HEARS(e, "-b");
    CHECK(informer_get(e.i, "default", "a") != NULL);
    CHECK(informer_get(e.i, "default", "b") == NULL);
    CHECK_STR(informer_get(e.i, "default", "a")->uid,
              store_get(e.f.base.s, "configmaps", "default", "a")->uid);
    ear_down(&e);
}

/* --- relists --- */

TEST(informer, lists_anew_when_its_version_is_gone)
{
    struct ear e;

    ear_up(&e, &maps_here);
    EAR_CREATE(.body = CONFIG("a", "{}"));
    EAR_CREATE(.body = CONFIG("b", "{}"));
    HEARS(e, "synced");
    server_fixture_stop(&e.f);
    HEARS(e, "down");
    EAR_DELETE(.name = "a");
    for (int i = 0; i < 10050; i++) { /* more than the ring holds */
        cleanup(freep) char *body = mem_fmt("{'data':{'x':'%d'}}", i);

        EAR_MERGE(.name = "b", .body = body);
    }
    text_clear(&e.heard);
    server_fixture_listen(&e.f);
    HEARS(e, "-a");
    CHECK_STR(text_str(&e.heard), "up ~b -a ");
    CHECK_INT(e.synced, 1);
    EAR_CREATE(.body = CONFIG("c", "{}"));
    HEARS(e, "+c");
    ear_down(&e);
}

/* --- a server that behaves badly --- */

struct rogue {
    uv_loop_t loop;
    struct http_server *server;
    struct client *client;
    struct informer *i;
    const char *line; /* what a watch says, then its end; NULL = says nothing and stays */
    int lists, watches, list_status;
    bool closed;
    struct http_exchange *stream;
    struct http_exchange *hung[4]; /* asked and not answered; each must be in the end */
    unsigned n_hung;
};

static void rogue_on_gone(void *arg)
{
    ((struct rogue *)arg)->stream = NULL;
}

static void rogue_on_request(void *arg, struct http_exchange *x)
{
    struct rogue *r = arg;
    static const char list[] = "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":"
                               "{\"resourceVersion\":\"7\"},\"items\":[{\"metadata\":{\"name\":"
                               "\"p\",\"namespace\":\"d\",\"resourceVersion\":\"5\"}}]}";
    struct http_stream_listener listener = { .on_gone = rogue_on_gone, .arg = r };

    if (str_eq(http_path(x), "/hang")) {
        CHECK(r->n_hung < N_ELEMENTS(r->hung));
        r->hung[r->n_hung++] = x; /* as over a cut cable: neither an answer nor an end */
        return;
    }
    if (str_eq(http_path(x), "/ok")) {
        http_reply(x, 200, "application/json", "{}", 2);
        return;
    }
    if (http_query(x, "watch") == NULL) {
        r->lists++;
        http_reply(x, r->list_status, "application/json", list, sizeof(list) - 1);
        return;
    }
    r->watches++;
    r->stream = x;
    http_stream(x, 200, "application/json", &listener);
    if (r->line == NULL)
        return;
    http_write(x, r->line, strlen(r->line));
    http_end(x);
}

static void rogue_ignore(void *arg, const struct object *object, const struct object *before)
{
    (void)arg, (void)object, (void)before;
}

static void rogue_on_closed(void *arg)
{
    ((struct rogue *)arg)->closed = true;
}

static void rogue_up(struct rogue *r, const char *line, int list_status)
{
    struct http_server_opts opts = { .address = "127.0.0.1",
                                     .on_request = rogue_on_request,
                                     .arg = r };
    struct informer_listener listener = { .on_change = rogue_ignore, .arg = r };
    struct client_config config = { 0 };
    struct err err = ERR_EMPTY;

    memset(r, 0, sizeof(*r));
    r->line = line;
    r->list_status = list_status;
    CHECK_INT(uv_loop_init(&r->loop), 0);
    CHECK_INT(http_server_new(&r->server, &r->loop, &opts, &err), 0);
    config.server = mem_fmt("http://127.0.0.1:%u", http_server_port(r->server));
    CHECK_INT(client_new(&r->client, &r->loop, &config, &err), 0);
    client_config_fini(&config);
    CHECK_INT(informer_new(&r->i, &r->loop,
                           &(struct informer_opts){ .client = r->client, .bucket = "pods" }, &err),
              0);
    informer_listen(r->i, &listener);
    informer_start(r->i);
}

static void rogue_run(struct rogue *r, int ms)
{
    uint64_t until = uv_hrtime() / 1000000 + (uint64_t)ms;

    while (test_turn(&r->loop, until))
        ;
}

static void rogue_down(struct rogue *r)
{
    informer_close(r->i);
    client_close(r->client);
    for (unsigned i = 0; i < r->n_hung; i++)
        http_reply(r->hung[i], 503, "text/plain", "", 0);
    http_server_close(r->server, rogue_on_closed, r);
    CHECK_SOON(&r->loop, r->closed, 5000);
    loop_finish(&r->loop);
}

/* Whatever a server does, it is not asked in a tight circle. */
TEST(informer, does_not_hammer_a_server_that_refuses)
{
    static const struct {
        const char *line;
        int list_status;
    } rows[] = {
        { NULL, 500 },
        { "", 200 }, /* watches that end at once */
        { "not json\n", 200 },
        { "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n", 200 },
        { "{\"type\":\"ADDED\"", 200 }, /* cut in the middle */
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        struct rogue r;

        rogue_up(&r, rows[i].line, rows[i].list_status);
        rogue_run(&r, 400);
        CHECK(r.lists >= 1 && r.lists + r.watches < 25);
        CHECK_INT(informer_synced(r.i), rows[i].list_status == 200);
        rogue_down(&r);
    }
}

static void rogue_on_call(void *arg, int rc, int status, const json_t *body, const struct err *err)
{
    (void)status, (void)body, (void)err;
    *(int *)arg = rc;
}

/* A cable is cut and plugged in again: the watch hangs, and so does whatever was asked. */
TEST(informer, leaves_a_dead_stream_when_the_server_answers_again)
{
    struct rogue r;
    int old = 1, failed = 1, good = 1;

    rogue_up(&r, NULL, 200);
    CHECK_SOON(&r.loop, r.watches == 1, 5000);
    client_call(r.client, "GET", "/hang", NULL, NULL, rogue_on_call, &old);
    client_call_within(r.client, 1100, "GET", "/hang", NULL, NULL, rogue_on_call, &failed);
    CHECK_SOON(&r.loop, failed != 1, 5000);
    CHECK_INT(failed, ERR_TIMEOUT);
    CHECK_INT(old, 1);
    client_call(r.client, "GET", "/ok", NULL, NULL, rogue_on_call, &good);
    CHECK_SOON(&r.loop, good != 1, 5000);
    CHECK_INT(good, 0);
    CHECK_SOON(&r.loop, r.watches == 2, 1000);
    CHECK_INT(old, ERR_UNAVAILABLE);
    CHECK_INT(r.lists, 1);
    rogue_down(&r);
}

TEST(informer, bad_events_are_survived)
{
    static const char *const lines[] = {
        "\n\n\n",
        "{}\n",
        "[]\n",
        "null\n",
        "{\"type\":\"ADDED\"}\n",
        "{\"type\":\"ADDED\",\"object\":{}}\n",
        "{\"type\":\"ADDED\",\"object\":[]}\n",
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":5}}}\n",
        ("{\"type\":\"ADDED\",\"object\":"
         "{\"metadata\":{\"name\":\"q\",\"resourceVersion\":\"x\"}}}\n"),
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"none\"}}}\n",
        "{\"type\":\"NEWS\",\"object\":{}}\n",
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}\n",
    };

    for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
        struct rogue r;

        rogue_up(&r, lines[i], 200);
        CHECK_SOON(&r.loop, r.watches >= 2, 5000);
        CHECK_INT(informer_count(r.i), 1);
        rogue_down(&r);
    }
}

TEST(informer, may_end_at_any_time)
{
    struct rogue r;

    rogue_up(&r, NULL, 200); /* before the list */
    rogue_down(&r);
    rogue_up(&r, NULL, 200); /* during the watch */
    CHECK_SOON(&r.loop, r.stream != NULL, 5000);
    rogue_down(&r);
    rogue_up(&r, NULL, 500); /* while it waits */
    CHECK_SOON(&r.loop, r.lists == 1, 5000);
    rogue_run(&r, 50);
    rogue_down(&r);
}
