/* apply_fixture: applies and updates by several managers, told as a row of steps.
 *
 * A case is a type, steps, and what stands at the end: the object, and who owns what, as
 * `name+ .path .path; other .path` in the order of names: + an applier, /sub a subresource.
 * ' stands for " everywhere.  The shape of the cases is that of structured-merge-diff's own.
 */
#ifndef TESTS_UNIT_APPLY_FIXTURE_H
#define TESTS_UNIT_APPLY_FIXTURE_H

#include "api/apply.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

#define APPLY_STEPS 8

enum apply_verb { APPLY_END, APPLY, FORCE, UPDATE };

struct apply_step {
    enum apply_verb verb;
    const char *manager;
    const char *object;   /* without apiVersion and kind */
    const char *conflict; /* part of the refusal; NULL: it succeeds */
    const char *version;  /* NULL: "v1" */
    const char *sub;      /* NULL: "" */
    const char *reset[3];
};

struct apply_case {
    const char *name;
    const char *schema;  /* OpenAPI of a custom kind, of version v1 */
    const char *schema2; /* of v2; NULL: the same */
    const char *kind;    /* or a type of the tables */
    struct apply_step steps[APPLY_STEPS];
    const char *object; /* NULL: not looked at */
    const char *owners;
};

struct apply_world {
    const struct apply_case *c;
    struct custom_schema *schemas[2];
    json_t *live;   /* in the words of v1 */
    json_t *fields; /* managedFields */
    int64_t second;
};

static bool apply_world_place(void *arg, struct typed_place *ret, const char *api_version)
{
    struct apply_world *w = arg;

    if (w->c->kind != NULL)
        *ret = typed_of_type(schema_type(w->c->kind));
    else if (str_eq(api_version, "v1"))
        *ret = typed_of_node(custom_schema_root(w->schemas[0]));
    else if (str_eq(api_version, "v2"))
        *ret = typed_of_node(custom_schema_root(w->schemas[1]));
    else
        return false;
    return true;
}

/* v2 calls `old` what v1 calls `young`; the rest is the same. */
static json_t *apply_world_convert(void *arg, const json_t *tree, const char *from, const char *to)
{
    json_t *copy = json_deep_copy(tree);
    const char *was = str_eq(from, "v2") ? "old" : "young";
    const char *is = str_eq(to, "v2") ? "old" : "young";
    json_t *value = json_incref(json_object_get(copy, was));

    (void)arg;
    if (value != NULL) {
        json_object_del(copy, was);
        json_object_set_new(copy, is, value);
    }
    return copy;
}

static json_t *apply_world_parse(const char *text)
{
    return text != NULL ? quoted(text) : NULL;
}

static void apply_world_up(struct apply_world *w, const struct apply_case *c)
{
    struct err err = ERR_EMPTY;

    *w = (struct apply_world){ .c = c };
    for (int i = 0; i < 2 && c->schema != NULL; i++) {
        cleanup(json_decrefpp)
            json_t *openapi = quoted(i == 1 && c->schema2 != NULL ? c->schema2 : c->schema);

        CHECK_INT(custom_schema_new(&w->schemas[i], openapi, &err), 0);
    }
}

static void apply_world_down(struct apply_world *w)
{
    custom_schema_free(w->schemas[0]);
    custom_schema_free(w->schemas[1]);
    json_decref(w->live);
    json_decref(w->fields);
}

static json_t *apply_world_live(struct apply_world *w, const char *version)
{
    if (w->live == NULL)
        return NULL;
    return apply_world_convert(w, w->live, "v1", version);
}

static void apply_world_keep(struct apply_world *w, const struct managed *m, const json_t *tree,
                             const char *version)
{
    json_decref(w->fields);
    json_decref(w->live);
    w->fields = managed_json(m);
    w->live = apply_world_convert(w, tree, version, "v1");
}

/* False: refused. */
static bool apply_world_apply(struct apply_world *w, const struct apply_step *s,
                              const struct managed_write *write, struct managed *m,
                              struct text *why)
{
    cleanup(json_decrefpp) json_t *live = apply_world_live(w, write->api_version);
    cleanup(json_decrefpp) json_t *config = quoted(s->object);
    struct apply_result result;
    struct err err = ERR_EMPTY;

    if (apply_config(&result, m, write, live, config, s->verb == FORCE, &err) < 0)
        text_puts(why, err.text);
    else if (result.n_conflicts > 0)
        apply_conflicts_text(why, &result);
    else
        apply_world_keep(w, m, result.tree, write->api_version);
    json_decref(result.tree);
    return why->len == 0;
}

static void apply_world_update(struct apply_world *w, const struct apply_step *s,
                               const struct managed_write *write, struct managed *m)
{
    cleanup(json_decrefpp) json_t *live = apply_world_live(w, write->api_version);
    cleanup(json_decrefpp) json_t *next = quoted(s->object);

    managed_update(m, write, live, next);
    apply_world_keep(w, m, next, write->api_version);
}

static void apply_world_step(struct apply_world *w, const struct apply_step *s)
{
    struct managed_versions versions = { apply_world_place, apply_world_convert, w };
    cleanup(freep) char *now = mem_fmt("2026-01-02T03:04:%02lldZ", (long long)w->second++);
    struct managed_write write = { .versions = &versions,
                                   .api_version = s->version != NULL ? s->version : "v1",
                                   .manager = s->manager,
                                   .subresource = s->sub != NULL ? s->sub : "",
                                   .now = now,
                                   .reset = s->reset,
                                   .reconcile = true };
    cleanup(json_decrefpp) json_t *fields = json_incref(w->fields);
    cleanup(text_fini) struct text why = TEXT_EMPTY;
    cleanup(freep) char *want = mem_str(s->conflict);
    struct managed m;
    struct err err = ERR_EMPTY;

    managed_init(&m);
    CHECK_INT(managed_load(&m, fields, &err), 0);
    if (s->verb == UPDATE)
        apply_world_update(w, s, &write, &m);
    else
        apply_world_apply(w, s, &write, &m, &why);
    managed_fini(&m);
    for (char *c = want; c != NULL && *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    if (want == NULL)
        CHECK_STR(text_str(&why), "");
    else if (strstr(text_str(&why), want) == NULL)
        CHECK_STR(text_str(&why), want);
}

static void apply_owner_path(void *arg, const char *path)
{
    text_fmt(arg, " %s", path);
}

static int apply_owner_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void apply_world_owners(struct text *ret, const json_t *fields)
{
    char *lines[32];
    struct managed m;
    struct err err = ERR_EMPTY;

    managed_init(&m);
    CHECK_INT(managed_load(&m, fields, &err), 0);
    CHECK(m.n <= N_ELEMENTS(lines));
    for (size_t i = 0; i < m.n; i++) {
        const struct managed_entry *e = &m.entries[i];
        struct text t = TEXT_EMPTY;

        text_fmt(&t, "%s%s%s%s", e->manager, e->applied ? "+" : "",
                 e->subresource[0] != '\0' ? "/" : "", e->subresource);
        if (!str_eq(e->api_version, "v1"))
            text_fmt(&t, "@%s", e->api_version);
        field_set_each(e->set, apply_owner_path, &t);
        lines[i] = text_take(&t);
    }
    qsort(lines, m.n, sizeof(*lines), apply_owner_compare);
    for (size_t i = 0; i < m.n; i++) {
        text_fmt(ret, "%s%s", i > 0 ? "; " : "", lines[i]);
        free(lines[i]);
    }
    for (size_t i = 0; i < ret->len; i++)
        if (ret->data[i] == '"')
            ret->data[i] = '\'';
    managed_fini(&m);
}

/* Nulls are as absent: who stores the tree drops them. */
static void apply_world_tidy(json_t *tree)
{
    const char *key;
    json_t *value;
    void *next;
    size_t i;

    json_object_foreach_safe (tree, next, key, value) {
        if (json_is_null(value))
            json_object_del(tree, key);
        else
            apply_world_tidy(value);
    }
    json_array_foreach (tree, i, value)
        apply_world_tidy(value);
}

static void apply_run_case(const struct apply_case *c)
{
    cleanup(text_fini) struct text owners = TEXT_EMPTY;
    cleanup(freep) char *object = NULL;
    cleanup(freep) char *want = NULL;
    cleanup(json_decrefpp) json_t *wanted = apply_world_parse(c->object);
    struct apply_world w;

    apply_world_up(&w, c);
    for (size_t i = 0; i < APPLY_STEPS && c->steps[i].verb != APPLY_END; i++)
        apply_world_step(&w, &c->steps[i]);
    apply_world_tidy(w.live);
    if (wanted != NULL) {
        object = json_print_sorted(w.live, NULL);
        want = json_print_sorted(wanted, NULL);
        if (!str_eq(object, want))
            print_message("%s:\n", c->name);
        CHECK_STR(object, want);
    }
    apply_world_owners(&owners, w.fields);
    if (!str_eq(text_str(&owners), c->owners))
        print_message("%s:\n", c->name);
    CHECK_STR(text_str(&owners), c->owners);
    apply_world_down(&w);
}

#define APPLY_RUN(cases)                           \
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) \
    apply_run_case(&(cases)[i])

#endif
