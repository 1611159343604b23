/* layer: nodeagent */
#include "nodeagent/sources.h"

#include "tests/unit/server_fixture.h"

struct follower {
    struct server_fixture f;
    struct client *client;
    struct sources *s;
    struct text told; /* "secrets/a configmaps/b =secrets/a " */
};

static void follower_on_change(void *arg, const struct source_ref *ref, bool is_news)
{
    struct follower *x = arg;

    CHECK(sources_ready(x->s, ref));
    text_fmt(&x->told, "%s%s/%s ", is_news ? "" : "=", ref->kind, ref->name);
}

static void follower_up(struct follower *x, const char *cn, const char *org)
{
    struct client_config config = { 0 };
    struct tls_pair pair;
    struct err err = ERR_EMPTY;

    memset(x, 0, sizeof(*x));
    server_fixture_up(&x->f);
    pair = server_fixture_issue(&x->f, cn, org, false);
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u", x->f.port);
    config = (struct client_config){ .server = url,
                                     .ca_pem = x->f.ca.cert_pem,
                                     .cert_pem = pair.cert_pem,
                                     .key_pem = pair.key_pem };
    CHECK_INT(client_new(&x->client, &x->f.loop, &config, &err), 0);
    tls_pair_fini(&pair);
    x->s = sources_new(&x->f.loop, x->client, follower_on_change, x);
}

static void follower_down(struct follower *x)
{
    sources_close(x->s);
    client_close(x->client);
    server_fixture_down(&x->f);
    text_fini(&x->told);
}

static struct source_ref secret_called(const char *name)
{
    return (struct source_ref){ .ns = "default", .kind = "secrets", .name = name };
}

static void follower_write(struct follower *x, enum registry_verb verb, const char *name,
                           const char *value)
{
    cleanup(freep) char *create = mem_fmt("{'metadata':{'name':'%s'},'stringData':{'k':'%s'}}",
                                          name, value != NULL ? value : "");
    cleanup(freep) char *merge = mem_fmt("{'stringData':{'k':'%s'}}", value != NULL ? value : "");
    struct ask ask = { .verb = verb,
                       .bucket = "secrets",
                       .name = verb == REGISTRY_CREATE ? NULL : name,
                       .patch = REGISTRY_MERGE_PATCH,
                       .body = verb == REGISTRY_CREATE  ? create
                               : verb == REGISTRY_PATCH ? merge
                                                        : NULL };

    CHECK(registry_fixture_ask(&x->f.base, ask) < 300);
}

/* "" while it is not known, "-" when it is not there. */
static const char *follower_sees(struct follower *x, const struct source_ref *ref)
{
    static char text[64];
    cleanup(json_decrefpp) json_t *tree = sources_get(x->s, ref);

    snprintf(text, sizeof(text), "%s",
             tree != NULL               ? json_str_or(tree, "data.k", "?")
             : sources_ready(x->s, ref) ? "-"
                                        : "");
    return text;
}

#define SEES(x, ref, want) \
    CHECK_SOON(&(x).f.loop, str_eq(follower_sees(&(x), &(ref)), (want)), 20000)
#define ONE "MQ==" /* of 1, 2 */
#define TWO "Mg=="

TEST(sources, a_node_follows_what_its_pod_refers_to)
{
    struct follower x;
    struct source_ref mine = secret_called("mine"), other = secret_called("other");

    follower_up(&x, "system:node:w1", "system:nodes");
    follower_write(&x, REGISTRY_CREATE, "mine", "1");
    follower_write(&x, REGISTRY_CREATE, "other", "1");
    CHECK(registry_fixture_ask(
              &x.f.base, (struct ask){ .verb = REGISTRY_CREATE,
                                       .bucket = "pods",
                                       .body = "{'metadata':{'name':'p'},'spec':{'nodeName':'w1',"
                                               "'containers':[{'name':'c','image':'x','envFrom':[{"
                                               "'secretRef':{'name':'mine'}}]}]}}" }) < 300);
    sources_hold(x.s, &mine);
    sources_hold(x.s, &other);
    CHECK(!sources_ready(x.s, &mine));
    SEES(x, mine, ONE);
    follower_write(&x, REGISTRY_PATCH, "other", "2");
    follower_write(&x, REGISTRY_PATCH, "mine", "2");
    SEES(x, mine, TWO);
    follower_write(&x, REGISTRY_DELETE, "mine", NULL);
    SEES(x, mine, "-");
    follower_write(&x, REGISTRY_CREATE, "mine", "1");
    SEES(x, mine, ONE);
    CHECK(str_starts(text_str(&x.told), "secrets/mine secrets/mine "));
    CHECK(strstr(text_str(&x.told), "other") == NULL);
    CHECK(!sources_ready(x.s, &other));
    follower_down(&x);
}

TEST(sources, what_is_not_there_is_known_to_be_missing)
{
    struct follower x;
    struct source_ref ref = { .ns = "default", .kind = "configmaps", .name = "none" };

    follower_up(&x, "ann", "system:masters");
    sources_hold(x.s, &ref);
    SEES(x, ref, "-");
    CHECK_STR(text_str(&x.told), "configmaps/none ");
    follower_down(&x);
}

TEST(sources, a_pod_that_comes_back_waits_for_nothing)
{
    struct follower x;
    struct source_ref ref = secret_called("s");

    follower_up(&x, "ann", "system:masters");
    follower_write(&x, REGISTRY_CREATE, "s", "1");
    sources_hold(x.s, &ref);
    sources_hold(x.s, &ref);
    CHECK_INT(sources_watches(x.s), 1);
    SEES(x, ref, ONE);
    sources_drop(x.s, &ref);
    sources_drop(x.s, &ref);
    text_clear(&x.told);
    follower_write(&x, REGISTRY_PATCH, "s", "2");
    SEES(x, ref, TWO);
    CHECK_STR(text_str(&x.told), ""); /* there is nobody to tell */
    sources_hold(x.s, &ref);
    CHECK(sources_ready(x.s, &ref));
    follower_down(&x);
}

TEST(sources, what_is_too_much_to_watch_is_asked_for)
{
    struct follower x;
    char names[SOURCES_WATCHES + 1][8];
    struct source_ref refs[SOURCES_WATCHES + 1], late = secret_called("late");
    struct source_ref *last = &refs[SOURCES_WATCHES];

    follower_up(&x, "ann", "system:masters");
    follower_write(&x, REGISTRY_CREATE, "late", "1");
    for (size_t i = 0; i < N_ELEMENTS(refs); i++) {
        snprintf(names[i], sizeof(names[i]), "s%zu", i);
        refs[i] = secret_called(names[i]);
        follower_write(&x, REGISTRY_CREATE, names[i], "1");
        sources_hold(x.s, &refs[i]);
    }
    CHECK_INT(sources_watches(x.s), SOURCES_WATCHES);
    for (size_t i = 0; i < N_ELEMENTS(refs); i++)
        SEES(x, refs[i], ONE);
    /* A new pod does not start with what was there a while ago. */
    follower_write(&x, REGISTRY_PATCH, last->name, "2");
    sources_hold(x.s, last);
    CHECK(!sources_ready(x.s, last));
    SEES(x, *last, TWO);
    text_clear(&x.told);
    sources_hold(x.s, last);
    SEES(x, *last, TWO);
    CHECK_STR(text_str(&x.told), "=secrets/s32 ");
    /* The others hear of it in time. */
    text_clear(&x.told);
    follower_write(&x, REGISTRY_PATCH, last->name, "1");
    SEES(x, *last, ONE);
    CHECK_STR(text_str(&x.told), "secrets/s32 ");
    /* A watch that nobody needs is given up for one that somebody needs. */
    sources_drop(x.s, &refs[3]);
    CHECK(sources_ready(x.s, &refs[3]));
    sources_hold(x.s, &late);
    CHECK_INT(sources_watches(x.s), SOURCES_WATCHES);
    CHECK(!sources_ready(x.s, &refs[3]));
    SEES(x, late, ONE);
    /* Of what is asked for nothing is kept. */
    sources_drop(x.s, last);
    sources_drop(x.s, last);
    sources_drop(x.s, last);
    CHECK(!sources_ready(x.s, last));
    follower_down(&x);
}
