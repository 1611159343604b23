/* ExternalSecrets: a Secret of what the store holds, made again when it is due.
 *
 * As External Secrets Operator: what is there is left alone until the refresh interval has
 * passed, the ExternalSecret itself changed, or somebody changed the Secret; what failed is
 * looked at again with every change that may help. */
#include "controlplane/externalsecret_impl.h"

#include "api/conditions.h"
#include "api/secret_store.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define EXTERNAL_INTERVAL_MIN_MS 1000
#define EXTERNAL_SYNCED_MAX      48

/* --- when --- */

/* "3-0123456789ab": what of the ExternalSecret the Secret was made of. */
static void external_synced(char ret[EXTERNAL_SYNCED_MAX], const struct external *x)
{
    const json_t *metadata = json_object_get(x->tree, "metadata");
    cleanup(json_decrefpp) json_t *said = json_object();
    cleanup(freep) char *text = NULL;
    char hash[BITS_SHA256_HEX];

    json_object_set(said, "labels", json_object_get(metadata, "labels"));
    json_object_set(said, "annotations", json_object_get(metadata, "annotations"));
    text = json_print_sorted(said, NULL);
    bits_sha256_hex(hash, text, strlen(text));
    snprintf(ret, EXTERNAL_SYNCED_MAX, "%lld-%.12s", (long long)x->object->generation, hash);
}

/* How long what is there is good for: -1 for ever, 0 it is due. */
static int64_t external_rest(const struct external *x, const struct object *have, int64_t now_ms)
{
    const char *policy = json_str_or(x->spec, "refreshPolicy", "Periodic");
    const char *time = json_str(x->tree, "status.refreshTime");
    char synced[EXTERNAL_SYNCED_MAX];
    int64_t interval = 0, at;

    external_synced(synced, x);
    if (time == NULL || !clock_parse(time, &at) ||
        !condition_is(json_object_get(x->tree, "status"), "Ready", "True"))
        return 0;
    if (!str_eq(x->creation, "None") && have == NULL)
        return 0;
    if (str_eq(policy, "CreatedOnce"))
        return -1;
    if (!str_eq(json_str(x->tree, "status.syncedResourceVersion"), synced) ||
        (have != NULL && !str_eq(x->creation, "None") && !external_target_holds(x, have)))
        return 0;
    duration_parse(json_str_or(x->spec, "refreshInterval", "1h"), &interval);
    if (str_eq(policy, "OnChange") || interval <= 0)
        return -1;
    if (interval < EXTERNAL_INTERVAL_MIN_MS)
        interval = EXTERNAL_INTERVAL_MIN_MS;
    /* A time to come: the clock was wrong once. */
    return at > now_ms || now_ms >= at + interval ? 0 : at + interval - now_ms;
}

/* --- status --- */

struct external_word {
    const char *status, *reason, *message;
    bool is_fresh; /* it was read just now */
};

static bool external_says(const struct external *x, const struct external_word *w)
{
    const json_t *c = condition_get(json_object_get(x->tree, "status"), "Ready");

    return str_eq(json_str(c, "status"), w->status) && str_eq(json_str(c, "reason"), w->reason) &&
           str_eq(json_str(c, "message"), w->message);
}

static void external_say(struct plan *ret, const struct external *x, const struct external_word *w,
                         int64_t now_ms)
{
    json_t *tree, *status;
    char time[CLOCK_TEXT_MAX], synced[EXTERNAL_SYNCED_MAX];

    if (!w->is_fresh && external_says(x, w))
        return;
    tree = json_deep_copy(x->tree);
    if (json_object_get(tree, "status") == NULL)
        json_object_set_new(tree, "status", json_object());
    status = json_object_get(tree, "status");
    condition_set(status, "Ready", w->status, w->reason, w->message, now_ms);
    if (w->is_fresh) {
        clock_print(time, now_ms);
        external_synced(synced, x);
        json_put_str(status, "refreshTime", time);
        json_put_str(status, "syncedResourceVersion", synced);
        if (!str_eq(x->creation, "None"))
            json_put_str(status, "binding.name", x->target);
    }
    plan_status(ret, x->object, tree);
}

static void external_fail(struct plan *ret, const struct external *x, const char *message,
                          int64_t now_ms)
{
    struct external_word w = { "False", "SecretSyncedError", message, false };

    if (external_says(x, &w))
        return;
    plan_event(ret, x->object, true, EXTERNAL_NAME, "UpdateFailed", "%s", message);
    external_say(ret, x, &w, now_ms);
}

/* --- what --- */

/* Secrets that were made under another name. */
static void external_drop_others(struct plan *ret, const struct external *x)
{
    const struct object *const *owned = view_owned(x->view, "secrets", x->object->uid, NULL);

    for (; *owned != NULL; owned++)
        if (!str_eq((*owned)->name, x->target) && str_eq((*owned)->ns, x->object->ns) &&
            !(*owned)->deleting)
            plan_delete(ret, *owned);
}

/* All keys are gone, and that is to be the end of the Secret. */
static void external_delete(struct plan *ret, const struct external *x, const struct object *have,
                            int64_t now_ms)
{
    struct external_word w = { "False", "SecretDeleted", "secret deleted due to DeletionPolicy",
                               false };

    if (have != NULL && !have->deleting && external_target_holds(x, have)) {
        plan_delete(ret, have);
        plan_on_success(ret, x->object, EXTERNAL_NAME, "Deleted", "%s", w.message);
    }
    external_say(ret, x, &w, now_ms);
}

static void external_write(struct plan *ret, const struct external *x, const struct object *have,
                           const json_t *data, int64_t now_ms)
{
    struct external_word w = { "True", "SecretSynced", "Secret was synced", true };
    struct err err = ERR_EMPTY;
    json_t *tree = external_target(x, have, data, &err);

    if (tree == NULL) {
        external_fail(ret, x, err.text, now_ms);
        return;
    }
    if (have == NULL) {
        plan_create(ret, "secrets", x->object->ns, tree);
        plan_on_success(ret, x->object, EXTERNAL_NAME, "Created", "Created Secret");
        plan_on_failure(ret, x->object, EXTERNAL_NAME, "UpdateFailed", "{error}");
    } else if (!json_equal(tree, view_tree(x->view, have))) {
        plan_update(ret, have, tree);
        plan_on_success(ret, x->object, EXTERNAL_NAME, "Updated", "Updated Secret");
        plan_on_failure(ret, x->object, EXTERNAL_NAME, "UpdateFailed", "{error}");
    } else {
        json_decref(tree);
    }
    external_drop_others(ret, x);
    external_say(ret, x, &w, now_ms);
}

static void external_sync(struct plan *ret, const struct external *x, const struct object *have,
                          int64_t now_ms)
{
    struct external_word none = { "True", "SecretSynced",
                                  "secret is not written due to creationPolicy=None", true };
    cleanup(json_decrefpp) json_t *data = NULL;
    struct err err = ERR_EMPTY;
    int rc = external_data(x, &data, &err);

    if (rc > 0)
        return;
    if (rc < 0) {
        cleanup(freep) char *message = mem_fmt(str_starts(err.text, "error processing")
                                                   ? "could not get secret data from provider: %s"
                                                   : "%s",
                                               err.text);

        external_fail(ret, x, message, now_ms);
    } else if (str_eq(x->creation, "None")) {
        external_say(ret, x, &none, now_ms);
    } else if (json_object_size(data) == 0 && str_eq(x->deletion, "Delete")) {
        external_delete(ret, x, have, now_ms);
    } else {
        external_write(ret, x, have, data, now_ms);
    }
}

static void externalsecret_plan(struct plan *ret, struct view *v, void *state UNUSED,
                                const char *ns, const char *name, struct clock_now now)
{
    struct external x = { .view = v, .object = view_get(v, EXTERNAL_BUCKET, ns, name) };
    const struct object *have;
    int64_t rest;

    if (x.object == NULL || x.object->deleting)
        return;
    x.tree = view_tree(v, x.object);
    x.spec = json_object_get(x.tree, "spec");
    x.target = json_str_or(x.spec, "target.name", name);
    x.creation = json_str_or(x.spec, "target.creationPolicy", "Owner");
    x.deletion = json_str_or(x.spec, "target.deletionPolicy", "Retain");
    have = view_get(v, "secrets", ns, x.target);
    if (have != NULL && have->deleting)
        return; /* its end is a change, too */
    rest = external_rest(&x, have, now.wall_ms);
    if (rest == 0)
        external_sync(ret, &x, have, now.wall_ms);
    else if (rest > 0)
        plan_again(ret, rest);
}

/* --- who is concerned --- */

static void external_map_all(struct queue *q, struct view *v, const char *ns)
{
    const struct object *const *list = view_list(v, EXTERNAL_BUCKET, ns, NULL);

    for (; *list != NULL; list++)
        queue_add(q, (*list)->ns, (*list)->name);
}

/* A key of the store concerns everybody, another Secret those who make it. */
static void external_map_secret(struct queue *q, struct view *v, const struct object *secret)
{
    const struct object *const *list;

    if (str_eq(secret->ns, SECRET_STORE_NS) && str_starts(secret->name, "mkube-secretstore-")) {
        external_map_all(q, v, NULL);
        return;
    }
    for (list = view_list(v, EXTERNAL_BUCKET, secret->ns, NULL); *list != NULL; list++)
        if (str_eq(json_str_or(view_tree(v, *list), "spec.target.name", (*list)->name),
                   secret->name))
            queue_add(q, (*list)->ns, (*list)->name);
}

static void externalsecret_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;

    if (str_eq(o->bucket, EXTERNAL_BUCKET))
        queue_add(q, o->ns, o->name);
    else if (str_eq(o->bucket, "secrets"))
        external_map_secret(q, v, o);
    else if (str_eq(o->bucket, EXTERNAL_CLUSTER_STORES))
        external_map_all(q, v, NULL);
    else /* a store, or a namespace whose labels a store may ask for */
        external_map_all(q, v, str_eq(o->bucket, "namespaces") ? o->name : o->ns);
}

static const char *const externalsecret_buckets[] = {
    EXTERNAL_BUCKET, EXTERNAL_STORES, EXTERNAL_CLUSTER_STORES, "secrets", "namespaces", NULL
};

const struct controller externalsecret_controller = {
    .name = EXTERNAL_NAME,
    .buckets = externalsecret_buckets,
    .map = externalsecret_map,
    .plan = externalsecret_plan,
};
