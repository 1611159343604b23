#include "api/impersonate.h"

#include "base/http_args.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define IMPERSONATE_AUTHN "authentication.k8s.io"

static int impersonate_check(const struct auth_user *u, struct rbac *rbac,
                             const struct auth_question *q, struct err *err)
{
    cleanup(text_fini) struct text why = TEXT_EMPTY;

    if (auth_may(u, rbac, q))
        return 0;
    auth_refusal(&why, u, q);
    return err_set(err, ERR_FORBIDDEN, "%s%s%s \"%s\" is forbidden: %s", q->resource,
                   q->group[0] != '\0' ? "." : "", q->group, q->name, text_str(&why));
}

static int impersonate_check_one(const struct auth_user *u, struct rbac *rbac, const char *group,
                                 const char *resource, const char *sub, const char *name,
                                 struct err *err)
{
    const struct auth_question q = { .verb = "impersonate",
                                     .group = group,
                                     .resource = resource,
                                     .sub = sub,
                                     .ns = "",
                                     .name = name,
                                     .path = "" };

    return impersonate_check(u, rbac, &q, err);
}

/* Whether these are the words of system:serviceaccount:NS:NAME. */
static bool impersonate_is_account(char *const *parts)
{
    size_t n = 0;

    while (parts[n] != NULL)
        n++;
    return n == 4 && str_eq(parts[0], "system") && str_eq(parts[1], "serviceaccount") &&
           parts[2][0] != '\0' && parts[3][0] != '\0';
}

/* An account is asked for by its namespace and name. */
static int impersonate_check_user(const struct auth_user *u, struct rbac *rbac, const char *user,
                                  struct err *err)
{
    cleanup(strv_freep) char **parts = str_split(user, ':');
    struct auth_question q = {
        .verb = "impersonate", .group = "", .resource = "serviceaccounts", .sub = "", .path = ""
    };

    if (!impersonate_is_account(parts))
        return impersonate_check_one(u, rbac, "", "users", "", user, err);
    q.ns = parts[2];
    q.name = parts[3];
    return impersonate_check(u, rbac, &q, err);
}

void impersonate_add_extra(json_t *extra, const char *name, const char *value)
{
    cleanup(freep) char *raw = mem_str(name);
    cleanup(freep) char *key = NULL;
    json_t *values;

    for (char *s = raw; *s != '\0'; s++)
        if (*s >= 'A' && *s <= 'Z')
            *s += 'a' - 'A';
    key = mem_str(raw);
    if (!http_args_unescape(key)) {
        free(key);
        key = STEAL(raw);
    }
    values = json_object_get(extra, key);
    if (values == NULL && json_object_set_new(extra, key, values = json_array()) < 0)
        return; /* no UTF-8: what has no name in JSON is nobody's */
    json_array_append_new(values, json_string(value));
}

/* Each value is asked for by itself: resourceNames are values, names are subresources. */
static int impersonate_check_extra(const struct auth_user *u, struct rbac *rbac,
                                   const json_t *extra, struct err *err)
{
    const char *name;
    json_t *values, *value;
    size_t i;

    json_object_foreach ((json_t *)(uintptr_t)extra, name, values)
        json_array_foreach (values, i, value) {
            int rc = impersonate_check_one(u, rbac, IMPERSONATE_AUTHN, "userextras", name,
                                           json_string_value(value), err);

            if (rc < 0)
                return rc;
        }
    return 0;
}

/* Values that stand in one text; the space after a comma is of the joining. */
static int impersonate_check_list(const struct auth_user *u, struct rbac *rbac,
                                  const struct impersonate_wish *wish, json_t *ret_groups,
                                  struct err *err)
{
    cleanup(strv_freep) char **groups = str_split(wish->groups, ',');
    int rc = 0;

    for (size_t i = 0; rc == 0 && groups[i] != NULL; i++) {
        const char *group = groups[i] + strspn(groups[i], " ");

        rc = impersonate_check_one(u, rbac, "", "groups", "", group, err);
        json_array_append_new(ret_groups, json_string(group));
    }
    if (rc == 0)
        rc = impersonate_check_extra(u, rbac, wish->extra, err);
    if (rc == 0 && !str_empty(wish->uid))
        rc = impersonate_check_one(u, rbac, IMPERSONATE_AUTHN, "uids", "", wish->uid, err);
    return rc;
}

/* The groups that everybody of this kind is in, unless others were asked for. */
static void impersonate_add_groups(json_t *groups, const char *user)
{
    cleanup(strv_freep) char **parts = str_split(user, ':');

    if (json_array_size(groups) == 0 && impersonate_is_account(parts)) {
        cleanup(freep) char *of_ns = mem_fmt("system:serviceaccounts:%s", parts[2]);

        json_array_append_new(groups, json_string("system:serviceaccounts"));
        json_array_append_new(groups, json_string(of_ns));
    }
    if (str_eq(user, "system:anonymous")) {
        if (!json_has_str(groups, "system:unauthenticated"))
            json_array_append_new(groups, json_string("system:unauthenticated"));
    } else if (!json_has_str(groups, "system:authenticated") &&
               !json_has_str(groups, "system:unauthenticated")) {
        json_array_append_new(groups, json_string("system:authenticated"));
    }
}

int impersonate(struct auth_user *u, struct rbac *rbac, const struct impersonate_wish *wish,
                struct err *err)
{
    cleanup(json_decrefpp) json_t *groups = json_array();
    int rc;

    if (str_empty(wish->user)) {
        if (str_empty(wish->groups) && str_empty(wish->uid) && json_object_size(wish->extra) == 0)
            return 0;
        return err_set(err, ERR_INTERNAL,
                       "requested groups, a uid or extras without impersonating a user");
    }
    rc = impersonate_check_user(u, rbac, wish->user, err);
    if (rc == 0)
        rc = impersonate_check_list(u, rbac, wish, groups, err);
    if (rc < 0)
        return rc;
    impersonate_add_groups(groups, wish->user);
    auth_user_fini(u);
    auth_make_user(u, wish->user, groups);
    free(u->uid);
    u->uid = mem_str(wish->uid);
    u->extra = json_object_size(wish->extra) > 0 ? json_deep_copy(wish->extra) : NULL;
    return 0;
}
