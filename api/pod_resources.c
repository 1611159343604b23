#include "api/pod_resources.h"

#include "api/quantity.h"
#include "base/mem.h"

static int64_t pod_resources_saturate(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t pod_resources_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void pod_resources_fini(struct pod_resources *r)
{
    json_decref(r->extended);
    *r = (struct pod_resources)POD_RESOURCES_EMPTY;
}

void pod_resources_of_list(struct pod_resources *ret, const json_t *list)
{
    const char *name;
    json_t *value;

    *ret = (struct pod_resources)POD_RESOURCES_EMPTY;
    json_object_foreach ((json_t *)(uintptr_t)list, name, value) {
        const char *text = json_string_value(value);

        if (str_eq(name, "cpu")) {
            ret->cpu_milli = quantity_text_milli(text, 0);
        } else if (str_eq(name, "memory")) {
            ret->memory = quantity_text_value(text, 0);
        } else if (str_eq(name, "ephemeral-storage")) {
            ret->ephemeral = quantity_text_value(text, 0);
        } else {
            if (ret->extended == NULL)
                ret->extended = json_object();
            json_object_set_new(ret->extended, name, json_integer(quantity_text_value(text, 0)));
        }
    }
}

static void pod_resources_combine(struct pod_resources *to, const struct pod_resources *more,
                                  int64_t (*with)(int64_t, int64_t))
{
    const char *name;
    json_t *value;

    to->cpu_milli = with(to->cpu_milli, more->cpu_milli);
    to->memory = with(to->memory, more->memory);
    to->ephemeral = with(to->ephemeral, more->ephemeral);
    if (more->extended == NULL)
        return;
    if (to->extended == NULL)
        to->extended = json_object();
    json_object_foreach (more->extended, name, value) {
        int64_t have = json_integer_value(json_object_get(to->extended, name));

        json_object_set_new(to->extended, name,
                            json_integer(with(have, json_integer_value(value))));
    }
}

void pod_resources_add(struct pod_resources *to, const struct pod_resources *more)
{
    pod_resources_combine(to, more, pod_resources_saturate);
}

/* Sidecars stay, so each later step runs beside them. */
static void pod_resources_init(struct pod_resources *ret_peak, struct pod_resources *ret_sidecars,
                               const json_t *init_containers)
{
    const json_t *c;
    size_t i;

    json_array_foreach (init_containers, i, c) {
        cleanup(pod_resources_fini) struct pod_resources step = POD_RESOURCES_EMPTY;

        pod_resources_of_list(&step, json_at(c, "resources.requests"));
        if (str_eq(json_str(c, "restartPolicy"), "Always")) {
            pod_resources_add(ret_sidecars, &step);
            pod_resources_combine(ret_peak, ret_sidecars, pod_resources_larger);
        } else {
            pod_resources_add(&step, ret_sidecars);
            pod_resources_combine(ret_peak, &step, pod_resources_larger);
        }
    }
}

void pod_resources_sum(struct pod_resources *ret, const json_t *pod_spec)
{
    cleanup(pod_resources_fini) struct pod_resources peak = POD_RESOURCES_EMPTY;
    cleanup(pod_resources_fini) struct pod_resources overhead = POD_RESOURCES_EMPTY;
    struct pod_resources sum = POD_RESOURCES_EMPTY;
    const json_t *c;
    size_t i;

    pod_resources_init(&peak, &sum, json_object_get(pod_spec, "initContainers"));
    json_array_foreach (json_object_get(pod_spec, "containers"), i, c) {
        cleanup(pod_resources_fini) struct pod_resources one = POD_RESOURCES_EMPTY;

        pod_resources_of_list(&one, json_at(c, "resources.requests"));
        pod_resources_add(&sum, &one);
    }
    pod_resources_combine(&sum, &peak, pod_resources_larger);
    pod_resources_of_list(&overhead, json_object_get(pod_spec, "overhead"));
    pod_resources_add(&sum, &overhead);
    *ret = sum;
}

/* Sums over all containers. */
struct pod_qos_sums {
    struct quantity requests[2], limits[2]; /* cpu, memory */
    bool all_limited;
};

static const char *const pod_qos_resources[2] = { "cpu", "memory" };

static bool pod_qos_take(struct quantity *sum, const json_t *list, const char *name)
{
    struct quantity q;

    if (!quantity_parse(json_string_value(json_object_get(list, name)), &q) || q.nano <= 0)
        return false;
    *sum = quantity_add(*sum, q);
    return true;
}

static void pod_qos_scan(struct pod_qos_sums *sums, const json_t *containers)
{
    const json_t *c;
    size_t i;

    json_array_foreach (containers, i, c) {
        for (size_t k = 0; k < N_ELEMENTS(pod_qos_resources); k++) {
            const char *name = pod_qos_resources[k];

            pod_qos_take(&sums->requests[k], json_at(c, "resources.requests"), name);
            if (!pod_qos_take(&sums->limits[k], json_at(c, "resources.limits"), name))
                sums->all_limited = false;
        }
    }
}

const char *pod_qos(const json_t *pod_spec)
{
    struct pod_qos_sums sums = { .all_limited = true };
    bool nothing = true, equal = true;

    pod_qos_scan(&sums, json_object_get(pod_spec, "containers"));
    pod_qos_scan(&sums, json_object_get(pod_spec, "initContainers"));
    for (size_t k = 0; k < N_ELEMENTS(pod_qos_resources); k++) {
        if (sums.requests[k].nano != 0 || sums.limits[k].nano != 0)
            nothing = false;
        if (sums.requests[k].nano != sums.limits[k].nano)
            equal = false;
    }
    if (nothing)
        return "BestEffort";
    return sums.all_limited && equal ? "Guaranteed" : "Burstable";
}
