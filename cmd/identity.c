#include "cmd/identity.h"

#include "api/token.h"
#include "base/cert_life.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define IDENTITY_FILE_MAX (1024 * 1024)

void identity_fini(struct identity *id)
{
    free(id->node_name);
    free(id->server);
    free(id->ca_pem);
    tls_pair_fini(&id->client);
    tls_pair_fini(&id->serving);
    free(id->cluster_cidr);
    free(id->service_cidr);
    free(id->dns_ip);
    free(id->domain);
    memset(id, 0, sizeof(*id));
}

/* --- disk: one file, so that it is there whole or not at all --- */

static char *identity_path(const char *data_dir)
{
    return mem_fmt("%s/node/identity.json", data_dir);
}

static const struct {
    const char *key;
    size_t offset;
} identity_fields[] = {
    { "nodeName", offsetof(struct identity, node_name) },
    { "server", offsetof(struct identity, server) },
    { "ca", offsetof(struct identity, ca_pem) },
    { "clientCertificate", offsetof(struct identity, client.cert_pem) },
    { "clientKey", offsetof(struct identity, client.key_pem) },
    { "servingCertificate", offsetof(struct identity, serving.cert_pem) },
    { "servingKey", offsetof(struct identity, serving.key_pem) },
    { "clusterCIDR", offsetof(struct identity, cluster_cidr) },
    { "serviceCIDR", offsetof(struct identity, service_cidr) },
    { "clusterDNS", offsetof(struct identity, dns_ip) },
    { "clusterDomain", offsetof(struct identity, domain) },
};

static char **identity_at(struct identity *id, size_t field)
{
    return (char **)(void *)((char *)id + identity_fields[field].offset);
}

void identity_copy(struct identity *ret, const struct identity *from)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < N_ELEMENTS(identity_fields); i++)
        *identity_at(ret, i) = mem_str(*identity_at((struct identity *)(uintptr_t)from, i));
}

bool identity_is_expired(const struct identity *id)
{
    struct err err = ERR_EMPTY;
    struct cert_life life;

    return cert_life_read(&life, id->client.cert_pem, &err) == 0 &&
           life.expiry_ms <= clock_wall_ms();
}

static int identity_take(struct identity *id, const json_t *tree, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(identity_fields); i++) {
        const char *value = json_str(tree, identity_fields[i].key);

        if (value == NULL)
            continue;
        free(*identity_at(id, i));
        *identity_at(id, i) = mem_str(value);
    }
    for (size_t i = 0; i < N_ELEMENTS(identity_fields); i++)
        if (*identity_at(id, i) == NULL)
            return err_set(err, ERR_CORRUPT, "%s is missing", identity_fields[i].key);
    return 0;
}

int identity_save(struct identity *id, const char *data_dir, struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/node", data_dir);
    cleanup(freep) char *path = identity_path(data_dir);
    cleanup(json_decrefpp) json_t *tree = json_object();
    cleanup(freep) char *text = NULL;
    int rc = file_mkdirs(dir, 0700, err);

    for (size_t i = 0; i < N_ELEMENTS(identity_fields); i++)
        json_put_str(tree, identity_fields[i].key, *identity_at(id, i));
    text = json_print_pretty(tree);
    return rc == 0 ? file_write_atomic(path, text, strlen(text), 0600, err) : rc;
}

int identity_load(struct identity *ret, const char *data_dir, struct err *err)
{
    cleanup(freep) char *path = identity_path(data_dir);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    int rc = file_read(&t, path, IDENTITY_FILE_MAX, err);

    memset(ret, 0, sizeof(*ret));
    if (rc == ERR_NOT_FOUND)
        return 1;
    if (rc == 0)
        rc = json_parse(&tree, t.data, t.len, NULL, err);
    if (rc == 0)
        rc = identity_take(ret, tree, err);
    if (rc < 0) {
        identity_fini(ret);
        return err_wrap(err, rc, "%s", path);
    }
    return 0;
}

int identity_set_server(struct identity *id, const char *server, const char *data_dir,
                        struct err *err)
{
    if (str_eq(id->server, server))
        return 0;
    free(id->server);
    id->server = mem_str(server);
    return identity_save(id, data_dir, err);
}

/* --- joining --- */

struct identity_call {
    bool done;
    int rc, status;
    struct text body;
    struct err err;
};

static void identity_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                             size_t len, const struct err *err)
{
    struct identity_call *call = arg;

    call->done = true;
    call->rc = rc;
    if (rc < 0)
        call->err = *err;
    else
        text_add(&call->body, body, len);
    call->status = rc < 0 ? 0 : head->status;
}

/* One request, waited for; the answer's body goes to @ret whatever its status. */
static int identity_request(uv_loop_t *loop, const struct http_client_opts *opts,
                            const struct http_call_spec *spec, struct text *ret, int *ret_status,
                            struct err *err)
{
    struct identity_call call = { .done = false };
    struct http_call_listener listener = { .on_done = identity_on_done, .arg = &call };
    struct http_client *client;
    int rc = http_client_new(&client, loop, opts, err);

    if (rc < 0)
        return rc;
    http_call(client, spec, &listener);
    while (!call.done)
        uv_run(loop, UV_RUN_ONCE);
    http_client_close(client);
    *ret = call.body;
    *ret_status = call.status;
    if (call.rc < 0)
        *err = call.err;
    return call.rc;
}

static int identity_fetch_ca(struct identity *id, uv_loop_t *loop, const struct token_join *token,
                             struct err *err)
{
    struct http_client_opts opts = { .insecure = true };
    cleanup(freep) char *url = mem_fmt("%s/cacerts", id->server);
    struct http_call_spec spec = { .method = "GET", .url = url };
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    cleanup(freep) char *hash = NULL;
    int status;
    int rc = identity_request(loop, &opts, &spec, &body, &status, err);

    if (rc == 0 && status != 200)
        rc = err_set(err, ERR_PROTOCOL, "%s answered %d", url, status);
    if (rc == 0)
        rc = tls_cert_hash(&hash, text_str(&body), err);
    if (rc < 0)
        return err_wrap(err, rc, "fetch the cluster's CA");
    if (!str_ends(hash, token->ca_hash))
        return err_set(err, ERR_FORBIDDEN,
                       "the server at %s does not hold the key that the token "
                       "names: wrong address, or somebody in between",
                       id->server);
    id->ca_pem = text_take(&body);
    return 0;
}

static int identity_make_requests(struct identity *id, char **ret_client, char **ret_serving,
                                  struct err *err)
{
    cleanup(freep) char *cn = mem_fmt("system:node:%s", id->node_name);
    const char *orgs[] = { "system:nodes", NULL };
    struct tls_spec spec = { .cn = cn, .orgs = orgs };
    int rc = tls_csr_make(&id->client.key_pem, ret_client, &spec, err);

    return rc == 0 ? tls_csr_make(&id->serving.key_pem, ret_serving, &spec, err) : rc;
}

static int identity_post(struct identity *id, uv_loop_t *loop, const struct identity_join *join,
                         const json_t *request, struct err *err)
{
    struct http_client_opts opts = { .ca_pem = id->ca_pem };
    cleanup(freep) char *url = mem_fmt("%s/mkube/v1/join", id->server);
    cleanup(freep) char *authorization = mem_fmt("Authorization: Bearer %s", join->token);
    cleanup(freep) char *body = NULL;
    const char *headers[] = { authorization, "Content-Type: application/json", NULL };
    struct http_call_spec spec = { .method = "POST", .url = url, .headers = headers };
    cleanup(text_fini) struct text answer = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    int status;
    int rc;

    spec.body = body = json_print(request, &spec.body_len);
    rc = identity_request(loop, &opts, &spec, &answer, &status, err);
    if (rc == 0)
        rc = json_parse(&tree, text_str(&answer), answer.len, NULL, err);
    if (rc < 0)
        return err_wrap(err, rc, "join at %s", id->server);
    if (status == 401)
        return err_set(err, ERR_UNAUTHORIZED,
                       "the join token is unknown, expired or was used "
                       "already: run `mkube token create` on the server");
    if (status != 200)
        return err_set(err, ERR_FORBIDDEN, "the server refused: %s",
                       json_str_or(tree, "message", "no reason given"));
    return identity_take(id, tree, err);
}

static int identity_exchange(struct identity *id, uv_loop_t *loop, const struct identity_join *join,
                             const struct token_join *token, struct err *err)
{
    cleanup(freep) char *client = NULL;
    cleanup(freep) char *serving = NULL;
    cleanup(json_decrefpp) json_t *request = NULL;
    int rc = identity_fetch_ca(id, loop, token, err);

    if (rc == 0)
        rc = identity_make_requests(id, &client, &serving, err);
    if (rc < 0)
        return rc;
    request = json_pack("{s:s, s:s, s:s, s:s}", "nodeName", join->node_name, "ip", join->node_ip,
                        "clientRequest", client, "servingRequest", serving);
    return identity_post(id, loop, join, request, err);
}

int identity_join(struct identity *ret, const struct identity_join *join, struct err *err)
{
    struct identity id = { .node_name = NULL };
    struct token_join token;
    uv_loop_t loop;
    int rc;

    if (!token_join_parse(&token, join->token))
        return err_set(err, ERR_INVALID,
                       "--token: not a join token (mk1.…): copy it whole from "
                       "`mkube token create`");
    id.node_name = mem_str(join->node_name);
    id.server = mem_str(join->server);
    uv_loop_init(&loop);
    rc = identity_exchange(&id, &loop, join, &token, err);
    loop_finish(&loop);
    if (rc == 0)
        rc = identity_save(&id, join->data_dir, err);
    if (rc < 0) {
        identity_fini(&id);
        return rc;
    }
    *ret = id;
    return 0;
}
