/* Plugin RuntimeClass: what a class adds to its pods, and what they may not say themselves. */
#include "api/admission.h"

#include "base/mem.h"
#include "base/text.h"

/* The pod's class; NULL when it names none, or was refused for it. */
static json_t *admit_runtime_class_of(struct op *op)
{
    const char *name = json_str(op->tree, "spec.runtimeClassName");
    const struct object *o;

    if (name == NULL)
        return NULL;
    o = admit_find(op, "runtimeclasses.node.k8s.io", "", name);
    if (o != NULL)
        return object_tree(o);
    admit_forbid(op, "pod rejected: RuntimeClass \"%s\" not found", name);
    return NULL;
}

/* --- overhead --- */

static bool admit_overhead_matches(const struct op *op, const json_t *class)
{
    const json_t *fixed = json_at(class, "overhead.podFixed");
    const json_t *said = json_at(op->tree, "spec.overhead");

    return json_object_size(fixed) == json_object_size(said) &&
           (json_object_size(said) == 0 || json_equal(fixed, said));
}

static void admit_overhead(struct op *op, const json_t *class)
{
    json_t *fixed = json_at(class, "overhead.podFixed");

    if (json_at(class, "overhead") == NULL)
        return;
    if (json_at(op->tree, "spec.overhead") != NULL && !admit_overhead_matches(op, class))
        admit_forbid(op,
                     "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    else if (fixed != NULL)
        json_put(op->tree, "spec.overhead", json_deep_copy(fixed));
}

/* --- where it runs --- */

static void admit_runtime_selector(struct op *op, const json_t *wanted)
{
    json_t *selector = json_at(op->tree, "spec.nodeSelector");
    const char *key;
    json_t *value;

    if (json_object_size(wanted) > 0 && selector == NULL)
        json_put(op->tree, "spec.nodeSelector", selector = json_object());
    json_object_foreach ((json_t *)(uintptr_t)wanted, key, value) {
        const char *said = json_string_value(json_object_get(selector, key));

        if (said != NULL && !str_eq(said, json_string_value(value))) {
            admit_forbid(op,
                         "conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; "
                         "pod.spec.nodeSelector[%s] = %s",
                         key, json_string_value(value), key, said);
            return;
        }
        json_object_set(selector, key, value);
    }
}

/* Whether @wide tolerates all that @t does (util/tolerations: isSuperset). */
static bool admit_toleration_covers(const json_t *wide, const json_t *t)
{
    static const char *const members[] = { "key", "effect" };
    const char *operator= json_str_or(wide, "operator", "Equal");

    if (json_equal(wide, t))
        return true;
    for (size_t i = 0; i < N_ELEMENTS(members); i++) {
        const char *want = json_str_or(wide, members[i], "");

        if (want[0] != '\0' && !str_eq(want, json_str_or(t, members[i], "")))
            return false;
    }
    if (str_eq(json_str(wide, "effect"), "NoExecute") && json_at(wide, "tolerationSeconds") &&
        (!json_at(t, "tolerationSeconds") ||
         json_int(t, "tolerationSeconds", 0) > json_int(wide, "tolerationSeconds", 0)))
        return false;
    if (str_eq(operator, "Exists"))
        return true;
    return str_eq(json_str_or(t, "operator", "Equal"), "Equal") &&
           str_eq(json_str_or(wide, "value", ""), json_str_or(t, "value", ""));
}

static bool admit_toleration_is_spare(const json_t *all, size_t at, const json_t *merged)
{
    const json_t *t = json_array_get(all, at), *other;
    size_t i;

    json_array_foreach (merged, i, other)
        if (admit_toleration_covers(other, t))
            return true;
    for (i = at + 1; i < json_array_size(all); i++) {
        other = json_array_get(all, i);
        if (!json_equal(t, other) && admit_toleration_covers(other, t))
            return true;
    }
    return false;
}

static void admit_runtime_tolerations(struct op *op, const json_t *more)
{
    cleanup(json_decrefpp) json_t *all = json_array();
    json_t *merged = json_array(), *t;
    size_t i;

    json_array_extend(all, json_at(op->tree, "spec.tolerations"));
    json_array_extend(all, (json_t *)(uintptr_t)more);
    json_array_foreach (all, i, t)
        if (!admit_toleration_is_spare(all, i, merged))
            json_array_append_new(merged, json_deep_copy(t));
    json_put(op->tree, "spec.tolerations", merged);
}

void admit_runtime_class(struct op *op)
{
    cleanup(json_decrefpp) json_t *class = admit_runtime_class_of(op);

    if (class == NULL)
        return;
    admit_overhead(op, class);
    admit_runtime_selector(op, json_at(class, "scheduling.nodeSelector"));
    if (op_ok(op) && json_array_size(json_at(class, "scheduling.tolerations")) > 0)
        admit_runtime_tolerations(op, json_at(class, "scheduling.tolerations"));
}

void admit_runtime_check(struct op *op)
{
    cleanup(json_decrefpp) json_t *class = admit_runtime_class_of(op);

    if (!op_ok(op) || admit_overhead_matches(op, class))
        return;
    if (json_at(class, "overhead") != NULL)
        admit_forbid(op,
                     "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    else
        admit_forbid(op, "pod rejected: Pod Overhead set without corresponding RuntimeClass "
                         "defined Overhead");
}
