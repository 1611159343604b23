#include "api/custom.h"

#include "api/custom_tree.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define CUSTOM_VERBS                                                                        \
    (SCHEMA_MAY_CREATE | SCHEMA_MAY_DELETE | SCHEMA_MAY_DELETECOLLECTION | SCHEMA_MAY_GET | \
     SCHEMA_MAY_LIST | SCHEMA_MAY_PATCH | SCHEMA_MAY_UPDATE | SCHEMA_MAY_WATCH)
#define CUSTOM_SUB_VERBS (SCHEMA_MAY_GET | SCHEMA_MAY_PATCH | SCHEMA_MAY_UPDATE)

struct custom {
    struct list link; /* in custom_set */
    unsigned refs;
    bool retired;
    bool converts;            /* by its author's webhook */
    const struct object *crd; /* owned ref: the newest of this generation */
    uint64_t since;           /* from here on objects are written as its schemas say */
    struct pool *pool;        /* owned: names, rows */
    struct custom_version *versions;
    size_t n_versions;
};

/* Beside the rows of schema.c: whose they are. */
static struct {
    struct list kinds; /* of struct custom */
    size_t n;
    uint64_t clock; /* uses of compiled schemas */
    size_t cached;  /* bytes of them */
    bool ready;
} custom_set;

static struct list *custom_kinds(void)
{
    if (!custom_set.ready)
        list_init(&custom_set.kinds);
    custom_set.ready = true;
    return &custom_set.kinds;
}

/* --- life --- */

static void custom_forget(struct custom_version *v)
{
    if (v->schema != NULL)
        custom_set.cached -= custom_schema_footprint(v->schema);
    v->schema = custom_schema_free(v->schema);
}

static void custom_unref(struct custom *k)
{
    if (--k->refs > 0)
        return;
    for (size_t i = 0; i < k->n_versions; i++) {
        custom_forget(&k->versions[i]);
        for (size_t c = 0; c < k->versions[i].n_columns; c++)
            jsonpath_free(k->versions[i].columns[c].path);
    }
    object_unref(k->crd);
    pool_free(k->pool);
    free(k);
}

void custom_hold(const struct schema_resource *r)
{
    if (r != NULL && r->custom != NULL)
        r->custom->refs++;
}

void custom_release(const struct schema_resource *r)
{
    if (r != NULL && r->custom != NULL)
        custom_unref(r->custom);
}

static void custom_retire(struct custom *k)
{
    k->retired = true;
    list_del(&k->link);
    custom_set.n--;
    for (size_t i = 0; i < k->n_versions; i++)
        custom_forget(&k->versions[i]);
    custom_unref(k);
}

/* --- a definition as rows --- */

static const char *const *custom_words(struct pool *pool, const json_t *list)
{
    size_t n = json_array_size(list);
    const char **words = pool_zero(pool, (n + 1) * sizeof(*words));

    for (size_t i = 0; i < n; i++)
        words[i] = pool_str(pool, json_string_value(json_array_get(list, i)));
    return words;
}

/* "stable.example.com/v1.CronTab" is "com.example.stable.v1.CronTab" in OpenAPI. */
static const char *custom_type_name(struct pool *pool, const struct schema_resource *r)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    char **part = str_split(r->group, '.');
    size_t n = 0;

    while (part[n] != NULL)
        n++;
    while (n-- > 0)
        text_fmt(&t, "%s.", part[n]);
    strv_free(part);
    text_fmt(&t, "%s.%s", r->version, r->kind);
    return pool_str(pool, text_str(&t));
}

static void custom_read_subs(struct pool *pool, struct custom_version *v, const json_t *subs)
{
    const json_t *scale = json_at(subs, "scale");
    const char *selector = json_str(scale, "labelSelectorPath");

    if (scale != NULL) {
        v->subs[v->row.n_subs++] = (struct schema_sub){ "scale", "Scale", "autoscaling", "v1",
                                                        CUSTOM_SUB_VERBS };
        v->scale_spec = pool_str(pool, json_str_or(scale, "specReplicasPath", ".") + 1);
        v->scale_status = pool_str(pool, json_str_or(scale, "statusReplicasPath", ".") + 1);
        v->scale_selector = str_empty(selector) ? NULL : pool_str(pool, selector + 1);
    }
    if (json_at(subs, "status") != NULL)
        v->subs[v->row.n_subs++] = (struct schema_sub){ "status", v->row.kind, "", "",
                                                        CUSTOM_SUB_VERBS };
    v->row.subs = v->subs;
}

static void custom_read_columns(struct pool *pool, struct custom_version *v, const json_t *list)
{
    size_t n = json_array_size(list);

    v->columns = pool_zero(pool, (n + 1) * sizeof(*v->columns));
    for (size_t i = 0; i < n; i++) {
        const json_t *from = json_array_get(list, i);
        struct custom_column *to = &v->columns[v->n_columns];
        struct err err = ERR_EMPTY;

        /* One that cannot be read was refused when the definition came. */
        if (jsonpath_new(&to->path, json_str_or(from, "jsonPath", ""), &err) < 0)
            continue;
        to->name = pool_str(pool, json_str_or(from, "name", ""));
        to->type = pool_str(pool, json_str_or(from, "type", "string"));
        to->format = pool_str(pool, json_str_or(from, "format", ""));
        to->description = pool_str(pool, json_str(from, "description"));
        to->wide = json_int(from, "priority", 0) > 0;
        v->n_columns++;
    }
}

static void custom_read_selectable(struct pool *pool, struct custom_version *v, const json_t *list)
{
    size_t n = json_array_size(list);
    const char **paths = pool_zero(pool, (n + 1) * sizeof(*paths));

    for (size_t i = 0; i < n; i++)
        paths[i] = pool_str(pool, json_str_or(json_array_get(list, i), "jsonPath", ""));
    v->selectable = paths;
}

static void custom_read_deprecation(struct pool *pool, struct custom_version *v, const json_t *from)
{
    cleanup(freep) char *usual = mem_fmt("%s/%s %s is deprecated", v->row.group, v->row.version,
                                         v->row.kind);

    if (json_bool(from, "deprecated", false))
        v->deprecation = pool_str(pool, json_str_or(from, "deprecationWarning", usual));
}

/* apiVersion, kind and metadata: what the tables say of every custom object. */
static const struct schema_field *custom_envelope(size_t *ret_n)
{
    static struct schema_field fields[] = {
        { .name = "apiVersion", .go = "string", .scalar = SCHEMA_STRING },
        { .name = "kind", .go = "string", .scalar = SCHEMA_STRING },
        { .name = "metadata", .go = "v1.ObjectMeta", .scalar = SCHEMA_STRUCT },
    };

    if (fields[2].type == NULL)
        fields[2].type = schema_type("meta/v1.ObjectMeta");
    *ret_n = N_ELEMENTS(fields);
    return fields;
}

static void custom_read_version(struct custom *k, struct custom_version *v, const json_t *spec,
                                const json_t *from)
{
    const json_t *names = json_at(spec, "names");

    v->row = (struct schema_resource){
        .group = pool_str(k->pool, json_str_or(spec, "group", "")),
        .version = pool_str(k->pool, json_str_or(from, "name", "")),
        .plural = pool_str(k->pool, json_str_or(names, "plural", "")),
        .singular = pool_str(k->pool, json_str_or(names, "singular", "")),
        .kind = pool_str(k->pool, json_str_or(names, "kind", "")),
        .bucket = pool_str(k->pool, k->crd->name),
        .namespaced = str_eq(json_str(spec, "scope"), "Namespaced"),
        .stored = json_bool(from, "storage", false),
        .foreign = true,
        .verbs = CUSTOM_VERBS,
        .short_names = custom_words(k->pool, json_at(names, "shortNames")),
        .categories = custom_words(k->pool, json_at(names, "categories")),
        .type = &v->type,
        .custom = k,
    };
    v->type.name = custom_type_name(k->pool, &v->row);
    v->type.fields = custom_envelope(&v->type.n_fields);
    v->served = json_bool(from, "served", false);
    custom_read_subs(k->pool, v, json_at(from, "subresources"));
    custom_read_columns(k->pool, v, json_at(from, "additionalPrinterColumns"));
    custom_read_selectable(k->pool, v, json_at(from, "selectableFields"));
    custom_read_deprecation(k->pool, v, from);
}

static struct custom *custom_new(const struct object *crd, const json_t *tree)
{
    struct custom *k = MEM_NEW(struct custom);
    const json_t *spec = json_at(tree, "spec"), *version;
    size_t i;

    list_init(&k->link);
    k->refs = 1;
    k->crd = object_ref(crd);
    k->since = crd->revision;
    k->converts = str_eq(json_str(spec, "conversion.strategy"), "Webhook");
    k->pool = pool_new();
    k->n_versions = json_array_size(json_at(spec, "versions"));
    k->versions = pool_zero(k->pool, (k->n_versions + 1) * sizeof(*k->versions));
    json_array_foreach (json_at(spec, "versions"), i, version) {
        k->versions[i].index = i;
        custom_read_version(k, &k->versions[i], spec, version);
    }
    return k;
}

/* --- the set --- */

static struct custom *custom_find(const char *name)
{
    struct list *head = custom_kinds();

    for (struct list *l = head->next; l != head; l = l->next) {
        struct custom *k = container_of(l, struct custom, link);

        if (str_eq(k->crd->name, name))
            return k;
    }
    return NULL;
}

static bool custom_is_established(const json_t *tree)
{
    const json_t *condition = json_find(json_at(tree, "status.conditions"), "type", "Established");

    return str_eq(json_str(condition, "status"), "True") &&
           !schema_is_built_in(json_str_or(tree, "spec.group", ""),
                               json_str_or(tree, "spec.names.plural", ""));
}

bool custom_apply(const struct object *crd, bool gone)
{
    struct custom *old = custom_find(crd->name), *k;
    cleanup(json_decrefpp) json_t *tree = NULL;

    if (old != NULL && !gone && old->crd->generation == crd->generation &&
        str_eq(old->crd->uid, crd->uid)) {
        /* Status or metadata: what the rows were made of is the same.  (Established stays.) */
        const struct object *before = old->crd;

        old->crd = object_ref(crd);
        object_unref(before);
        return false;
    }
    if (!gone)
        tree = object_tree(crd);
    gone = gone || !custom_is_established(tree);
    if (old != NULL)
        custom_retire(old);
    if (gone)
        return old != NULL;
    k = custom_new(crd, tree);
    list_add_tail(custom_kinds(), &k->link);
    custom_set.n++;
    return true;
}

void custom_publish(void)
{
    struct list *head = custom_kinds();
    cleanup(freep) const struct schema_resource **served = NULL;
    cleanup(freep) const struct schema_resource **stored = NULL;
    size_t n_served = 0, n_stored = 0, n = 1;

    for (struct list *l = head->next; l != head; l = l->next)
        n += container_of(l, struct custom, link)->n_versions;
    served = MEM_NEW_ARRAY(const struct schema_resource *, n);
    stored = MEM_NEW_ARRAY(const struct schema_resource *, n);
    for (struct list *l = head->next; l != head; l = l->next) {
        struct custom *k = container_of(l, struct custom, link);

        for (size_t i = 0; i < k->n_versions; i++) {
            if (k->versions[i].served)
                served[n_served++] = &k->versions[i].row;
            if (k->versions[i].row.stored)
                stored[n_stored++] = &k->versions[i].row;
        }
    }
    schema_set_custom(served, n_served, stored, n_stored);
}

void custom_clear(void)
{
    struct list *head = custom_kinds();

    schema_set_custom(NULL, 0, NULL, 0);
    while (!list_empty(head))
        custom_retire(container_of(head->next, struct custom, link));
}

size_t custom_count(void)
{
    return custom_set.n;
}

size_t custom_cached(void)
{
    return custom_set.cached;
}

/* --- one row --- */

bool custom_is_retired(const struct schema_resource *r)
{
    return r->custom != NULL && r->custom->retired;
}

bool custom_is_terminating(const struct schema_resource *r)
{
    return r->custom != NULL && (r->custom->retired || r->custom->crd->deleting);
}

static struct custom_version *custom_version_of(const struct schema_resource *r)
{
    assert(r->custom != NULL);
    for (size_t i = 0; i < r->custom->n_versions; i++)
        if (&r->custom->versions[i].row == r)
            return &r->custom->versions[i];
    assert(!"a row belongs to its custom");
    return NULL;
}

const struct custom_version *custom_version(const struct schema_resource *r)
{
    return custom_version_of(r);
}

json_t *custom_openapi(const struct schema_resource *r)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(r->custom->crd);
    const json_t *version = json_array_get(json_at(tree, "spec.versions"),
                                           custom_version(r)->index);

    return json_incref(json_at(version, "schema.openAPIV3Schema"));
}

/* Forgets the least used until the rest fits; never @kept. */
static void custom_make_room(const struct custom_version *kept)
{
    struct list *head = custom_kinds();

    while (custom_set.cached > CUSTOM_CACHE_BYTES) {
        struct custom_version *least = NULL;

        for (struct list *l = head->next; l != head; l = l->next) {
            struct custom *k = container_of(l, struct custom, link);

            for (size_t i = 0; i < k->n_versions; i++) {
                struct custom_version *v = &k->versions[i];

                if (v->schema != NULL && v != kept && (least == NULL || v->used < least->used))
                    least = v;
            }
        }
        if (least == NULL)
            return;
        custom_forget(least);
    }
}

const struct custom_node *custom_root(const struct schema_resource *r)
{
    /* A schema that cannot be compiled was refused; should one be stored all the same, its
     * objects can at least be read and deleted. */
    static const struct custom_node anything = { .type = CUSTOM_OBJECT, .flags = CUSTOM_PRESERVE };
    struct custom_version *v = custom_version_of(r);
    struct err err = ERR_EMPTY;

    v->used = ++custom_set.clock;
    if (v->schema == NULL) {
        cleanup(json_decrefpp) json_t *openapi = custom_openapi(r);

        if (custom_schema_new(&v->schema, openapi, &err) < 0)
            return &anything;
        custom_set.cached += custom_schema_footprint(v->schema);
        custom_make_room(v);
    }
    return custom_schema_root(v->schema);
}

uint64_t custom_revision(const struct schema_resource *r)
{
    return r->custom != NULL ? r->custom->since : 0;
}

bool custom_converts(const struct schema_resource *r)
{
    return r->custom != NULL && r->custom->converts;
}

json_t *custom_conversion(const struct schema_resource *r)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(r->custom->crd);

    return json_incref(json_at(tree, "spec.conversion"));
}

bool custom_is_stale(const struct schema_resource *r, const struct object *o)
{
    return r->custom != NULL && (!r->stored || o->revision < r->custom->since);
}

void custom_refresh(const struct schema_resource *r, json_t *tree)
{
    char version[128];

    schema_api_version(version, sizeof(version), r);
    json_put_str(tree, "apiVersion", version);
    custom_default(tree, custom_root(r));
}
