/* What a pod gets before it is scheduled: Priority, DefaultTolerationSeconds. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

/* --- Priority --- */

void admit_priority(struct op *op)
{
    const char *name = json_str_or(op->tree, "spec.priorityClassName", "");
    const struct object *o;
    cleanup(json_decrefpp) json_t *tree = NULL;
    int64_t value;

    if (name[0] != '\0')
        o = admit_find(op, "priorityclasses.scheduling.k8s.io", "", name);
    else
        o = admit_default_class(op, "priorityclasses.scheduling.k8s.io", "globalDefault");
    if (o == NULL && name[0] != '\0') {
        cleanup(freep) char *why = mem_fmt("no PriorityClass with name %s was found", name);

        op_refuse(op, status_forbidden(op->resource, admit_name(op), why));
        return;
    }
    if (o != NULL) {
        tree = object_tree(o);
        json_put_str(op->tree, "spec.priorityClassName", o->name);
    }
    value = json_int(tree, "value", 0);
    if (json_int(op->tree, "spec.priority", value) != value) {
        cleanup(freep) char *why = mem_fmt(
            "the integer value of priority (%lld) must not be provided in pod spec; "
            "priority admission controller computed %lld from the given PriorityClass name",
            (long long)json_int(op->tree, "spec.priority", value), (long long)value);

        op_refuse(op, status_forbidden(op->resource, admit_name(op), why));
        return;
    }
    json_put_int(op->tree, "spec.priority", value);
    if (json_at(op->tree, "spec.preemptionPolicy") == NULL)
        json_put_str(op->tree, "spec.preemptionPolicy",
                     json_str_or(tree, "preemptionPolicy", "PreemptLowerPriority"));
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
