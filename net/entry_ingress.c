#include "net/entry_ingress.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/entry_parts.h"

#include <string.h>

/* Beyond these, a rule's paths are left out: a client cannot make the entry grow for ever. */
#define ENTRY_INGRESS_MAX_PATHS 1000

static void entry_ingress_target(struct entry_target *ret, struct entry_arena *a,
                                 const json_t *backend)
{
    ret->service = entry_part_str(a, backend, "service.name");
    ret->port = entry_part_str(a, backend, "service.port.name");
    ret->number = entry_part_port(backend, "service.port.number");
    ret->is_resource = json_object_get(backend, "resource") != NULL;
}

/* ALB's patterns: a star at the end is all that begins so; without wildcards it is exact. */
static void entry_ingress_pattern(struct entry_path *ret, struct entry_arena *a, const char *path)
{
    size_t len = strlen(path), plain = strcspn(path, "*?");

    ret->type = ENTRY_PATH_GLOB;
    if (plain == len)
        ret->type = ENTRY_PATH_EXACT;
    else if (plain + 1 == len && path[plain] == '*')
        ret->type = ENTRY_PATH_BEGIN;
    ret->path = entry_arena_strn(a, path, ret->type == ENTRY_PATH_BEGIN ? plain : len);
}

/* What an ImplementationSpecific path means is the class' affair; without one, the star at the
 * end that ALB manifests have is understood too: it would match nothing here. */
static void entry_ingress_path(struct entry_path *ret, struct entry_arena *a, const json_t *path,
                               const struct entry_ingress *in)
{
    const char *type = json_str_or(path, "pathType", ""), *text = json_str_or(path, "path", "");
    bool is_free = !str_eq(type, "Exact") && !str_eq(type, "Prefix");
    struct err err = ERR_EMPTY;

    if (text[0] == '\0')
        text = "/";
    ret->type = str_eq(type, "Exact")    ? ENTRY_PATH_EXACT
                : str_eq(type, "Prefix") ? ENTRY_PATH_PREFIX
                                         : ENTRY_PATH_BEGIN;
    if (is_free && (in->is_alb || (str_ends(text, "/*") && in->class[0] == '\0')))
        entry_ingress_pattern(ret, a, text);
    else
        ret->path = entry_arena_str(a, text);
    if (!in->is_alb && entry_regex_is_special(ret->path) &&
        entry_regex_new(&ret->regex, ret->path, true, &err) < 0)
        ret->broken = entry_arena_str(a, err.text);
}

static void entry_ingress_rule(struct entry_rule *ret, struct entry_ingress *in, const json_t *rule)
{
    struct entry_arena *a = &in->arena;
    const json_t *paths = json_at(rule, "http.paths");
    const json_t *path;
    size_t i, n = json_array_size(paths);

    ret->host = entry_part_lower(a, json_str_or(rule, "host", ""));
    ret->n_paths = n < ENTRY_INGRESS_MAX_PATHS ? n : ENTRY_INGRESS_MAX_PATHS;
    ret->paths = entry_arena_array(a, ret->n_paths, sizeof(*ret->paths));
    json_array_foreach (paths, i, path) {
        if (i >= ret->n_paths)
            break;
        entry_ingress_path(&ret->paths[i], a, path, in);
        entry_ingress_target(&ret->paths[i].target, a, json_object_get(path, "backend"));
    }
}

static void entry_ingress_tls(struct entry_tls *ret, struct entry_arena *a, const json_t *tls)
{
    const json_t *hosts = json_object_get(tls, "hosts");
    const json_t *host;
    size_t i;

    ret->secret = entry_part_str(a, tls, "secretName");
    ret->hosts = entry_arena_array(a, json_array_size(hosts), sizeof(*ret->hosts));
    json_array_foreach (hosts, i, host)
        if (json_is_string(host))
            ret->hosts[ret->n_hosts++] = entry_part_lower(a, json_string_value(host));
}

struct entry_ingress *entry_ingress_ref(const struct entry_ingress *i)
{
    struct entry_ingress *own = (struct entry_ingress *)(uintptr_t)i; /* only the count changes */

    __atomic_add_fetch(&own->refs, 1, __ATOMIC_RELAXED);
    return own;
}

struct entry_ingress *entry_ingress_unref(struct entry_ingress *i)
{
    if (i == NULL || __atomic_sub_fetch(&i->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t r = 0; r < i->n_rules; r++)
        for (size_t p = 0; p < i->rules[r].n_paths; p++)
            entry_regex_free(i->rules[r].paths[p].regex);
    entry_arena_fini(&i->arena);
    free(i);
    return NULL;
}

static uint64_t entry_ingress_version(const json_t *tree)
{
    const json_t *annotations = json_at(tree, "metadata.annotations");
    cleanup(freep) char *spec = json_print_sorted(json_object_get(tree, "spec"), NULL);
    cleanup(freep) char *more = annotations != NULL ? json_print_sorted(annotations, NULL) : NULL;

    return bits_fnv64a(spec, spec != NULL ? strlen(spec) : 0) * 31 +
           bits_fnv64a(more, more != NULL ? strlen(more) : 0);
}

/* The old annotation wins, as with ingress-nginx. */
static const char *entry_ingress_class_of(struct entry_arena *a, const json_t *tree,
                                          const json_t *annotations)
{
    const json_t *legacy = json_object_get(annotations, "kubernetes.io/ingress.class");

    if (json_is_string(legacy) && json_string_length(legacy) > 0)
        return entry_arena_str(a, json_string_value(legacy));
    return entry_part_str(a, tree, "spec.ingressClassName");
}

struct entry_ingress *entry_ingress_read(const json_t *tree, const struct entry_facts *f)
{
    struct entry_ingress *in = MEM_NEW(struct entry_ingress);
    struct entry_arena *a = &in->arena;
    const json_t *annotations = json_at(tree, "metadata.annotations");
    const json_t *rules = json_at(tree, "spec.rules");
    const json_t *tls = json_at(tree, "spec.tls");
    struct entry_dialect_opts dialect;
    const json_t *one;
    size_t i;

    in->refs = 1;
    entry_part_who(&in->who, a, tree);
    in->published = entry_part_published(a, tree);
    in->class = entry_ingress_class_of(a, tree, annotations);
    in->is_alb = entry_facts_is_alb(f, in->class);
    in->version = entry_ingress_version(tree);
    dialect = (struct entry_dialect_opts){ .ns = in->who.ns, .is_alb = in->is_alb };
    entry_annotations_read(&in->policy, a, annotations, &dialect);
    entry_ingress_target(&in->fallback, a, json_at(tree, "spec.defaultBackend"));
    in->n_rules = json_array_size(rules);
    in->rules = entry_arena_array(a, in->n_rules, sizeof(*in->rules));
    json_array_foreach (rules, i, one)
        entry_ingress_rule(&in->rules[i], in, one);
    in->n_tls = json_array_size(tls);
    in->tls = entry_arena_array(a, in->n_tls, sizeof(*in->tls));
    json_array_foreach (tls, i, one)
        entry_ingress_tls(&in->tls[i], a, one);
    return in;
}
