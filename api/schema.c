#include "api/schema.h"

#include "api/schema_tables.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is served beside the tables.  The one mutable state of this file: every lookup of a kind
 * anywhere goes through here, and a process serves one API. */
static struct {
    const struct schema_resource *
        *served; /* owned: all, built in or not, in order; NULL: no custom */
    size_t n_served;
    const struct schema_resource **stored; /* owned: storage rows of the custom ones */
    size_t n_stored;
} schema_now;

/* "apps/v1" -> "apps", "v1"; "v1" -> "", "v1".  False: too long, or no version. */
struct schema_gv {
    char group[128];
    const char *version; /* into the caller's string */
};

static bool schema_gv_split(struct schema_gv *ret, const char *api_version)
{
    const char *slash = strchr(api_version, '/');
    size_t len = slash != NULL ? (size_t)(slash - api_version) : 0;

    if (len >= sizeof(ret->group))
        return false;
    memcpy(ret->group, api_version, len);
    ret->group[len] = '\0';
    ret->version = slash != NULL ? slash + 1 : api_version;
    return ret->version[0] != '\0';
}

static size_t schema_n(void)
{
    return schema_now.served != NULL ? schema_now.n_served : SCHEMA_N_RESOURCES;
}

const struct schema_verb_name schema_verb_names[] = {
    { SCHEMA_MAY_CREATE, "create" },
    { SCHEMA_MAY_DELETE, "delete" },
    { SCHEMA_MAY_DELETECOLLECTION, "deletecollection" },
    { SCHEMA_MAY_GET, "get" },
    { SCHEMA_MAY_LIST, "list" },
    { SCHEMA_MAY_PATCH, "patch" },
    { SCHEMA_MAY_UPDATE, "update" },
    { SCHEMA_MAY_WATCH, "watch" },
    { 0, NULL },
};

const struct schema_resource *schema_at(size_t index)
{
    if (index >= schema_n())
        return NULL;
    return schema_now.served != NULL ? schema_now.served[index] : &schema_resources[index];
}

static int schema_resource_cmp(const struct schema_resource *r, const char *group,
                               const char *version, const char *plural)
{
    int c = strcmp(group, r->group);

    if (c == 0)
        c = strcmp(version, r->version);
    return c != 0 ? c : strcmp(plural, r->plural);
}

const struct schema_resource *schema_resource(const char *group, const char *version,
                                              const char *plural)
{
    size_t low = 0, high = schema_n();

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = schema_resource_cmp(schema_at(middle), group, version, plural);

        if (c == 0)
            return schema_at(middle);
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_resource *schema_by_kind(const char *group, const char *version,
                                             const char *kind)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (strcmp(r->kind, kind) == 0 && strcmp(r->group, group) == 0 &&
            strcmp(r->version, version) == 0)
            return r;
    }
    return NULL;
}

const struct schema_resource *schema_by_api_version(const char *api_version, const char *kind)
{
    struct schema_gv gv;

    if (!schema_gv_split(&gv, api_version))
        return NULL;
    return schema_by_kind(gv.group, gv.version, kind);
}

const struct schema_resource *schema_bucket(const char *bucket)
{
    for (size_t i = 0; i < SCHEMA_N_RESOURCES; i++) {
        if (schema_resources[i].stored && strcmp(schema_resources[i].bucket, bucket) == 0)
            return &schema_resources[i];
    }
    for (size_t i = 0; i < schema_now.n_stored; i++) {
        if (strcmp(schema_now.stored[i]->bucket, bucket) == 0)
            return schema_now.stored[i];
    }
    return NULL;
}

bool schema_is_built_in(const char *group, const char *plural)
{
    for (size_t i = 0; i < SCHEMA_N_RESOURCES; i++) {
        if (strcmp(schema_resources[i].group, group) == 0 &&
            strcmp(schema_resources[i].plural, plural) == 0)
            return true;
    }
    return false;
}

static bool schema_answers_to(const struct schema_resource *r, const char *word)
{
    if (strcasecmp(word, r->plural) == 0 || strcasecmp(word, r->singular) == 0 ||
        strcasecmp(word, r->kind) == 0)
        return true;
    for (const char *const *s = r->short_names; *s != NULL; s++) {
        if (strcasecmp(word, *s) == 0)
            return true;
    }
    return false;
}

/* "deployments.apps", "deployment.apps": everything after the first dot is the group. */
static bool schema_answers_to_full(const struct schema_resource *r, const char *word)
{
    const char *dot = strchr(word, '.');
    char head[128];

    if (dot == NULL || strcmp(dot + 1, r->group) != 0)
        return false;
    snprintf(head, sizeof(head), "%.*s", (int)(dot - word), word);
    return schema_answers_to(r, head);
}

const struct schema_resource *schema_guess(const char *word)
{
    const struct schema_resource *alias = NULL, *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (!schema_answers_to(r, word) && !schema_answers_to_full(r, word))
            continue;
        if (r->stored)
            return r;
        if (alias == NULL)
            alias = r;
    }
    return alias;
}

const struct schema_sub *schema_sub(const struct schema_resource *r, const char *name)
{
    for (size_t i = 0; i < r->n_subs; i++) {
        if (strcmp(r->subs[i].name, name) == 0)
            return &r->subs[i];
    }
    return NULL;
}

const struct schema_field *schema_field(const struct schema_type *t, const char *name)
{
    size_t low = 0, high = t->n_fields;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(name, t->fields[middle].name);

        if (c == 0)
            return &t->fields[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int schema_type_cmp(const void *name, const void *type)
{
    return strcmp(name, ((const struct schema_type *)type)->name);
}

const struct schema_type *schema_type(const char *name)
{
    return bsearch(name, schema_types, SCHEMA_N_TYPES, sizeof(schema_types[0]), schema_type_cmp);
}

const struct schema_type *schema_type_by_kind(const char *api_version, const char *kind)
{
    struct schema_gv gv;

    if (!schema_gv_split(&gv, api_version))
        return NULL;
    for (size_t i = 0; i < SCHEMA_N_KINDS; i++) {
        const struct schema_kind *k = &schema_kinds[i];

        if (strcmp(k->kind, kind) != 0)
            continue;
        if (strcmp(k->version, "*") == 0 ||
            (strcmp(k->group, gv.group) == 0 && strcmp(k->version, gv.version) == 0))
            return k->type;
    }
    return NULL;
}

const struct schema_kind *schema_kind_at(size_t index)
{
    return index < SCHEMA_N_KINDS ? &schema_kinds[index] : NULL;
}

bool schema_serves(const char *group, const char *version)
{
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (strcmp(r->group, group) == 0 && strcmp(r->version, version) == 0)
            return true;
    }
    return false;
}

const char *schema_type_short(const struct schema_type *t)
{
    const char *dot = strrchr(t->name, '.');

    return dot != NULL ? dot + 1 : t->name;
}

const char *schema_hash(void)
{
    return SCHEMA_HASH;
}

void schema_api_version(char *ret, size_t size, const struct schema_resource *r)
{
    assert(size > 0);
    snprintf(ret, size, "%s%s%s", r->group, r->group[0] != '\0' ? "/" : "", r->version);
}

/* --- what comes and goes --- */

static int schema_by_place(const void *a, const void *b)
{
    const struct schema_resource *const *x = a, *const *y = b;

    return schema_resource_cmp(*y, (*x)->group, (*x)->version, (*x)->plural);
}

void schema_set_custom(const struct schema_resource *const *served, size_t n_served,
                       const struct schema_resource *const *stored, size_t n_stored)
{
    free(schema_now.served);
    free(schema_now.stored);
    memset(&schema_now, 0, sizeof(schema_now));
    if (n_served + n_stored == 0)
        return;
    schema_now.served = MEM_NEW_ARRAY(const struct schema_resource *,
                                      SCHEMA_N_RESOURCES + n_served);
    schema_now.stored = MEM_NEW_ARRAY(const struct schema_resource *, n_stored + 1);
    for (size_t i = 0; i < SCHEMA_N_RESOURCES; i++)
        schema_now.served[schema_now.n_served++] = &schema_resources[i];
    for (size_t i = 0; i < n_served; i++)
        schema_now.served[schema_now.n_served++] = served[i];
    for (size_t i = 0; i < n_stored; i++)
        schema_now.stored[schema_now.n_stored++] = stored[i];
    qsort(schema_now.served, schema_now.n_served, sizeof(*schema_now.served), schema_by_place);
}
