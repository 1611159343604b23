/* kubeconfig files: the current context's server and credentials, in and out. */
#include "api/client.h"

#include "base/bits.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

#include <string.h>

#define CONFIG_MAX (1024 * 1024)

void client_config_fini(struct client_config *c)
{
    free(c->server);
    free(c->ca_pem);
    free(c->cert_pem);
    free(c->key_pem);
    free(c->token);
    free(c->ns);
    memset(c, 0, sizeof(*c));
}

/* KEY-data in base64, or KEY as a file's path relative to the kubeconfig. */
static int config_read_pem(char **ret, const json_t *tree, const char *key, const char *path,
                           struct err *err)
{
    cleanup(freep) char *data_key = mem_fmt("%s-data", key);
    const char *data = json_string_value(json_object_get(tree, data_key));
    const char *file = json_string_value(json_object_get(tree, key));
    const char *slash = strrchr(path, '/');
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *full = NULL;
    size_t bad;
    int rc;

    if (data != NULL) {
        if (!bits_unbase64(&t, data, strlen(data), &bad))
            return err_set(err, ERR_INVALID, "%s is not base64", data_key);
        *ret = text_take(&t);
        return 0;
    }
    if (file == NULL)
        return 0;
    full = file[0] == '/' || slash == NULL ? mem_str(file)
                                           : mem_fmt("%.*s/%s", (int)(slash - path), path, file);
    rc = file_read(&t, full, CONFIG_MAX, err);
    if (rc == 0)
        *ret = text_take(&t);
    return rc;
}

static int config_take(struct client_config *ret, const json_t *doc, const char *path,
                       struct err *err)
{
    const char *current = json_str_or(doc, "current-context", "");
    const json_t *context = json_at(json_find(json_at(doc, "contexts"), "name", current),
                                    "context");
    const json_t *cluster = json_at(
        json_find(json_at(doc, "clusters"), "name", json_str_or(context, "cluster", "")),
        "cluster");
    const json_t *user = json_at(
        json_find(json_at(doc, "users"), "name", json_str_or(context, "user", "")), "user");
    int rc;

    if (json_str(cluster, "server") == NULL)
        return err_set(err, ERR_INVALID, "context \"%s\" names no server", current);
    ret->server = mem_str(json_str(cluster, "server"));
    ret->token = mem_str(json_str(user, "token"));
    ret->ns = mem_str(json_str(context, "namespace"));
    rc = config_read_pem(&ret->ca_pem, cluster, "certificate-authority", path, err);
    if (rc == 0)
        rc = config_read_pem(&ret->cert_pem, user, "client-certificate", path, err);
    if (rc == 0)
        rc = config_read_pem(&ret->key_pem, user, "client-key", path, err);
    return rc;
}

int client_config_load(struct client_config *ret, const char *path, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *docs = NULL;
    int rc = file_read(&t, path, CONFIG_MAX, err);

    memset(ret, 0, sizeof(*ret));
    if (rc == 0)
        rc = yaml_parse(&docs, text_str(&t), t.len, err);
    if (rc == 0)
        rc = config_take(ret, json_array_get(docs, 0), path, err);
    if (rc < 0)
        client_config_fini(ret);
    return rc;
}

static void config_print_pem(struct text *ret, const char *key, const char *pem)
{
    if (pem == NULL)
        return;
    text_fmt(ret, "    %s-data: ", key);
    bits_base64(ret, pem, strlen(pem));
    text_putc(ret, '\n');
}

void client_config_print(struct text *ret, const struct client_config *c, const char *cluster)
{
    text_fmt(ret,
             "apiVersion: v1\nkind: Config\nclusters:\n- name: %s\n  cluster:\n    server: %s\n",
             cluster, c->server);
    config_print_pem(ret, "certificate-authority", c->ca_pem);
    text_fmt(ret, "users:\n- name: %s-admin\n  user:\n", cluster);
    config_print_pem(ret, "client-certificate", c->cert_pem);
    config_print_pem(ret, "client-key", c->key_pem);
    if (c->token != NULL)
        text_fmt(ret, "    token: %s\n", c->token);
    text_fmt(ret, "contexts:\n- name: %s\n  context:\n    cluster: %s\n    user: %s-admin\n",
             cluster, cluster, cluster);
    if (c->ns != NULL)
        text_fmt(ret, "    namespace: %s\n", c->ns);
    text_fmt(ret, "current-context: %s\n", cluster);
}
