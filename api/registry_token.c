/* Secrets of type kubernetes.io/service-account-token: whoever makes one finds the account's token in
 * it, without end, as before Kubernetes 1.24 and still today for those made by hand. */
#include "api/admission.h"

#include "api/token.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define SECRET_TYPE "kubernetes.io/service-account-token"
#define SECRET_NAME "kubernetes.io/service-account.name"
#define SECRET_UID  "kubernetes.io/service-account.uid"

static void secret_put(json_t *data, const char *key, const char *value)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    bits_base64(&t, value, strlen(value));
    json_object_set_new(data, key, json_string(text_str(&t)));
}

static void secret_put_token(struct op *op, json_t *data, const struct object *account)
{
    struct token_claims claims = { .legacy = true,
                                   .ns = (char *)(uintptr_t)op->ns,
                                   .account = (char *)(uintptr_t)account->name,
                                   .account_uid = (char *)(uintptr_t)account->uid,
                                   .secret = (char *)(uintptr_t)admit_name(op) };
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (token_sign(&token, &claims, op->r->tokens, "", 0, &err) < 0)
        op_refuse(op, status_from_err(&err));
    else
        secret_put(data, "token", text_str(&token));
}

/* An account that is not there leaves the Secret as it is: the controller removes it. */
void admit_account_secret(struct op *op)
{
    json_t *annotations = json_at(op->tree, "metadata.annotations");
    const char *name = json_string_value(json_object_get(annotations, SECRET_NAME));
    const struct object *account;
    json_t *data;

    if (!str_eq(json_str(op->tree, "type"), SECRET_TYPE) || str_empty(name) ||
        op->r->tokens == NULL)
        return;
    account = admit_find(op, "serviceaccounts", op->ns, name);
    if (account == NULL || account->deleting)
        return;
    json_object_set_new(annotations, SECRET_UID, json_string(account->uid));
    data = json_object_get(op->tree, "data");
    if (data == NULL)
        json_object_set_new(op->tree, "data", data = json_object());
    if (op->r->opts.ca_pem != NULL)
        secret_put(data, "ca.crt", op->r->opts.ca_pem);
    secret_put(data, "namespace", op->ns);
    if (str_empty(json_string_value(json_object_get(data, "token"))))
        secret_put_token(op, data, account);
}
