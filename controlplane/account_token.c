/* Secrets with a token of a ServiceAccount go with the account (tokens-controller).  What is in them
 * is filled in when they are written (api/registry_token.c). */
#include "controlplane/controllers.h"

#include "base/text.h"

#include <string.h>

#define ACCOUNT_TOKEN_TYPE "kubernetes.io/service-account-token"
#define ACCOUNT_TOKEN_NAME "kubernetes.io/service-account.name"
#define ACCOUNT_TOKEN_UID  "kubernetes.io/service-account.uid"

/* The annotation of a Secret of that type; NULL: it is no such Secret. */
static const char *account_token_of(struct view *v, const struct object *secret, const char *key)
{
    const json_t *tree;

    if (strstr(secret->json, ACCOUNT_TOKEN_TYPE) == NULL) /* most are not even read */
        return NULL;
    tree = view_tree(v, secret);
    if (!str_eq(json_str(tree, "type"), ACCOUNT_TOKEN_TYPE))
        return NULL;
    return json_string_value(json_object_get(json_at(tree, "metadata.annotations"), key));
}

static void account_token_map(struct queue *q, struct view *v, const struct store_change *change)
{
    const struct object *o = change->object;
    const struct object *const *secrets;

    if (str_eq(o->bucket, "secrets")) {
        if (change->type != STORE_DELETED && account_token_of(v, o, ACCOUNT_TOKEN_NAME) != NULL)
            queue_add(q, o->ns, o->name);
        return;
    }
    if (change->type != STORE_DELETED)
        return;
    for (secrets = view_list(v, "secrets", o->ns, NULL); *secrets != NULL; secrets++)
        if (str_eq(account_token_of(v, *secrets, ACCOUNT_TOKEN_NAME), o->name))
            queue_add(q, o->ns, (*secrets)->name);
}

static void account_token_plan(struct plan *ret, struct view *v, void *state, const char *ns,
                               const char *name, struct clock_now now)
{
    const struct object *secret = view_get(v, "secrets", ns, name);
    const char *account = secret != NULL ? account_token_of(v, secret, ACCOUNT_TOKEN_NAME) : NULL;
    const char *uid = account != NULL ? account_token_of(v, secret, ACCOUNT_TOKEN_UID) : NULL;
    const struct object *o = account != NULL ? view_get(v, "serviceaccounts", ns, account) : NULL;

    (void)state, (void)now;
    if (account == NULL || secret->deleting)
        return;
    if (o == NULL || (uid != NULL && !str_eq(uid, o->uid)))
        plan_delete(ret, secret);
}

static const char *const account_token_buckets[] = { "secrets", "serviceaccounts", NULL };

const struct controller account_token_controller = {
    .name = "tokens-controller",
    .buckets = account_token_buckets,
    .map = account_token_map,
    .plan = account_token_plan,
};
