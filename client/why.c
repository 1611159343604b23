/* The engine: walks from an object to what it stands on, tries rules, makes sentences. */
#include "client/why.h"

#include "base/mem.h"
#include "client/why_impl.h"

#include <string.h>

#define WHY_MAX_DEPTH    8
#define WHY_MAX_FINDINGS 500

struct why_walk {
    struct why *why;
    const struct why_world *w;
    struct text way; /* "deployment/web > replicaset/web-5b7" */
    unsigned depth;
    json_t *seen; /* owned: "plural/ns/name" to true: told or looked at already */
};

/* --- values --- */

void why_put(struct why_case *c, const char *name, const char *fmt, ...)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    va_list ap;

    va_start(ap, fmt);
    text_vfmt(&t, fmt, ap);
    va_end(ap);
    json_object_set_new(c->values, name, json_string(text_str(&t)));
}

const char *why_value(const struct why_case *c, const char *name)
{
    const char *value = json_string_value(json_object_get(c->values, name));

    return value != NULL ? value : "";
}

/* "{container} uses {limit}"; other braces stand for themselves. */
static char *why_fill(const struct why_case *c, const char *pattern)
{
    struct text t = TEXT_EMPTY;

    while (*pattern != '\0') {
        size_t n = *pattern == '{' ? strspn(pattern + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
        cleanup(freep) char *name = NULL;

        if (n == 0 || pattern[n + 1] != '}') {
            text_putc(&t, *pattern++);
            continue;
        }
        name = mem_strn(pattern + 1, n);
        text_puts(&t, why_value(c, name));
        pattern += n + 2;
    }
    return text_take(&t);
}

/* --- findings --- */

static void why_finding_fini(struct why_finding *f)
{
    free(f->object);
    free(f->ns);
    free(f->way);
    free(f->says);
    free(f->tries);
    free(f->log_pod);
    free(f->log_container);
}

void why_fini(struct why *w)
{
    for (size_t i = 0; i < w->n; i++)
        why_finding_fini(&w->findings[i]);
    free(w->findings);
    *w = (struct why){ .n = 0 };
}

/* Up to the object itself: siblings share it. */
static size_t why_way_above(const char *way)
{
    const char *last = NULL;

    for (const char *at = way; (at = strstr(at, " > ")) != NULL; at += 3)
        last = at;
    return last != NULL ? (size_t)(last - way) : 0;
}

/* Pods of one owner with the same trouble are told once. */
static bool why_is_alike(const struct why_finding *f, const struct why_finding *g)
{
    size_t n = why_way_above(f->way);

    return n > 0 && n == why_way_above(g->way) && strncmp(f->way, g->way, n) == 0 &&
           str_eq(f->rule, g->rule) && str_eq(f->ns, g->ns) &&
           str_eq(f->log_container, g->log_container);
}

static void why_add(struct why_walk *walk, const struct why_rule *r, const struct why_kind *kind,
                    const struct why_case *c)
{
    struct why *why = walk->why;
    struct why_finding f = { .level = r->level, .rule = r->says };

    f.ns = mem_str(why_ns(c->o));
    f.way = mem_str(text_str(&walk->way));
    f.object = mem_fmt("%s/%s", kind->singular, why_name(c->o));
    f.says = why_fill(c, r->says);
    f.tries = why_fill(c, r->tries);
    if (r->log != WHY_NO_LOG) {
        f.log_pod = mem_str(why_name(c->o));
        f.log_container = mem_str(why_value(c, "container"));
        f.log_previous = r->log == WHY_LOG_PREVIOUS;
    }
    for (size_t i = 0; i < why->n; i++)
        if (why_is_alike(&why->findings[i], &f)) {
            why->findings[i].n_alike++;
            why_finding_fini(&f);
            return;
        }
    if (why->n == WHY_MAX_FINDINGS) {
        why_finding_fini(&f);
        return;
    }
    why->findings = mem_grow(why->findings, why->n + 1, sizeof(*why->findings));
    why->findings[why->n++] = f;
}

/* Insertion: stable, and what was found last is near its place. */
static void why_order(struct why *why)
{
    for (size_t i = 1; i < why->n; i++) {
        struct why_finding f = why->findings[i];
        size_t k = i;

        for (; k > 0 && why->findings[k - 1].level > f.level; k--)
            why->findings[k] = why->findings[k - 1];
        why->findings[k] = f;
    }
}

/* --- rules --- */

const struct why_rule *why_first(const struct why_rule *rules, struct why_case *c)
{
    for (; rules->applies != NULL; rules++)
        if (rules->applies(c))
            return rules->then != NULL ? why_first(rules->then, c) : rules;
    return NULL;
}

static const struct why_kind *why_kind(const char *plural)
{
    for (const struct why_kind *k = why_kinds; k->plural != NULL; k++)
        if (str_eq(k->plural, plural))
            return k;
    return NULL;
}

static void why_containers_of(struct why_walk *walk, const struct why_kind *kind,
                              struct why_case *c, bool init)
{
    const json_t *specs = json_at(c->o, init ? "spec.initContainers" : "spec.containers");
    const json_t *list = json_at(c->o, init ? "status.initContainerStatuses"
                                            : "status.containerStatuses");
    const json_t *status;
    size_t i;

    json_array_foreach (list, i, status) {
        const char *name = json_str_or(status, "name", "");
        const struct why_rule *r;

        c->status = status;
        c->container = json_find(specs, "name", name);
        c->init = init;
        why_put(c, "container", "%s", name);
        why_put(c, "which", "%scontainer %s", init ? "init " : "", name);
        why_put(c, "containers", "%s", init ? "initContainers" : "containers");
        r = why_first(kind->containers, c);
        if (r != NULL)
            why_add(walk, r, kind, c);
    }
}

static void why_look(struct why_walk *walk, const struct why_kind *kind, struct why_case *c)
{
    const struct why_rule *r = why_first(why_any_rules, c);
    size_t before = walk->why->n;

    if (r == NULL && kind->rules != NULL)
        r = why_first(kind->rules, c);
    if (r != NULL)
        why_add(walk, r, kind, c);
    if (r == NULL && kind->containers != NULL) {
        why_containers_of(walk, kind, c, true);
        if (walk->why->n == before) /* the others wait for the initialisation */
            why_containers_of(walk, kind, c, false);
    }
    if (kind->down != NULL && (r == NULL || kind->down_always))
        kind->down(walk, c);
    if (r == NULL && kind->after != NULL && (r = why_first(kind->after, c)) != NULL)
        why_add(walk, r, kind, c);
}

void why_down(struct why_walk *walk, const char *plural, const json_t *object)
{
    const struct why_kind *kind = why_kind(plural);
    struct why_case c = { .w = walk->w, .plural = plural, .o = object };
    size_t len = walk->way.len;
    cleanup(freep) char *key = NULL;

    if (kind == NULL || walk->depth == WHY_MAX_DEPTH)
        return;
    key = mem_fmt("%s/%s/%s", plural, why_ns(object), why_name(object));
    if (json_object_get(walk->seen, key) != NULL)
        return;
    json_object_set_new(walk->seen, key, json_true());
    c.values = json_object();
    why_put(&c, "name", "%s", why_name(object));
    why_put(&c, "ns", "%s", why_ns(object));
    why_put(&c, "kind", "%s", kind->singular);
    why_put(&c, "object", "%s/%s", kind->singular, why_name(object));
    why_put(&c, "in", "%s%s", why_ns(object)[0] != '\0' ? "-n " : "", why_ns(object));
    text_fmt(&walk->way, "%s%s/%s", len > 0 ? " > " : "", kind->singular, why_name(object));
    walk->depth++;
    why_look(walk, kind, &c);
    walk->depth--;
    walk->way.len = len;
    if (walk->way.data != NULL)
        walk->way.data[len] = '\0';
    json_decref(c.values);
}

static void why_begin(struct why_walk *walk, struct why *ret, const struct why_world *w)
{
    *ret = (struct why){ .n = 0 };
    *walk = (struct why_walk){ .why = ret, .w = w, .way = TEXT_EMPTY, .seen = json_object() };
}

static void why_end(struct why_walk *walk)
{
    why_order(walk->why);
    text_fini(&walk->way);
    json_decref(walk->seen);
}

void why_find(struct why *ret, const struct why_world *w, const char *plural, const json_t *object)
{
    struct why_walk walk;

    why_begin(&walk, ret, w);
    why_down(&walk, plural, object);
    why_end(&walk);
}

/* Kinds are in the order of who owns whom, so that a pod is told below its Deployment. */
void why_find_all(struct why *ret, const struct why_world *w)
{
    struct why_walk walk;
    const char *plural;
    const json_t *object;
    size_t i;

    why_begin(&walk, ret, w);
    for (const struct why_kind *k = why_kinds; k->plural != NULL; k++)
        json_array_foreach (why_list(w, k->plural), i, object)
            if (why_owner(w, object, &plural) == NULL || str_eq(k->plural, "jobs"))
                why_down(&walk, k->plural, object);
    why_end(&walk);
}

/* --- words --- */

void why_print(struct text *ret, const struct why_finding *f, const char *log)
{
    static const char *const marks[] = { "BROKEN", "WAITING", "NOTE" };

    text_fmt(ret, "%s%s%s%s%s", marks[f->level], " ", f->ns[0] != '\0' ? f->ns : "",
             f->ns[0] != '\0' ? ": " : "", f->way);
    if (f->n_alike > 0)
        text_fmt(ret, " (and %u alike)", f->n_alike);
    text_fmt(ret, "\n  why: %s\n", f->says);
    if (!str_empty(log)) {
        cleanup(strv_freep) char **lines = str_split(log, '\n');

        for (size_t i = 0; lines[i] != NULL; i++)
            if (lines[i][0] != '\0')
                text_fmt(ret, "  log: %s\n", lines[i]);
    }
    if (f->tries[0] != '\0')
        text_fmt(ret, "  try: %s\n", f->tries);
}
