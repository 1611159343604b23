/* ResourceQuotas: what is used, counted anew.  The registry keeps status.used with every write
 * (api/admission_quota.c); here it is made true where no write says so: after somebody wrote the
 * status, when a dying pod passes its grace (it counts no more, though it is still there), and
 * every five minutes, as the resync of Kubernetes' controller.
 *
 * A count is written only onto the state of the quota that was visible with what was counted, and
 * a write is submitted before the quota's figures that hold it: so a count that misses a write
 * under way is a conflict and is done again. */
#include "controlplane/controllers.h"

#include "api/quota.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#define USAGE_BUCKET    "resourcequotas"
#define USAGE_RESYNC_MS (5 * 60 * 1000)

/* When each namespace was counted last; forgotten at a restart, which only counts once more. */
struct usage_state {
    struct map *counted; /* owned; namespace -> struct usage_count */
};

struct usage_count {
    int64_t mono_ms;      /* -1: not yet */
    int64_t next_mono_ms; /* of the plan under way */
};

static void *usage_state_new(void)
{
    struct usage_state *s = MEM_NEW(struct usage_state);

    s->counted = map_new(free);
    return s;
}

static void usage_state_free(void *state)
{
    struct usage_state *s = state;

    map_free(s->counted);
    free(s);
}

static void usage_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    struct store_iter it;

    if (str_eq(o->bucket, USAGE_BUCKET)) {
        if (change->before == NULL || !quota_is_told(view_tree(v, o)))
            queue_add(q, "", o->ns);
        return;
    }
    if (!o->deleting)
        return;
    store_iter_init(&it, view_store(v), USAGE_BUCKET, o->ns, NULL, NULL);
    if (store_iter_next(&it) != NULL)
        queue_add(q, "", o->ns);
}

/* When the last pod passed its grace, -1 = none did; plans again when the next one will. */
static int64_t usage_expired(struct plan *ret, struct view *v, const char *ns, int64_t now_ms)
{
    const struct object *const *pods;
    int64_t expired = -1;
    size_t n;

    pods = view_list(v, "pods", ns, &n);
    for (size_t i = 0; i < n; i++) {
        int64_t end = pods[i]->deleting ? quota_expiry(view_tree(v, pods[i])) : -1;

        if (end >= now_ms)
            plan_again(ret, end + 1 - now_ms);
        else if (end > expired)
            expired = end;
    }
    return expired;
}

/* Also writes what is right already when @expired is news to the quota. */
static void usage_plan_quota(struct plan *ret, struct view *v, const struct object *o,
                             int64_t expired, int64_t now_ms)
{
    const json_t *quota = view_tree(v, o);
    const json_t *hard = json_at(quota, "spec.hard");
    cleanup(json_decrefpp) json_t *tree = json_deep_copy(quota);

    json_del(tree, "status");
    if (expired > quota_known_ms(quota))
        quota_know(tree, now_ms);
    if (hard != NULL) {
        json_put(tree, "status.hard", json_deep_copy(hard));
        json_put(tree, "status.used", quota_count(view_store(v), tree, false));
    }
    if (!json_equal(tree, quota))
        plan_status(ret, o, STEAL(tree));
}

static struct usage_count *usage_count_of(struct usage_state *s, const char *ns)
{
    struct usage_count *count = map_get(s->counted, ns);

    if (count == NULL) {
        count = MEM_NEW(struct usage_count);
        count->mono_ms = -1;
        map_put(s->counted, ns, count);
    }
    return count;
}

static void usage_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                       const char *name, struct clock_now now)
{
    struct usage_state *s = state;
    struct usage_count *count;
    const struct object *const *quotas;
    int64_t expired;
    bool due;
    size_t n;

    (void)ns;
    quotas = view_list(v, USAGE_BUCKET, name, &n);
    if (n == 0) {
        map_del(s->counted, name);
        return;
    }
    count = usage_count_of(s, name);
    expired = usage_expired(ret, v, name, now.wall_ms);
    due = count->mono_ms < 0 || now.mono_ms >= count->mono_ms + USAGE_RESYNC_MS;
    for (size_t i = 0; i < n; i++) {
        const json_t *quota = view_tree(v, quotas[i]);

        if (due || expired > quota_known_ms(quota) || !quota_is_told(quota))
            usage_plan_quota(ret, v, quotas[i], expired, now.wall_ms);
    }
    count->next_mono_ms = due ? now.mono_ms : count->mono_ms;
    plan_again(ret, count->next_mono_ms + USAGE_RESYNC_MS - now.mono_ms);
}

static void usage_settled(void *state, const char *ns, const char *name,
                          const struct plan_write *refused, const char *message)
{
    struct usage_state *s = state;
    struct usage_count *count = map_get(s->counted, name);

    (void)ns, (void)message;
    if (count != NULL && refused == NULL)
        count->mono_ms = count->next_mono_ms;
}

const struct controller usage_controller = {
    .name = "resourcequota-controller",
    .buckets = (const char *const[]){ USAGE_BUCKET, "pods", NULL },
    .map = usage_map,
    .plan = usage_plan,
    .state_new = usage_state_new,
    .state_free = usage_state_free,
    .settled = usage_settled,
};
