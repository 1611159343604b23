/* Everything that is no resource: version, health, discovery, OpenAPI, joining. */
#include "api/openapi.h"
#include "api/server_impl.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"
#include "build_info.h"

#include <stdio.h>
#include <string.h>

/* Without slashes at its end. */
static size_t misc_path_len(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    return len;
}

static void misc_version(struct call *c)
{
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", MKUBE_KUBERNETES_MAJOR, "minor",
        MKUBE_KUBERNETES_MINOR, "gitVersion", MKUBE_KUBERNETES_VERSION, "gitCommit", BUILD_COMMIT,
        "gitTreeState", "clean", "buildDate", BUILD_DATE, "goVersion", "none", "compiler", "gcc",
        "platform", "linux/amd64");

    call_send_json(c, 200, body);
}

static void misc_cacerts(struct call *c)
{
    struct text t = TEXT_EMPTY;

    text_puts(&t, c->s->ca.cert_pem);
    call_send_text(c, 200, "application/x-pem-file", &t);
}

static void misc_root(struct call *c)
{
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:[s,s,s,s,s,s,s,s,s]}", "paths", "/api", "/apis", "/healthz", "/livez", "/metrics",
        "/openapi/v2", "/openapi/v3", "/readyz", "/version");

    call_send_json(c, 200, body);
}

/* --- OpenAPI --- */

/* Tags the answer with @hash; true when the client has it already, and was told so. */
static bool misc_is_known(struct call *c, const char *type, const char *hash)
{
    char tag[BITS_SHA256_HEX + 2];
    struct text nothing = TEXT_EMPTY;

    snprintf(tag, sizeof(tag), "\"%s\"", hash);
    http_set_header(c->x, "ETag", tag);
    http_set_header(c->x, "Vary", "Accept");
    if (!str_eq(http_header(c->x, "If-None-Match"), tag))
        return false;
    call_send_text(c, 304, type, &nothing);
    return true;
}

static void misc_openapi_v2(struct call *c)
{
    const char *accept = http_header(c->x, "Accept");
    bool protobuf = accept != NULL && strstr(accept, "proto-openapi.spec.v2") != NULL;
    /* With a dot before v1.0: kubectl cannot parse the '@' it asked with. */
    const char *type = protobuf ? "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
                                : "application/json";
    char hash[BITS_SHA256_HEX];
    struct text t = TEXT_EMPTY;

    openapi_v2_hash(hash);
    if (misc_is_known(c, type, hash))
        return;
    openapi_v2_document(&t, protobuf);
    call_send_text(c, 200, type, &t);
}

/* Who asks with a hash keeps the answer for ever; with an old one, he is told the new one. */
static bool misc_openapi_moved(struct call *c, const char *path, const char *hash)
{
    const char *asked = http_query(c->x, "hash");
    cleanup(freep) char *now = NULL;
    struct text nothing = TEXT_EMPTY;

    if (str_empty(asked))
        return false;
    if (str_eq(asked, hash)) {
        http_set_header(c->x, "Cache-Control", "public, immutable");
        return false;
    }
    now = mem_fmt("/openapi/v3/%s?hash=%s", path, hash);
    http_set_header(c->x, "Location", now);
    call_send_text(c, 301, "application/json", &nothing);
    return true;
}

static void misc_openapi_v3(struct call *c)
{
    static const char prefix[] = "/openapi/v3";
    const char *path = http_path(c->x) + strlen(prefix);
    char hash[BITS_SHA256_HEX];
    struct text t = TEXT_EMPTY;

    if (*path == '/')
        path++;
    if (*path == '\0') {
        openapi_v3_index(&t);
    } else if (!openapi_v3_hash(hash, path)) {
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
        return;
    } else {
        if (misc_openapi_moved(c, path, hash) || misc_is_known(c, "application/json", hash))
            return;
        openapi_v3_document(&t, path);
    }
    call_send_text(c, 200, "application/json", &t);
}

/* --- discovery --- */

static const char *misc_aggregated_version(const char *accept)
{
    const char *v2 = accept != NULL ? strstr(accept, "g=apidiscovery.k8s.io;v=v2;") : NULL;
    const char *beta = accept != NULL ? strstr(accept, "g=apidiscovery.k8s.io;v=v2beta1;") : NULL;

    if (v2 == NULL && beta == NULL)
        return NULL;
    return v2 != NULL ? "v2" : "v2beta1";
}

/* The same bytes get the same tag: clients revalidate instead of fetching again. */
static void misc_send_tagged(struct call *c, const char *type, struct text *t)
{
    char hash[BITS_SHA256_HEX];

    bits_sha256_hex(hash, t->data, t->len);
    if (misc_is_known(c, type, hash))
        text_fini(t);
    else
        call_send_text(c, 200, type, t);
}

static void misc_discovery(struct call *c)
{
    const char *whole = http_path(c->x);
    cleanup(freep) char *path = mem_fmt("%.*s", (int)misc_path_len(whole) - 1, whole + 1);
    const char *version = misc_aggregated_version(http_header(c->x, "Accept"));
    bool top = str_eq(path, "api") || str_eq(path, "apis");
    struct text t = TEXT_EMPTY;

    bool aggregated = top && version != NULL && discovery_aggregated(&t, path, version);
    bool served = aggregated;

    if (!aggregated)
        discovery_legacy(&t, path, c->s->address);

    served = aggregate_merge(&t, c->s->aggregate, path, aggregated);
    if (aggregated) {
        cleanup(freep) char *type = mem_fmt("application/json;g=apidiscovery.k8s.io;v=%s;"
                                            "as=APIGroupDiscoveryList",
                                            version);

        misc_send_tagged(c, type, &t);
    } else if (served) {
        misc_send_tagged(c, "application/json", &t);
    } else {
        text_fini(&t);
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
    }
}

static const struct {
    const char *path;
    bool below;         /* also everything below it */
    const char *method; /* NULL = GET */
    void (*serve)(struct call *c);
} misc_paths[] = {
    { "/version", false, NULL, misc_version },
    { "/healthz", true, NULL, server_health },
    { "/livez", true, NULL, server_health },
    { "/readyz", true, NULL, server_health },
    { "/metrics", false, NULL, server_prometheus },
    { "/cacerts", false, NULL, misc_cacerts },
    { "/openapi/v2", false, NULL, misc_openapi_v2 },
    { "/openapi/v3", true, NULL, misc_openapi_v3 },
    { "/api", true, NULL, misc_discovery },
    { "/apis", true, NULL, misc_discovery },
    { "/.well-known/openid-configuration", false, NULL, server_openid_configuration },
    { "/openid/v1/jwks", false, NULL, server_openid_keys },
    { "/mkube/v1/token-key", false, NULL, server_token_key },
    { "/mkube/v1/token-key/rotate", false, "POST", server_token_key_rotate },
    { "/mkube/v1/join", false, "POST", server_join },
    { "/mkube/v1/encryption", false, NULL, server_encryption },
    { "/mkube/v1/encryption/rotate", false, "POST", server_encryption_rotate },
    { "/", false, NULL, misc_root },
};

void server_other(struct call *c)
{
    const char *path = http_path(c->x);
    size_t len = misc_path_len(path);
    bool found = false;

    for (size_t i = 0; i < N_ELEMENTS(misc_paths); i++) {
        size_t n = strlen(misc_paths[i].path);
        bool exact = n == len && strncmp(path, misc_paths[i].path, n) == 0;
        bool below = misc_paths[i].below && str_starts(path, misc_paths[i].path) && path[n] == '/';

        if (!exact && !below)
            continue;
        found = true;
        if (str_eq(http_method(c->x),
                   misc_paths[i].method != NULL ? misc_paths[i].method : "GET") ||
            (misc_paths[i].method == NULL && str_eq(http_method(c->x), "HEAD"))) {
            misc_paths[i].serve(c);
            return;
        }
    }
    if (found)
        call_fail(c, ERR_METHOD, "the server does not allow this method on the requested resource");
    else
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
}
