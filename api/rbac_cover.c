#include "api/auth.h"
#include "api/rbac.h"
#include "api/selector.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- does a rule allow? --- */

static bool rbac_list_allows(const json_t *list, const char *word)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        const char *s = json_string_value(item);

        if (s != NULL && (str_eq(s, word) || str_eq(s, "*")))
            return true;
    }
    return false;
}

/* "pods", "pods/log", or "*" and "*" "/log" for any. */
static bool rbac_resource_is(const char *s, const struct auth_question *q)
{
    size_t len = strlen(q->resource);

    if (str_eq(s, "*"))
        return true;
    if (q->sub[0] == '\0')
        return str_eq(s, q->resource);
    if (strncmp(s, "*/", 2) == 0)
        return str_eq(s + 2, q->sub);
    return strncmp(s, q->resource, len) == 0 && s[len] == '/' && str_eq(s + len + 1, q->sub);
}

static bool rbac_resource_matches(const json_t *list, const struct auth_question *q)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        if (json_is_string(item) && rbac_resource_is(json_string_value(item), q))
            return true;
    return false;
}

static bool rbac_url_covers(const char *url, const char *path)
{
    size_t len = url != NULL ? strlen(url) : 0;

    return str_eq(url, path) ||
           (len > 0 && url[len - 1] == '*' && strncmp(path, url, len - 1) == 0);
}

static bool rbac_url_matches(const json_t *urls, const char *path)
{
    size_t i;
    json_t *item;

    json_array_foreach (urls, i, item)
        if (rbac_url_covers(json_string_value(item), path))
            return true;
    return false;
}

bool rbac_rule_allows(const json_t *rule, const struct auth_question *q)
{
    const json_t *names;

    if (!rbac_list_allows(json_object_get(rule, "verbs"), q->verb))
        return false;
    if (q->resource[0] == '\0')
        return rbac_url_matches(json_object_get(rule, "nonResourceURLs"), q->path);
    names = json_object_get(rule, "resourceNames");
    return rbac_list_allows(json_object_get(rule, "apiGroups"), q->group) &&
           rbac_resource_matches(json_object_get(rule, "resources"), q) &&
           (json_array_size(names) == 0 || json_has_str(names, q->name));
}

/* --- does one rule give another? --- */

static bool rbac_has_all(const json_t *have, const json_t *want)
{
    size_t i;
    json_t *item;

    json_array_foreach (want, i, item)
        if (!json_has_str(have, json_string_value(item)))
            return false;
    return true;
}

static bool rbac_words_cover(const json_t *have, const json_t *want)
{
    return json_has_str(have, "*") || rbac_has_all(have, want);
}

static bool rbac_resources_cover(const json_t *have, const json_t *want)
{
    size_t i;
    json_t *item;

    if (rbac_words_cover(have, want))
        return true;
    json_array_foreach (want, i, item) {
        const char *s = json_string_value(item);
        const char *slash = s != NULL ? strchr(s, '/') : NULL;
        cleanup(freep) char *any = slash != NULL ? mem_fmt("*%s", slash) : NULL;

        if (!json_has_str(have, s) && (any == NULL || !json_has_str(have, any)))
            return false;
    }
    return true;
}

static bool rbac_urls_cover(const json_t *have, const json_t *want)
{
    size_t i;
    json_t *item;

    json_array_foreach (want, i, item)
        if (!rbac_url_matches(have, json_string_value(item)))
            return false;
    return true;
}

static bool rbac_rule_covers(const json_t *have, const json_t *want)
{
    const json_t *have_names = json_object_get(have, "resourceNames");
    const json_t *want_names = json_object_get(want, "resourceNames");

    if (json_array_size(have_names) > 0 &&
        (json_array_size(want_names) == 0 || !rbac_has_all(have_names, want_names)))
        return false;
    return rbac_words_cover(json_object_get(have, "verbs"), json_object_get(want, "verbs")) &&
           rbac_words_cover(json_object_get(have, "apiGroups"),
                            json_object_get(want, "apiGroups")) &&
           rbac_resources_cover(json_object_get(have, "resources"),
                                json_object_get(want, "resources")) &&
           rbac_urls_cover(json_object_get(have, "nonResourceURLs"),
                           json_object_get(want, "nonResourceURLs"));
}

static bool rbac_any_covers(const json_t *have, const json_t *want)
{
    size_t i;
    json_t *rule;

    json_array_foreach (have, i, rule)
        if (rbac_rule_covers(rule, want))
            return true;
    return false;
}

/* --- rules in their smallest pieces --- */

#define RBAC_PIECES_MAX 20000 /* of one role; a rule of ten by ten by ten has a thousand */

struct rbac_check {
    const json_t *have;
    json_t *missing; /* NULL: not wanted */
    bool covered;
    size_t n;
};

static void rbac_check_piece(struct rbac_check *c, json_t *piece_steal)
{
    cleanup(json_decrefpp) json_t *piece = piece_steal;

    if (++c->n > RBAC_PIECES_MAX) {
        c->covered = false; /* nobody can read that, nor may it hold up everybody */
        return;
    }
    if (rbac_any_covers(c->have, piece))
        return;
    c->covered = false;
    if (c->missing != NULL)
        json_array_append(c->missing, piece);
}

static void rbac_check_names(struct rbac_check *c, const json_t *rule, json_t *group,
                             json_t *resource, json_t *verb)
{
    const json_t *names = json_object_get(rule, "resourceNames");
    size_t i;
    json_t *name;

    if (json_array_size(names) == 0)
        rbac_check_piece(c, json_pack("{s:[O], s:[O], s:[O]}", "apiGroups", group, "resources",
                                      resource, "verbs", verb));
    json_array_foreach (names, i, name)
        rbac_check_piece(c, json_pack("{s:[O], s:[O], s:[O], s:[O]}", "apiGroups", group,
                                      "resources", resource, "resourceNames", name, "verbs", verb));
}

static void rbac_check_rule(struct rbac_check *c, const json_t *rule)
{
    size_t g, r, v;
    json_t *group, *resource, *verb, *url;

    json_array_foreach (json_object_get(rule, "apiGroups"), g, group)
        json_array_foreach (json_object_get(rule, "resources"), r, resource)
            json_array_foreach (json_object_get(rule, "verbs"), v, verb) {
                if (c->n > RBAC_PIECES_MAX)
                    return;
                rbac_check_names(c, rule, group, resource, verb);
            }
    json_array_foreach (json_object_get(rule, "nonResourceURLs"), r, url)
        json_array_foreach (json_object_get(rule, "verbs"), v, verb) {
            if (c->n > RBAC_PIECES_MAX)
                return;
            rbac_check_piece(c, json_pack("{s:[O], s:[O]}", "nonResourceURLs", url, "verbs", verb));
        }
}

bool rbac_covers(const json_t *have, const json_t *want, json_t *ret_missing)
{
    struct rbac_check c = { .have = have, .missing = ret_missing, .covered = true };
    size_t i;
    json_t *rule;

    json_array_foreach (want, i, rule)
        if (ret_missing != NULL || c.covered)
            if (!rbac_any_covers(have, rule))
                rbac_check_rule(&c, rule);
    return c.covered;
}

/* --- rules for people --- */

static void rbac_print_list(struct text *ret, const char *name, const json_t *list)
{
    size_t i;
    json_t *item;

    if (json_array_size(list) == 0)
        return;
    text_fmt(ret, "%s%s:[", text_str(ret)[ret->len - 1] == '{' ? "" : ", ", name);
    json_array_foreach (list, i, item)
        text_fmt(ret, "%s\"%s\"", i > 0 ? " " : "", json_string_value(item));
    text_putc(ret, ']');
}

static char *rbac_print_rule(const json_t *rule)
{
    static const char *const lists[][2] = { { "APIGroups", "apiGroups" },
                                            { "Resources", "resources" },
                                            { "NonResourceURLs", "nonResourceURLs" },
                                            { "ResourceNames", "resourceNames" },
                                            { "Verbs", "verbs" } };
    struct text t = TEXT_EMPTY;

    text_putc(&t, '{');
    for (size_t i = 0; i < N_ELEMENTS(lists); i++)
        rbac_print_list(&t, lists[i][0], json_object_get(rule, lists[i][1]));
    text_putc(&t, '}');
    return text_take(&t);
}

/* Whether two pieces are the same but for their verbs. */
static bool rbac_same_but_verbs(const json_t *a, const json_t *b)
{
    static const char *const lists[] = { "apiGroups", "resources", "resourceNames",
                                         "nonResourceURLs" };

    for (size_t i = 0; i < N_ELEMENTS(lists); i++) {
        const json_t *x = json_object_get(a, lists[i]), *y = json_object_get(b, lists[i]);

        if ((x == NULL) != (y == NULL) || (x != NULL && !json_equal(x, y)))
            return false;
    }
    return true;
}

static void rbac_add_compact(json_t *compact, const json_t *piece)
{
    size_t i;
    json_t *rule, *verb;

    /* Kubernetes' CompactRules leaves URLs as they are. */
    json_array_foreach (compact, i, rule)
        if (json_object_get(piece, "resources") != NULL && rbac_same_but_verbs(rule, piece)) {
            verb = json_array_get(json_object_get(piece, "verbs"), 0);
            if (!json_has_str(json_object_get(rule, "verbs"), json_string_value(verb)))
                json_array_append(json_object_get(rule, "verbs"), verb);
            return;
        }
    json_array_append_new(compact, json_deep_copy(piece));
}

static int rbac_by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void rbac_print_rules(struct text *ret, const json_t *rules)
{
    cleanup(json_decrefpp) json_t *compact = json_array();
    cleanup(strv_freep) char **lines = NULL;
    size_t i, n;
    json_t *rule;

    json_array_foreach (rules, i, rule)
        rbac_add_compact(compact, rule);
    n = json_array_size(compact);
    lines = MEM_NEW_ARRAY(char *, n + 1);
    json_array_foreach (compact, i, rule)
        lines[i] = rbac_print_rule(rule);
    qsort(lines, n, sizeof(*lines), rbac_by_text);
    for (i = 0; i < n; i++)
        if (i == 0 || !str_eq(lines[i], lines[i - 1]))
            text_fmt(ret, "%s%s", i > 0 ? "\n" : "", lines[i]);
}

/* --- aggregation --- */

static bool rbac_has_rule(const json_t *rules, const json_t *rule)
{
    size_t i;
    json_t *item;

    json_array_foreach (rules, i, item)
        if (json_equal(item, rule))
            return true;
    return false;
}

static int rbac_by_name(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

    return strcmp(json_str_or(x, "metadata.name", ""), json_str_or(y, "metadata.name", ""));
}

static void rbac_aggregate_role(json_t *rules, const json_t *role)
{
    size_t i;
    json_t *rule;

    json_array_foreach (json_object_get(role, "rules"), i, rule)
        if (!rbac_has_rule(rules, rule))
            json_array_append_new(rules, json_deep_copy(rule));
}

json_t *rbac_aggregate(const json_t *role, const json_t *roles)
{
    const json_t *selectors = json_at(role, "aggregationRule.clusterRoleSelectors");
    size_t n = json_array_size(roles), i, k;
    cleanup(freep) json_t **sorted = MEM_NEW_ARRAY(json_t *, n + 1);
    json_t *selector, *ret;

    if (json_object_get(role, "aggregationRule") == NULL)
        return NULL;
    ret = json_array();
    for (k = 0; k < n; k++)
        sorted[k] = json_array_get(roles, k);
    qsort(sorted, n, sizeof(*sorted), rbac_by_name);
    json_array_foreach (selectors, i, selector) {
        cleanup(selector_freep) struct selector *s = NULL;
        struct err err = ERR_EMPTY;

        if (selector_from_json(&s, selector, &err) < 0)
            continue;
        for (k = 0; k < n; k++)
            if (!str_eq(json_str(sorted[k], "metadata.name"), json_str(role, "metadata.name")) &&
                selector_matches_labels(s, json_at(sorted[k], "metadata.labels")))
                rbac_aggregate_role(ret, sorted[k]);
    }
    return ret;
}
