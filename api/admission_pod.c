/* What a pod gets before it is scheduled: Priority, DefaultTolerationSeconds. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

/* --- Priority --- */

#define ADMIT_PRIORITIES "priorityclasses.scheduling.k8s.io"

/* The global default; of several, which can only come from races, the lowest.  The caller's. */
static json_t *admit_default_priority(const struct op *op)
{
    json_t *best = NULL;
    const struct object *o;
    struct store_iter it;

    store_iter_init(&it, op->r->store, ADMIT_PRIORITIES, NULL, NULL, NULL);
    it.latest = true;
    while ((o = store_iter_next(&it)) != NULL) {
        cleanup(json_decrefpp) json_t *tree = object_tree(o);

        if (!json_bool(tree, "globalDefault", false) ||
            (best != NULL && json_int(best, "value", 0) <= json_int(tree, "value", 0)))
            continue;
        json_decref(best);
        best = json_incref(tree);
    }
    return best;
}

void admit_priority_class(struct op *op)
{
    cleanup(json_decrefpp) json_t *other = NULL;

    if (!json_bool(op->tree, "globalDefault", false))
        return;
    other = admit_default_priority(op);
    if (other != NULL && !str_eq(json_str(other, "metadata.name"), admit_name(op)))
        admit_forbid(op,
                     "PriorityClass %s is already marked as default. Only one default can exist",
                     json_str(other, "metadata.name"));
}

/* What the class says, the pod may only repeat. */
static void admit_priority_of(struct op *op, const json_t *class)
{
    int64_t value = json_int(class, "value", 0);
    const char *policy = json_str_or(class, "preemptionPolicy", "PreemptLowerPriority");
    const char *said = json_str_or(op->tree, "spec.preemptionPolicy", policy);

    if (json_int(op->tree, "spec.priority", value) != value)
        admit_forbid(op,
                     "the integer value of priority (%lld) must not be provided in pod spec; "
                     "priority admission controller computed %lld from the given PriorityClass "
                     "name",
                     (long long)json_int(op->tree, "spec.priority", value), (long long)value);
    else if (!str_eq(said, policy))
        admit_forbid(op,
                     "the string value of PreemptionPolicy (%s) must not be provided in pod spec; "
                     "priority admission controller computed %s from the given PriorityClass name",
                     said, policy);
    json_put_int(op->tree, "spec.priority", value);
    json_put_str(op->tree, "spec.preemptionPolicy", policy);
}

void admit_priority(struct op *op)
{
    const char *name = json_str_or(op->tree, "spec.priorityClassName", "");
    const struct object *o = NULL;
    cleanup(json_decrefpp) json_t *class = NULL;

    if (name[0] == '\0') {
        class = admit_default_priority(op);
    } else {
        o = admit_find(op, ADMIT_PRIORITIES, "", name);
        class = o != NULL ? object_tree(o) : NULL;
    }
    if (class == NULL && name[0] != '\0') {
        admit_forbid(op, "no PriorityClass with name %s was found", name);
        return;
    }
    if (class != NULL)
        json_put_str(op->tree, "spec.priorityClassName", json_str(class, "metadata.name"));
    admit_priority_of(op, class);
}

/* --- DefaultTolerationSeconds --- */

static bool admit_tolerates(const json_t *tolerations, const char *key)
{
    size_t i;
    json_t *t;

    json_array_foreach (tolerations, i, t) {
        const char *k = json_str_or(t, "key", "");
        const char *effect = json_str_or(t, "effect", "");

        if ((k[0] == '\0' || str_eq(k, key)) && (effect[0] == '\0' || str_eq(effect, "NoExecute")))
            return true;
    }
    return false;
}

void admit_tolerations(struct op *op)
{
    static const char *const keys[] = { "node.kubernetes.io/not-ready",
                                        "node.kubernetes.io/unreachable" };
    json_t *list = json_at(op->tree, "spec.tolerations");

    for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
        if (admit_tolerates(list, keys[i]))
            continue;
        if (list == NULL) {
            list = json_array();
            json_put(op->tree, "spec.tolerations", list);
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:i}", "key", keys[i], "operator",
                                        "Exists", "effect", "NoExecute", "tolerationSeconds", 300));
    }
}
