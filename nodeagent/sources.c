#include "nodeagent/sources.h"

#include "api/informer.h"
#include "base/bits.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

#define SOURCES_LINGER_MS     30000 /* a pod that is made anew finds everything at hand */
#define SOURCES_RETRY_MS      1000
#define SOURCES_PER_POLLED_MS 100 /* about ten questions a second, however many there are */

struct source {
    struct sources *owner;
    char *ns, *kind, *name; /* owned, as is the key of the map */
    unsigned n_holders;
    struct informer *informer; /* NULL: asked for now and then */
    struct client_call *call;  /* under way, or NULL */
    struct timer *timer;       /* the next question; or the end, when nobody holds it */
    bool known;                /* @tree is what the last answer said, and holds for a new pod */
    bool was_answered;         /* @tree is what an answer said */
    json_t *tree;              /* owned or NULL; until the informer knows better */
};

struct sources {
    uv_loop_t *loop;
    struct client *client;
    sources_change_fn on_change;
    void *arg;
    struct map *by_key; /* "ns/kind/name" to struct source */
    unsigned n_watches;
};

static char *source_key(const struct source_ref *ref)
{
    return mem_fmt("%s/%s/%s", ref->ns, ref->kind, ref->name);
}

static struct source *sources_find(const struct sources *s, const struct source_ref *ref)
{
    cleanup(freep) char *key = source_key(ref);

    return map_get(s->by_key, key);
}

static struct source_ref source_ref(const struct source *e)
{
    return (struct source_ref){ .ns = e->ns, .kind = e->kind, .name = e->name };
}

static void source_tell(struct source *e, bool is_news)
{
    struct source_ref ref = source_ref(e);

    if (e->n_holders > 0)
        e->owner->on_change(e->owner->arg, &ref, is_news);
}

/* --- watched --- */

static void source_on_change(void *arg, const struct object *object UNUSED,
                             const struct object *before UNUSED)
{
    struct source *e = arg;

    if (informer_synced(e->informer))
        source_tell(e, true);
}

static void source_on_synced(void *arg)
{
    struct source *e = arg;

    e->known = false; /* what was asked for before is out of date now */
    e->was_answered = false;
    json_decref(STEAL(e->tree));
    source_tell(e, true);
}

static void source_watch(struct source *e)
{
    cleanup(freep) char *field = mem_fmt("metadata.name=%s", e->name);
    struct informer_opts opts = {
        .client = e->owner->client, .bucket = e->kind, .ns = e->ns, .field_selector = field
    };
    struct informer_listener listener = { .on_change = source_on_change,
                                          .on_synced = source_on_synced,
                                          .arg = e };
    struct err err = ERR_EMPTY;
    int rc = informer_new(&e->informer, e->owner->loop, &opts, &err);

    assert(rc == 0); /* both kinds are of the schema */
    (void)rc;
    e->owner->n_watches++;
    informer_listen(e->informer, &listener);
    informer_start(e->informer);
}

/* --- asked for --- */

static int64_t source_pause(const struct source *e)
{
    int64_t least = (int64_t)map_len(e->owner->by_key) * SOURCES_PER_POLLED_MS;
    int64_t wanted = e->known ? SOURCES_POLL_MS : SOURCES_RETRY_MS;
    uint16_t jitter;

    /* Up to a quarter less or more: what was asked at once does not come at once for ever. */
    bits_random(&jitter, sizeof(jitter));
    wanted = least > wanted ? least : wanted;
    return wanted - wanted / 4 + wanted / 2 * jitter / UINT16_MAX;
}

static bool source_is_same(const json_t *a, const json_t *b)
{
    return str_eq(json_str_or(a, "metadata.uid", ""), json_str_or(b, "metadata.uid", "")) &&
           str_eq(json_str_or(a, "metadata.resourceVersion", ""),
                  json_str_or(b, "metadata.resourceVersion", ""));
}

static void source_on_answer(void *arg, int rc, int status, const json_t *body,
                             const struct err *err UNUSED)
{
    struct source *e = arg;

    e->call = NULL;
    if ((rc == 0 && body != NULL) || status == 404) {
        json_t *tree = rc == 0 ? json_deep_copy(body) : NULL;
        bool waited_for = !e->known;
        bool is_news = !e->was_answered || !source_is_same(tree, e->tree);

        json_decref(e->tree);
        e->tree = tree;
        e->known = e->was_answered = true;
        timer_start(e->timer, source_pause(e));
        if (is_news || waited_for)
            source_tell(e, is_news);
        return;
    }
    timer_start(e->timer, source_pause(e));
}

static void source_ask(struct source *e)
{
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/%s/%s", e->ns, e->kind, e->name);

    timer_stop(e->timer);
    e->call = client_call(e->owner->client, "GET", path, NULL, NULL, source_on_answer, e);
}

/* --- life --- */

static void source_stop(struct source *e)
{
    timer_stop(e->timer);
    if (e->informer != NULL)
        e->owner->n_watches--;
    e->informer = informer_close(e->informer);
    if (e->call != NULL)
        client_call_cancel(STEAL(e->call));
}

static void source_free(void *value)
{
    struct source *e = value;

    source_stop(e);
    timer_close(e->timer);
    json_decref(e->tree);
    free(e->ns);
    free(e->kind);
    free(e->name);
    free(e);
}

static void sources_forget(struct sources *s, const struct source *e)
{
    struct source_ref ref = source_ref(e);
    cleanup(freep) char *key = source_key(&ref);

    map_del(s->by_key, key);
}

/* A watch that nobody needs any more makes room for one that somebody needs. */
static bool sources_has_room(struct sources *s)
{
    const char *key;
    void *value;

    if (s->n_watches < SOURCES_WATCHES)
        return true;
    for (size_t it = 0; map_each(s->by_key, &it, &key, &value);) {
        struct source *e = value;

        if (e->n_holders == 0) {
            sources_forget(s, e);
            return true;
        }
    }
    return false;
}

static void source_begin(struct source *e)
{
    if (sources_has_room(e->owner))
        source_watch(e);
    else
        source_ask(e);
}

static void source_on_timer(void *arg)
{
    struct source *e = arg;

    if (e->n_holders == 0)
        sources_forget(e->owner, e);
    else
        source_begin(e);
}

static struct source *sources_add(struct sources *s, const struct source_ref *ref)
{
    cleanup(freep) char *key = source_key(ref);
    struct source *e = MEM_NEW(struct source);

    assert(str_eq(ref->kind, "configmaps") || str_eq(ref->kind, "secrets"));
    e->owner = s;
    e->ns = mem_str(ref->ns);
    e->kind = mem_str(ref->kind);
    e->name = mem_str(ref->name);
    e->timer = timer_new(s->loop, source_on_timer, e);
    map_put(s->by_key, key, e);
    return e;
}

void sources_hold(struct sources *s, const struct source_ref *ref)
{
    struct source *e = sources_find(s, ref);
    bool is_new = e == NULL;
    bool is_followed = !is_new && e->informer != NULL &&
                       (e->n_holders > 0 || informer_connected(e->informer));

    if (is_new)
        e = sources_add(s, ref);
    if (e->n_holders++ == 0)
        timer_stop(e->timer);
    if (is_followed)
        return;
    /* A new pod starts with what is there now, not with what was there a while ago. */
    source_stop(e);
    e->known = false;
    source_begin(e);
}

void sources_drop(struct sources *s, const struct source_ref *ref)
{
    struct source *e = sources_find(s, ref);

    assert(e != NULL && e->n_holders > 0);
    if (--e->n_holders > 0)
        return;
    if (e->informer != NULL)
        timer_start(e->timer, SOURCES_LINGER_MS);
    else
        sources_forget(s, e);
}

struct sources *sources_new(uv_loop_t *loop, struct client *client, sources_change_fn on_change,
                            void *arg)
{
    struct sources *s = MEM_NEW(struct sources);

    s->loop = loop;
    s->client = client;
    s->on_change = on_change;
    s->arg = arg;
    s->by_key = map_new(source_free);
    return s;
}

struct sources *sources_close(struct sources *s)
{
    if (s == NULL)
        return NULL;
    map_free(s->by_key);
    free(s);
    return NULL;
}

/* --- use --- */

static bool source_ready(const struct source *e)
{
    return e->known || (e->informer != NULL && informer_synced(e->informer));
}

bool sources_ready(const struct sources *s, const struct source_ref *ref)
{
    const struct source *e = sources_find(s, ref);

    return e != NULL && source_ready(e);
}

json_t *sources_get(const struct sources *s, const struct source_ref *ref)
{
    const struct source *e = sources_find(s, ref);
    const struct object *o;
    json_t *tree = NULL;

    if (e == NULL || !source_ready(e))
        return NULL;
    if (e->known)
        return e->tree != NULL ? json_deep_copy(e->tree) : NULL;
    o = informer_get(e->informer, e->ns, e->name);
    if (o == NULL)
        return NULL;
    tree = object_tree(o);
    /* Items of a list carry no kind; readers tell the two by it. */
    if (json_str(tree, "kind") == NULL)
        json_put_str(tree, "kind", str_eq(e->kind, "secrets") ? "Secret" : "ConfigMap");
    return tree;
}

unsigned sources_watches(const struct sources *s)
{
    return s->n_watches;
}
