#include "api/limit_range.h"

#include "api/resource_list.h"
#include "base/mem.h"

#include <string.h>

#define LIMIT_RANGE_ANNOTATION "kubernetes.io/limit-ranger"
#define LIMIT_RANGE_PREFIX     "LimitRanger plugin set: "

/* --- defaults --- */

/* What no container says yet comes from @defaults; names of what was set go to @ret. */
static void limit_range_fill(struct text *ret, json_t *container, const char *which,
                             const json_t *defaults)
{
    cleanup(freep) const char **names = json_keys(defaults);
    cleanup(freep) char *path = mem_fmt("resources.%s", which);

    for (size_t i = 0; names[i] != NULL; i++) {
        if (json_object_get(json_at(container, path), names[i]) != NULL)
            continue;
        if (json_at(container, path) == NULL)
            json_put(container, path, json_object());
        json_object_set(json_at(container, path), names[i], json_object_get(defaults, names[i]));
        text_fmt(ret, "%s%s", ret->len > 0 ? ", " : "", names[i]);
    }
}

static void limit_range_fill_list(struct text *notes, json_t *containers, const char *what,
                                  const json_t *item)
{
    size_t i;
    json_t *c;

    json_array_foreach (containers, i, c) {
        cleanup(text_fini) struct text requests = TEXT_EMPTY;
        cleanup(text_fini) struct text limits = TEXT_EMPTY;
        const char *name = json_str_or(c, "name", "");

        limit_range_fill(&limits, c, "limits", json_object_get(item, "default"));
        limit_range_fill(&requests, c, "requests", json_object_get(item, "defaultRequest"));
        if (requests.len > 0)
            text_fmt(notes, "%s%s request for %s %s", notes->len > 0 ? "; " : "",
                     text_str(&requests), what, name);
        if (limits.len > 0)
            text_fmt(notes, "%s%s limit for %s %s", notes->len > 0 ? "; " : "", text_str(&limits),
                     what, name);
    }
}

void limit_range_default(json_t *pod, const json_t *range)
{
    const json_t *item = json_find(json_at(range, "spec.limits"), "type", "Container");
    cleanup(text_fini) struct text notes = TEXT_EMPTY;
    cleanup(freep) char *note = NULL;

    limit_range_fill_list(&notes, json_at(pod, "spec.containers"), "container", item);
    limit_range_fill_list(&notes, json_at(pod, "spec.initContainers"), "init container", item);
    if (notes.len == 0)
        return;
    note = mem_fmt(LIMIT_RANGE_PREFIX "%s", text_str(&notes));
    if (json_at(pod, "metadata.annotations") == NULL)
        json_put(pod, "metadata.annotations", json_object());
    json_object_set_new(json_at(pod, "metadata.annotations"), LIMIT_RANGE_ANNOTATION,
                        json_string(note));
}

/* --- limits --- */

struct limit_range_check {
    json_t *problems;                /* array of texts, each once */
    const char *type, *name;         /* "Container", "cpu" */
    const json_t *requests, *limits; /* of what is looked at */
    struct quantity enforced;
};

static void limit_range_tell(struct limit_range_check *c, const char *side, const char *rest,
                             const char *value)
{
    char enforced[QUANTITY_TEXT_MAX];
    cleanup(freep) char *text = NULL;
    const json_t *seen;
    size_t i;

    quantity_print(enforced, c->enforced);
    text = mem_fmt("%s %s usage per %s is %s%s%s", side, c->name, c->type, enforced, rest, value);
    json_array_foreach (c->problems, i, seen)
        if (str_eq(json_string_value(seen), text))
            return;
    json_array_append_new(c->problems, json_string(text));
}

static const char *limit_range_said(const json_t *list, const char *name)
{
    return json_string_value(json_object_get(list, name));
}

static void limit_range_min(struct limit_range_check *c)
{
    struct quantity request, limit;
    bool limited = resource_list_get(c->limits, c->name, &limit);

    if (!resource_list_get(c->requests, c->name, &request))
        limit_range_tell(c, "minimum", ".  No request is specified", "");
    else if (quantity_cmp(request, c->enforced) < 0)
        limit_range_tell(c, "minimum", ", but request is ", limit_range_said(c->requests, c->name));
    else if (limited && quantity_cmp(limit, c->enforced) < 0)
        limit_range_tell(c, "minimum", ", but limit is ", limit_range_said(c->limits, c->name));
}

static void limit_range_max(struct limit_range_check *c)
{
    struct quantity request, limit;
    bool requested = resource_list_get(c->requests, c->name, &request);

    if (!resource_list_get(c->limits, c->name, &limit))
        limit_range_tell(c, "maximum", ".  No limit is specified", "");
    else if (quantity_cmp(limit, c->enforced) > 0)
        limit_range_tell(c, "maximum", ", but limit is ", limit_range_said(c->limits, c->name));
    else if (requested && quantity_cmp(request, c->enforced) > 0)
        limit_range_tell(c, "maximum", ", but request is ", limit_range_said(c->requests, c->name));
}

/* Claims have no limits: what they request is held against the maximum. */
static void limit_range_max_request(struct limit_range_check *c)
{
    struct quantity request;

    if (!resource_list_get(c->requests, c->name, &request))
        limit_range_tell(c, "maximum", ".  No request is specified", "");
    else if (quantity_cmp(request, c->enforced) > 0)
        limit_range_tell(c, "maximum", ", but request is ", limit_range_said(c->requests, c->name));
}

static void limit_range_ratio(struct limit_range_check *c)
{
    struct quantity request, limit;
    char enforced[QUANTITY_TEXT_MAX];
    cleanup(freep) char *text = NULL;
    double ratio;

    resource_list_get(c->requests, c->name, &request);
    resource_list_get(c->limits, c->name, &limit);
    quantity_print(enforced, c->enforced);
    if (request.nano == 0 || limit.nano == 0) {
        const char *what = request.nano == 0 ? "request" : "limit";

        text = mem_fmt("%s max limit to request ratio per %s is %s, but no %s is specified or %s "
                       "is 0",
                       c->name, c->type, enforced, what, what);
    } else {
        ratio = (double)limit.nano / (double)request.nano;
        if (ratio * 1e9 > (double)c->enforced.nano)
            text = mem_fmt("%s max limit to request ratio per %s is %s, but provided ratio is %f",
                           c->name, c->type, enforced, ratio);
    }
    if (text != NULL)
        json_array_append_new(c->problems, json_string(text));
}

static void limit_range_each(struct limit_range_check *c, const json_t *bounds,
                             void (*check)(struct limit_range_check *c))
{
    cleanup(freep) const char **names = json_keys(bounds);

    for (size_t i = 0; names[i] != NULL; i++) {
        c->name = names[i];
        if (resource_list_get(bounds, names[i], &c->enforced))
            check(c);
    }
}

static void limit_range_bounds(struct limit_range_check *c, const json_t *item,
                               const json_t *requests, const json_t *limits)
{
    c->type = json_str_or(item, "type", "");
    c->requests = requests;
    c->limits = limits;
    limit_range_each(c, json_object_get(item, "min"), limit_range_min);
    limit_range_each(c, json_object_get(item, "max"), limit_range_max);
    limit_range_each(c, json_object_get(item, "maxLimitRequestRatio"), limit_range_ratio);
}

static void limit_range_containers(struct limit_range_check *c, const json_t *item,
                                   const json_t *containers)
{
    const json_t *container;
    size_t i;

    json_array_foreach (containers, i, container)
        limit_range_bounds(c, item, json_at(container, "resources.requests"),
                           json_at(container, "resources.limits"));
}

static void limit_range_print(struct text *ret, const json_t *problems)
{
    const json_t *problem;
    size_t i, n = json_array_size(problems);

    text_puts(ret, n > 1 ? "[" : "");
    json_array_foreach (problems, i, problem)
        text_fmt(ret, "%s%s", i > 0 ? ", " : "", json_string_value(problem));
    text_puts(ret, n > 1 ? "]" : "");
}

void limit_range_check_pod(struct text *ret, const json_t *pod, const json_t *range)
{
    cleanup(json_decrefpp) json_t *problems = json_array();
    struct limit_range_check c = { .problems = problems };
    const json_t *spec = json_at(pod, "spec"), *item;
    size_t i;

    json_array_foreach (json_at(range, "spec.limits"), i, item) {
        cleanup(json_decrefpp) json_t *requests = resource_list_of_pod(spec, "requests");
        cleanup(json_decrefpp) json_t *limits = resource_list_of_pod(spec, "limits");
        const char *type = json_str_or(item, "type", "");

        if (str_eq(type, "Pod"))
            limit_range_bounds(&c, item, requests, limits);
        if (!str_eq(type, "Container"))
            continue;
        limit_range_containers(&c, item, json_at(spec, "containers"));
        limit_range_containers(&c, item, json_at(spec, "initContainers"));
    }
    limit_range_print(ret, problems);
}

void limit_range_check_claim(struct text *ret, const json_t *claim, const json_t *range)
{
    const json_t *item = json_find(json_at(range, "spec.limits"), "type", "PersistentVolumeClaim");
    cleanup(json_decrefpp) json_t *problems = json_array();
    struct limit_range_check c = { .problems = problems,
                                   .type = "PersistentVolumeClaim",
                                   .requests = json_at(claim, "spec.resources.requests") };

    limit_range_each(&c, json_object_get(item, "min"), limit_range_min);
    limit_range_each(&c, json_object_get(item, "max"), limit_range_max_request);
    limit_range_print(ret, problems);
}
