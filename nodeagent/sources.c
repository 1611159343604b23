#include "nodeagent/sources.h"

#include "api/informer.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

enum { SOURCES_CONFIGMAPS, SOURCES_SECRETS, SOURCES_KINDS };

static const struct {
    const char *bucket, *field_selector;
} source_kinds[SOURCES_KINDS] = {
    [SOURCES_CONFIGMAPS] = { "configmaps", NULL },
    [SOURCES_SECRETS] = { "secrets", "type!=helm.sh/release.v1" },
};

struct source_ns {
    struct sources *owner;
    char *ns;
    unsigned n_holders;
    struct informer *informers[SOURCES_KINDS];
};

struct sources {
    uv_loop_t *loop;
    struct client *client;
    sources_change_fn on_change;
    void *arg;
    struct map *by_ns; /* to struct source_ns */
};

static void source_ns_free(void *value)
{
    struct source_ns *n = value;

    for (size_t i = 0; i < SOURCES_KINDS; i++)
        if (n->informers[i] != NULL)
            informer_close(n->informers[i]);
    free(n->ns);
    free(n);
}

struct sources *sources_new(uv_loop_t *loop, struct client *client, sources_change_fn on_change,
                            void *arg)
{
    struct sources *s = MEM_NEW(struct sources);

    s->loop = loop;
    s->client = client;
    s->on_change = on_change;
    s->arg = arg;
    s->by_ns = map_new(source_ns_free);
    return s;
}

struct sources *sources_close(struct sources *s)
{
    if (s == NULL)
        return NULL;
    map_free(s->by_ns);
    free(s);
    return NULL;
}

static void source_ns_tell(struct source_ns *n)
{
    n->owner->on_change(n->owner->arg, n->ns);
}

static void source_ns_on_change(void *arg, const struct object *object UNUSED,
                                const struct object *before UNUSED)
{
    struct source_ns *n = arg;

    /* During the first list nobody needs to hear of every single one. */
    if (sources_ready(n->owner, n->ns))
        source_ns_tell(n);
}

static void source_ns_on_synced(void *arg)
{
    source_ns_tell(arg);
}

static void source_ns_start(struct source_ns *n)
{
    for (size_t i = 0; i < SOURCES_KINDS; i++) {
        struct informer_opts opts = { .client = n->owner->client,
                                      .bucket = source_kinds[i].bucket,
                                      .ns = n->ns,
                                      .field_selector = source_kinds[i].field_selector };
        struct informer_listener listener = { .on_change = source_ns_on_change,
                                              .on_synced = source_ns_on_synced,
                                              .arg = n };
        struct err err = ERR_EMPTY;

        if (informer_new(&n->informers[i], n->owner->loop, &opts, &err) < 0) {
            log_error("no informer", KV("kind", "%s", source_kinds[i].bucket), KV_ERR(&err));
            continue;
        }
        informer_listen(n->informers[i], &listener);
        informer_start(n->informers[i]);
    }
}

void sources_hold(struct sources *s, const char *ns)
{
    struct source_ns *n = map_get(s->by_ns, ns);

    if (n == NULL) {
        n = MEM_NEW(struct source_ns);
        n->owner = s;
        n->ns = mem_str(ns);
        map_put(s->by_ns, ns, n);
        source_ns_start(n);
    }
    n->n_holders++;
}

void sources_drop(struct sources *s, const char *ns)
{
    struct source_ns *n = map_get(s->by_ns, ns);

    assert(n != NULL && n->n_holders > 0);
    if (--n->n_holders == 0)
        map_del(s->by_ns, ns);
}

bool sources_ready(const struct sources *s, const char *ns)
{
    const struct source_ns *n = map_get(s->by_ns, ns);

    for (size_t i = 0; i < SOURCES_KINDS; i++)
        if (n == NULL || n->informers[i] == NULL || !informer_synced(n->informers[i]))
            return false;
    return true;
}

json_t *sources_get(const struct sources *s, const char *ns, const char *kind, const char *name)
{
    const struct source_ns *n = map_get(s->by_ns, ns);

    for (size_t i = 0; n != NULL && i < SOURCES_KINDS; i++) {
        const struct object *o;
        json_t *tree;

        if (!str_eq(source_kinds[i].bucket, kind) || n->informers[i] == NULL)
            continue;
        o = informer_get(n->informers[i], ns, name);
        if (o == NULL)
            return NULL;
        tree = object_tree(o);
        /* Items of a list carry no kind; readers tell the two by it. */
        if (json_str(tree, "kind") == NULL)
            json_put_str(tree, "kind", i == SOURCES_SECRETS ? "Secret" : "ConfigMap");
        return tree;
    }
    return NULL;
}
