#include "nodeagent/pod_lookup.h"

#include "api/pod_refs.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "nodeagent/volume.h"

#include <assert.h>
#include <string.h>

#define LOOKUP_RETRY_MS       2000 /* a claim that is not bound yet, a server that is away */
#define LOOKUP_TOKEN_S        3600
#define LOOKUP_REFRESH_MIN_MS 60000

/* One claim, token or RuntimeClass: asked for until it is there; tokens again before they run out. */
struct lookup_item {
    struct list link;
    struct pod_lookup *owner;
    char *key;            /* in the cache: "claim/data", "token/volume/path", "runtime/gvisor" */
    const json_t *source; /* of a token; borrowed from the pod.  NULL: something else */
    char *claim;          /* NULL: something else */
    struct client_call *call;
    struct timer *timer;
    bool was_answered; /* also when the answer was no */
    struct err err;    /* of the last try */
};

struct pod_lookup {
    struct pod_lookup_opts opts;
    json_t *cache;     /* owned object */
    bool is_of_record; /* while refs are made: the cache came with the pod and is whole */
    struct map *refs;  /* "secrets/name" to struct lookup_ref, each held in the sources */
    struct list items;
};

struct lookup_ref {
    struct sources *sources;
    struct source_ref ref; /* ns is the pod's, kind a literal */
    char *name;
    bool was_ready;
};

static void lookup_ask(struct lookup_item *item);

/* --- what the pod needs --- */

static void lookup_ref_free(void *value)
{
    struct lookup_ref *r = value;

    sources_drop(r->sources, &r->ref);
    free(r->name);
    free(r);
}

static bool lookup_hold(void *arg, const char *resource, const char *name)
{
    struct pod_lookup *l = arg;
    cleanup(freep) char *key = mem_fmt("%s/%s", resource, name);
    struct lookup_ref *r;

    if (str_eq(resource, "persistentvolumeclaims") || map_get(l->refs, key) != NULL)
        return false;
    r = MEM_NEW(struct lookup_ref);
    r->sources = l->opts.sources;
    r->name = mem_str(name);
    r->ref = (struct source_ref){ .ns = l->opts.pod->ns, .kind = resource, .name = r->name };
    r->was_ready = l->is_of_record;
    map_put(l->refs, key, r);
    sources_hold(r->sources, &r->ref);
    return false;
}

static char *lookup_token_key(const char *volume, const json_t *source)
{
    return mem_fmt("token/%s/%s", volume, json_str_or(source, "path", "token"));
}

static struct lookup_item *lookup_add(struct pod_lookup *l, char *key, const json_t *source,
                                      char *claim)
{
    struct lookup_item *item = MEM_NEW(struct lookup_item);

    item->owner = l;
    item->key = key;
    item->source = source;
    item->claim = claim;
    list_add_tail(&l->items, &item->link);
    return item;
}

static void lookup_collect(struct pod_lookup *l)
{
    const char *runtime = json_str(l->opts.pod->spec, "runtimeClassName");
    size_t i, k;
    json_t *volume, *source;

    if (runtime != NULL)
        lookup_add(l, mem_fmt("runtime/%s", runtime), NULL, NULL);
    json_array_foreach (json_at(l->opts.pod->spec, "volumes"), i, volume) {
        char *claim = volume_claim(l->opts.pod, volume);

        if (claim != NULL)
            lookup_add(l, mem_fmt("claim/%s", claim), NULL, claim);
        json_array_foreach (json_at(volume, "projected.sources"), k, source) {
            const json_t *token = json_at(source, "serviceAccountToken");

            if (token != NULL)
                lookup_add(l, lookup_token_key(json_str_or(volume, "name", ""), token), token,
                           NULL);
        }
    }
}

/* --- asking --- */

static void lookup_retry(void *arg)
{
    lookup_ask(arg);
}

static void lookup_answered(struct lookup_item *item, int64_t again_ms)
{
    struct pod_lookup *l = item->owner;

    item->was_answered = true;
    if (again_ms > 0)
        timer_start(item->timer, again_ms);
    l->opts.on_change(l->opts.arg);
}

/* What is kept as it came: volumes, RuntimeClasses. */
static void lookup_on_object(void *arg, int rc, int status UNUSED, const json_t *body,
                             const struct err *err)
{
    struct lookup_item *item = arg;

    item->call = NULL;
    if (rc < 0)
        item->err = *err;
    else
        json_object_set_new(item->owner->cache, item->key, json_deep_copy(body));
    lookup_answered(item, rc < 0 ? LOOKUP_RETRY_MS : 0);
}

static void lookup_on_claim(void *arg, int rc, int status UNUSED, const json_t *body,
                            const struct err *err)
{
    struct lookup_item *item = arg;
    const char *volume = json_str_or(body, "spec.volumeName", "");
    cleanup(freep) char *path = mem_fmt("/api/v1/persistentvolumes/%s", volume);

    item->call = NULL;
    if (rc < 0)
        item->err = *err;
    else if (volume[0] == '\0' || !str_eq(json_str(body, "status.phase"), "Bound"))
        rc = err_set(&item->err, ERR_UNAVAILABLE, "persistentvolumeclaim \"%s\" is not bound",
                     item->claim);
    if (rc < 0)
        lookup_answered(item, LOOKUP_RETRY_MS);
    else
        item->call = client_call(item->owner->opts.client, "GET", path, NULL, NULL,
                                 lookup_on_object, item);
}

static void lookup_on_token(void *arg, int rc, int status UNUSED, const json_t *body,
                            const struct err *err)
{
    struct lookup_item *item = arg;
    const char *token = json_str(body, "status.token");
    int64_t expires_ms, left_ms = LOOKUP_TOKEN_S * 1000;

    item->call = NULL;
    if (rc < 0 || token == NULL) {
        if (rc < 0)
            item->err = *err;
        else
            err_set(&item->err, ERR_PROTOCOL, "the answer holds no token");
        lookup_answered(item, LOOKUP_RETRY_MS);
        return;
    }
    json_object_set_new(item->owner->cache, item->key, json_string(token));
    if (clock_parse(json_str_or(body, "status.expirationTimestamp", ""), &expires_ms))
        left_ms = expires_ms - clock_wall_ms();
    /* Renewed at four fifths of its life, as the kubelet does. */
    left_ms = left_ms / 5 * 4;
    lookup_answered(item, left_ms < LOOKUP_REFRESH_MIN_MS ? LOOKUP_REFRESH_MIN_MS : left_ms);
}

static void lookup_ask_token(struct lookup_item *item)
{
    const struct pod_view *pod = item->owner->opts.pod;
    const char *audience = json_str(item->source, "audience");
    cleanup(freep) char *path = mem_fmt("/api/v1/namespaces/%s/serviceaccounts/%s/token", pod->ns,
                                        json_str_or(pod->spec, "serviceAccountName", "default"));
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s, s:s, s:{s:I, s:{s:s, s:s, s:s, s:s}}}", "apiVersion", "authentication.k8s.io/v1",
        "kind", "TokenRequest", "spec", "expirationSeconds",
        (json_int_t)json_int(item->source, "expirationSeconds", LOOKUP_TOKEN_S), "boundObjectRef",
        "kind", "Pod", "apiVersion", "v1", "name", pod->name, "uid", pod->uid);

    json_put(body, "spec.audiences",
             str_empty(audience) ? json_array() : json_pack("[s]", audience));
    item->call = client_call(item->owner->opts.client, "POST", path, "application/json", body,
                             lookup_on_token, item);
}

static void lookup_ask(struct lookup_item *item)
{
    const struct pod_view *pod = item->owner->opts.pod;

    assert(item->call == NULL);
    if (item->source != NULL) {
        lookup_ask_token(item);
        return;
    }
    cleanup(freep) char *path = item->claim != NULL
                                    ? mem_fmt("/api/v1/namespaces/%s/persistentvolumeclaims/%s",
                                              pod->ns, item->claim)
                                    : mem_fmt("/apis/node.k8s.io/v1/runtimeclasses/%s",
                                              json_str_or(pod->spec, "runtimeClassName", ""));

    item->call = client_call(item->owner->opts.client, "GET", path, NULL, NULL,
                             item->claim != NULL ? lookup_on_claim : lookup_on_object, item);
}

/* --- life --- */

struct pod_lookup *pod_lookup_new(const struct pod_lookup_opts *opts)
{
    struct pod_lookup *l = MEM_NEW(struct pod_lookup);

    l->opts = *opts;
    pod_view_ref(opts->pod);
    l->cache = opts->cache != NULL ? opts->cache : json_object();
    l->is_of_record = json_object_size(opts->cache) > 0;
    l->refs = map_new(lookup_ref_free);
    list_init(&l->items);
    pod_refs_each(opts->pod->tree, lookup_hold, l);
    l->is_of_record = false; /* what follows is new */
    lookup_collect(l);
    LIST_EACH (it, &l->items) {
        struct lookup_item *item = list_entry(it, struct lookup_item, link);

        item->timer = timer_new(opts->loop, lookup_retry, item);
        /* A volume does not change behind its claim; a token of before may have run out. */
        if (item->source != NULL || json_object_get(l->cache, item->key) == NULL)
            lookup_ask(item);
    }
    return l;
}

void pod_lookup_follow(struct pod_lookup *l, const struct pod_view *pod)
{
    pod_refs_each(pod->tree, lookup_hold, l);
}

struct pod_lookup *pod_lookup_close(struct pod_lookup *l)
{
    if (l == NULL)
        return NULL;
    LIST_EACH_SAFE (it, &l->items) {
        struct lookup_item *item = list_entry(it, struct lookup_item, link);

        if (item->call != NULL)
            client_call_cancel(item->call);
        timer_close(item->timer);
        free(item->key);
        free(item->claim);
        free(item);
    }
    map_free(l->refs);
    json_decref(l->cache);
    pod_view_unref(l->opts.pod);
    free(l);
    return NULL;
}

void pod_lookup_rest(struct pod_lookup *l)
{
    map_free(l->refs);
    l->refs = map_new(lookup_ref_free);
}

/* --- use --- */

bool pod_lookup_refers(const struct pod_lookup *l, const struct source_ref *ref)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ref->kind, ref->name);

    return str_eq(ref->ns, l->opts.pod->ns) && map_get(l->refs, key) != NULL;
}

bool pod_lookup_ready(struct pod_lookup *l)
{
    const char *key;
    void *value;

    for (size_t it = 0; map_each(l->refs, &it, &key, &value);) {
        struct lookup_ref *r = value;

        /* What a pod had once it keeps. */
        r->was_ready = r->was_ready || sources_ready(l->opts.sources, &r->ref);
        if (!r->was_ready)
            return false;
    }
    LIST_EACH (it, &l->items) {
        const struct lookup_item *item = list_entry(it, const struct lookup_item, link);

        if (!item->was_answered && json_object_get(l->cache, item->key) == NULL)
            return false;
    }
    return true;
}

const json_t *pod_lookup_find(void *lookup, const char *kind, const char *name)
{
    struct pod_lookup *l = lookup;
    cleanup(freep) char *key = mem_fmt("%s/%s", kind, name);
    const struct lookup_ref *r = map_get(l->refs, key);
    json_t *tree;

    if (r == NULL || !sources_ready(l->opts.sources, &r->ref))
        return json_object_get(l->cache, key);
    tree = sources_get(l->opts.sources, &r->ref);
    /* The cache owns it until the next change replaces it. */
    if (tree == NULL)
        json_object_del(l->cache, key);
    else
        json_object_set_new(l->cache, key, tree);
    return tree;
}

const char *pod_lookup_token(void *lookup, const char *volume, const json_t *source)
{
    struct pod_lookup *l = lookup;
    cleanup(freep) char *key = lookup_token_key(volume, source);

    return json_string_value(json_object_get(l->cache, key));
}

const json_t *pod_lookup_claim(void *lookup, const char *claim, struct err *err)
{
    struct pod_lookup *l = lookup;
    cleanup(freep) char *key = mem_fmt("claim/%s", claim);
    const json_t *volume = json_object_get(l->cache, key);

    if (volume != NULL)
        return volume;
    err_set(err, ERR_UNAVAILABLE, "persistentvolumeclaim \"%s\" is not known yet", claim);
    LIST_EACH (it, &l->items) {
        const struct lookup_item *item = list_entry(it, const struct lookup_item, link);

        if (str_eq(item->key, key) && item->err.code != 0)
            *err = item->err;
    }
    return NULL;
}

const char *pod_lookup_handler(const struct pod_lookup *l)
{
    const char *name = json_str(l->opts.pod->spec, "runtimeClassName");
    cleanup(freep) char *key = mem_fmt("runtime/%s", name != NULL ? name : "");

    if (name == NULL)
        return "";
    return json_str(json_object_get(l->cache, key), "handler");
}

char *pod_lookup_cache(const struct pod_lookup *l)
{
    size_t len;

    return json_print(l->cache, &len);
}
