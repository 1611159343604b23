#include "api/crd.h"

#include "api/conditions.h"
#include "api/custom.h"
#include "api/custom_tree.h"
#include "base/mem.h"
#include "base/pattern.h"

#include <string.h>

bool crd_is_foreign(const json_t *tree)
{
    return schema_is_built_in(json_str_or(tree, "spec.group", ""),
                              json_str_or(tree, "spec.names.plural", ""));
}

/* --- names --- */

/* What another kind of the group is called by. */
static bool crd_name_is_taken(const json_t *tree, const char *word, bool kind)
{
    const char *group = json_str_or(tree, "spec.group", "");
    const char *plural = json_str_or(tree, "spec.names.plural", "");
    const struct schema_resource *r;

    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        cleanup(freep) char *list = NULL;

        if (!str_eq(r->group, group) || str_eq(r->plural, plural))
            continue;
        list = mem_fmt("%sList", r->kind);
        if (kind && (str_eq(r->kind, word) || str_eq(list, word)))
            return true;
        if (kind)
            continue;
        if (str_eq(r->plural, word) || str_eq(r->singular, word))
            return true;
        for (const char *const *s = r->short_names; *s != NULL; s++)
            if (str_eq(*s, word))
                return true;
    }
    return false;
}

struct crd_conflict {
    const char *reason; /* NULL: none */
    char *message;      /* owned */
};

static bool crd_take(struct crd_conflict *c, const json_t *tree, const char *word, bool kind,
                     const char *reason)
{
    if (!crd_name_is_taken(tree, word, kind))
        return true;
    free(c->message);
    c->reason = reason;
    c->message = mem_fmt("\"%s\" is already in use", word);
    return false;
}

static void crd_take_short_names(struct crd_conflict *c, const json_t *tree, json_t *accepted)
{
    const json_t *wanted = json_at(tree, "spec.names.shortNames"), *word;
    size_t i;
    bool all = true;

    json_array_foreach (wanted, i, word)
        all = crd_take(c, tree, json_string_value(word), false, "ShortNamesConflict") && all;
    if (all && json_array_size(wanted) > 0)
        json_object_set_new(accepted, "shortNames", json_deep_copy(wanted));
    else if (all)
        json_object_del(accepted, "shortNames");
}

/* Takes what is free; the last conflict is the one that is told, as in Kubernetes. */
static json_t *crd_accept_names(struct crd_conflict *c, const json_t *tree)
{
    static const struct {
        const char *member, *reason;
        bool kind;
    } rows[] = { { "plural", "PluralConflict", false },
                 { "singular", "SingularConflict", false },
                 { "kind", "KindConflict", true },
                 { "listKind", "ListKindConflict", true } };
    json_t *accepted = json_deep_copy(json_at(tree, "status.acceptedNames"));
    const json_t *names = json_at(tree, "spec.names");

    if (accepted == NULL)
        accepted = json_pack("{s:s, s:s}", "plural", "", "kind", "");
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        const char *word = json_str_or(names, rows[i].member, "");

        if (i == 2)
            crd_take_short_names(c, tree, accepted);
        if (word[0] != '\0' && crd_take(c, tree, word, rows[i].kind, rows[i].reason))
            json_put_str(accepted, rows[i].member, word);
    }
    if (json_at(names, "categories") != NULL)
        json_object_set_new(accepted, "categories", json_deep_copy(json_at(names, "categories")));
    else
        json_object_del(accepted, "categories");
    return accepted;
}

static void crd_name_conditions(json_t *status, const struct crd_conflict *c, int64_t now_ms)
{
    bool accepted = c->reason == NULL;

    condition_set(status, "NamesAccepted", accepted ? "True" : "False",
                  accepted ? "NoConflicts" : c->reason,
                  accepted ? "no conflicts found" : c->message, now_ms);
    if (accepted)
        condition_set(status, "Established", "True", "InitialNamesAccepted",
                      "the initial names have been accepted", now_ms);
    else if (!condition_is(status, "Established", "True"))
        condition_set(status, "Established", "False", "NotAccepted", "not all names are accepted",
                      now_ms);
}

/* --- the rest of status --- */

static void crd_store_version(json_t *status, const json_t *tree)
{
    const json_t *version, *stored = NULL;
    json_t *list = json_object_get(status, "storedVersions");
    const char *name;
    size_t i;

    json_array_foreach (json_at(tree, "spec.versions"), i, version)
        if (json_bool(version, "storage", false))
            stored = version;
    name = json_str(stored, "name");
    if (name == NULL)
        return;
    if (list == NULL)
        json_object_set_new(status, "storedVersions", list = json_array());
    json_array_foreach (list, i, version)
        if (str_eq(json_string_value(version), name))
            return;
    json_array_append_new(list, json_string(name));
}

static void crd_approval(json_t *status, const json_t *tree, int64_t now_ms)
{
    const char *group = json_str_or(tree, "spec.group", "");
    const char *approval = json_string_value(
        json_object_get(json_at(tree, "metadata.annotations"), "api-approved.kubernetes.io"));
    cleanup(freep) char *message = NULL;
    bool unapproved = str_starts(approval != NULL ? approval : "", "unapproved");

    if (!str_ends(group, ".k8s.io") && !str_ends(group, ".kubernetes.io"))
        return;
    message = mem_fmt("%s in %s", unapproved ? "not approved" : "approved",
                      approval != NULL ? approval : "");
    condition_set(status, "KubernetesAPIApprovalPolicyConformant", unapproved ? "False" : "True",
                  unapproved ? "UnapprovedAnnotation" : "ApprovedAnnotation", message, now_ms);
}

void crd_status(json_t *tree, int64_t now_wall_ms)
{
    struct crd_conflict c = { 0 };
    json_t *status = json_object_get(tree, "status");
    json_t *accepted;

    if (!json_is_object(json_at(tree, "spec.names")))
        return; /* validation will tell */
    if (!json_is_object(status))
        json_object_set_new(tree, "status", status = json_object());
    accepted = crd_accept_names(&c, tree);
    json_object_set_new(status, "acceptedNames", accepted);
    crd_name_conditions(status, &c, now_wall_ms);
    crd_approval(status, tree, now_wall_ms);
    crd_store_version(status, tree);
    free(c.message);
}

void crd_terminate(json_t *tree, int64_t now_wall_ms)
{
    json_t *list = json_at(tree, "metadata.finalizers"), *item;
    json_t *status = json_object_get(tree, "status");
    size_t i;
    bool has = false;

    if (json_at(tree, "metadata.deletionTimestamp") != NULL)
        return;
    if (!json_is_object(status))
        json_object_set_new(tree, "status", status = json_object());
    if (list == NULL)
        json_put(tree, "metadata.finalizers", list = json_array());
    json_array_foreach (list, i, item)
        has = has || str_eq(json_string_value(item), CUSTOM_FINALIZER);
    if (!has)
        json_array_append_new(list, json_string(CUSTOM_FINALIZER));
    condition_set(status, "Terminating", "True", "InstanceDeletionPending",
                  "CustomResourceDefinition marked for deletion; CustomResource deletion will "
                  "begin soon",
                  now_wall_ms);
}

/* --- warnings: what is accepted and not done --- */

struct crd_survey {
    unsigned n_formats, n_patterns;
    char *format, *pattern; /* owned; NULL: none */
};

static void crd_survey_note(unsigned *n, char **first, const char *text)
{
    if ((*n)++ == 0)
        *first = mem_str(text);
}

static void crd_survey_node(struct crd_survey *s, const json_t *schema)
{
    const char *format = json_string_value(json_object_get(schema, "format"));
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    struct pattern *p = NULL;
    struct err err = ERR_EMPTY;

    if (!str_empty(format) && !custom_format_known(format))
        crd_survey_note(&s->n_formats, &s->format, format);
    if (!str_empty(pattern) && pattern_new(&p, pattern, &err) < 0)
        crd_survey_note(&s->n_patterns, &s->pattern, pattern);
    pattern_free(p);
}

static void crd_survey_below(struct crd_survey *s, const json_t *schema, unsigned depth)
{
    static const char *const lists[] = { "allOf", "anyOf", "oneOf" };
    static const char *const ones[] = { "items", "additionalProperties", "not" };
    const char *key;
    json_t *child;
    size_t k;

    if (!json_is_object(schema) || depth > CUSTOM_DEPTH_MAX)
        return;
    crd_survey_node(s, schema);
    json_object_foreach (json_object_get(schema, "properties"), key, child)
        crd_survey_below(s, child, depth + 1);
    for (size_t i = 0; i < N_ELEMENTS(ones); i++)
        crd_survey_below(s, json_object_get(schema, ones[i]), depth + 1);
    for (size_t i = 0; i < N_ELEMENTS(lists); i++)
        json_array_foreach (json_object_get(schema, lists[i]), k, child)
            crd_survey_below(s, child, depth + 1);
}

static void crd_warn(json_t *list, char *text_steal)
{
    json_array_append_new(list, json_string(text_steal));
    free(text_steal);
}

static void crd_warn_of_schemas(json_t *ret, const json_t *tree)
{
    struct crd_survey s = { 0 };
    const char *kind = json_str_or(tree, "spec.names.kind", "");
    const json_t *version;
    size_t i;

    json_array_foreach (json_at(tree, "spec.versions"), i, version)
        crd_survey_below(&s, json_at(version, "schema.openAPIV3Schema"), 0);
    if (s.n_formats > 0)
        crd_warn(ret, mem_fmt("unrecognized format \"%.64s\": %u fields of %s are not checked for "
                              "their format",
                              s.format, s.n_formats, kind));
    if (s.n_patterns > 0)
        crd_warn(ret, mem_fmt("mkube cannot read the pattern \"%.200s\": %u fields of %s are not "
                              "checked for their pattern",
                              s.pattern, s.n_patterns, kind));
    free(s.format);
    free(s.pattern);
}

json_t *crd_warnings(const json_t *tree)
{
    json_t *ret = json_array();

    if (crd_is_foreign(tree)) {
        crd_warn(ret, mem_fmt("mkube serves %s itself: this definition's schema is not used, and "
                              "its deletion removes neither the kind nor its objects",
                              json_str_or(tree, "metadata.name", "")));
        return ret;
    }
    crd_warn_of_schemas(ret, tree);
    return ret;
}
