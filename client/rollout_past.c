#include "client/rollout_past.h"

#include "base/mem.h"
#include "base/yaml.h"
#include "client/pick.h"
#include "client/print.h"

#define ROLLOUT_REVISION "deployment.kubernetes.io/revision"
#define ROLLOUT_CAUSE    "kubernetes.io/change-cause"
#define ROLLOUT_APPLIED  "kubectl.kubernetes.io/last-applied-configuration"
#define ROLLOUT_HASH     "pod-template-hash"

const struct schema_resource *rollout_past_kind(const struct schema_resource *r)
{
    if (str_eq(r->plural, "deployments"))
        return schema_resource("apps", "v1", "replicasets");
    if (str_eq(r->plural, "daemonsets") || str_eq(r->plural, "statefulsets"))
        return schema_resource("apps", "v1", "controllerrevisions");
    return NULL;
}

static bool rollout_past_owned(const json_t *item, const json_t *owner)
{
    const json_t *ref = json_find(json_at(item, "metadata.ownerReferences"), "uid",
                                  json_str_or(owner, "metadata.uid", ""));

    return ref != NULL;
}

static int64_t rollout_past_revision(const json_t *item)
{
    const char *text = json_string_value(
        json_object_get(json_at(item, "metadata.annotations"), ROLLOUT_REVISION));
    int64_t n = 0;

    if (json_at(item, "data") != NULL)
        return json_int(item, "revision", 0);
    return text != NULL && str_i64(text, &n) ? n : 0;
}

static void rollout_past_insert(json_t *past, json_t *one)
{
    int64_t n = json_int(one, "revision", 0);
    size_t i = json_array_size(past);

    while (i > 0 && json_int(json_array_get(past, i - 1), "revision", 0) > n)
        i--;
    json_array_insert_new(past, i, one);
}

json_t *rollout_past_read(const json_t *owner, const json_t *items)
{
    json_t *past = json_array(), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        const json_t *notes = json_at(item, "metadata.annotations");
        json_t *template = json_at(item, "spec.template"), *one;
        const char *cause = json_string_value(json_object_get(notes, ROLLOUT_CAUSE));
        int64_t revision = rollout_past_revision(item);

        if (!rollout_past_owned(item, owner) || revision == 0)
            continue;
        one = json_pack("{s:I,s:s}", "revision", (json_int_t)revision, "cause",
                        cause != NULL ? cause : "<none>");
        if (json_at(item, "data") != NULL)
            json_put(one, "data", json_incref(json_at(item, "data")));
        if (json_at(item, "data") != NULL)
            template = json_at(item, "data.spec.template");
        json_put(one, "template", json_deep_copy(template));
        if (notes != NULL)
            json_put(one, "annotations", json_deep_copy(notes));
        rollout_past_insert(past, one);
    }
    return past;
}

void rollout_past_print(struct text *ret, const json_t *past)
{
    struct print *p = print_new(&(struct print_opts){ .headers_as_is = true, .padding = 2 });
    cleanup(json_decrefpp) json_t *rows = json_array();
    cleanup(json_decrefpp) json_t *table = NULL;
    const json_t *one;
    size_t i;

    json_array_foreach (past, i, one)
        json_array_append_new(rows, json_pack("{s:[I,s]}", "cells",
                                              (json_int_t)json_int(one, "revision", 0),
                                              json_str_or(one, "cause", "")));
    table = json_pack("{s:s,s:[{s:s},{s:s}],s:O}", "kind", "Table", "columnDefinitions", "name",
                      "REVISION", "name", "CHANGE-CAUSE", "rows", rows);
    print_table(p, table);
    print_flush(ret, p);
    print_free(p);
}

static const json_t *rollout_past_find(const json_t *past, int64_t revision, struct err *err)
{
    const json_t *one;
    size_t i;

    json_array_foreach (past, i, one)
        if (json_int(one, "revision", 0) == revision)
            return one;
    err_set(err, ERR_NOT_FOUND, "unable to find specified revision %lld in history",
            (long long)revision);
    return NULL;
}

int rollout_past_detail(struct text *ret, const json_t *past, int64_t revision, struct err *err)
{
    const json_t *one = rollout_past_find(past, revision, err);
    cleanup(json_decrefpp) json_t *shown = NULL;

    if (one == NULL)
        return ERR_NOT_FOUND;
    shown = json_pack("{s:O}", "template", json_at(one, "template"));
    yaml_print(ret, shown);
    return 0;
}

int64_t rollout_past_before(const json_t *past)
{
    size_t n = json_array_size(past);

    return n < 2 ? 0 : json_int(json_array_get(past, n - 2), "revision", 0);
}

/* Notes that belong to the object and not to what it was like. */
static json_t *rollout_past_notes(const json_t *owner, const json_t *one)
{
    static const char *const own[] = { ROLLOUT_REVISION, ROLLOUT_APPLIED,
                                       "deployment.kubernetes.io/revision-history",
                                       "deployment.kubernetes.io/desired-replicas",
                                       "deployment.kubernetes.io/max-replicas" };
    const json_t *then = json_at(one, "annotations"), *now = json_at(owner, "metadata.annotations");
    json_t *notes = then != NULL ? json_deep_copy(then) : json_object();

    for (size_t i = 0; i < N_ELEMENTS(own); i++) {
        json_t *kept = json_object_get(now, own[i]);

        json_object_del(notes, own[i]);
        if (kept != NULL)
            json_object_set(notes, own[i], kept);
    }
    return notes;
}

static int rollout_past_undo_deployment(json_t **ret, const json_t *owner, const json_t *one)
{
    cleanup(json_decrefpp) json_t *template = json_deep_copy(json_at(one, "template"));

    json_object_del(json_at(template, "metadata.labels"), ROLLOUT_HASH);
    if (json_equal(template, json_at(owner, "spec.template")))
        return ROLLOUT_PAST_SAME;
    *ret = json_pack("[{s:s,s:s,s:O},{s:s,s:s,s:o}]", "op", "replace", "path", "/spec/template",
                     "value", template, "op", "add", "path", "/metadata/annotations", "value",
                     rollout_past_notes(owner, one));
    return 0;
}

int rollout_past_undo(json_t **ret, const char **ret_type, const json_t *owner, const json_t *past,
                      int64_t revision, struct err *err)
{
    int64_t to = revision > 0 ? revision : rollout_past_before(past);
    const json_t *one;

    if (to == 0)
        return err_set(err, ERR_NOT_FOUND, "no last revision to roll back to");
    one = rollout_past_find(past, to, err);
    if (one == NULL)
        return ERR_NOT_FOUND;
    if (json_bool(owner, "spec.paused", false))
        return err_set(err, ERR_INVALID,
                       "you cannot rollback a paused deployment; resume it first with 'kubectl "
                       "rollout resume' and try again");
    if (json_at(one, "data") == NULL) {
        *ret_type = PICK_JSON;
        return rollout_past_undo_deployment(ret, owner, one);
    }
    *ret_type = PICK_STRATEGIC;
    if (json_equal(json_at(one, "template"), json_at(owner, "spec.template")))
        return ROLLOUT_PAST_SAME;
    *ret = json_deep_copy(json_at(one, "data"));
    return 0;
}
