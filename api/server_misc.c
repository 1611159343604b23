/* Everything that is no resource: version, health, discovery, OpenAPI, joining. */
#include "api/openapi.h"
#include "api/server_impl.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/version.h"

#include <stdio.h>
#include <string.h>

static void misc_version(struct call *c)
{
    cleanup(json_decrefpp) json_t *body = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "major", MKUBE_KUBERNETES_MAJOR, "minor",
        MKUBE_KUBERNETES_MINOR, "gitVersion", MKUBE_KUBERNETES_VERSION, "gitCommit", "",
        "gitTreeState", "clean", "buildDate", "", "goVersion", "none", "compiler", "gcc",
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

static void misc_openapi_v2(struct call *c)
{
    struct text t = TEXT_EMPTY;

    openapi_v2_protobuf(&t);
    /* With a dot before v1.0: kubectl cannot parse the '@' it asked with. */
    call_send_text(c, 200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", &t);
}

static void misc_openapi_v3(struct call *c)
{
    static const char prefix[] = "/openapi/v3";
    const char *path = http_path(c->x) + strlen(prefix);
    struct text t = TEXT_EMPTY;

    if (*path == '/')
        path++;
    if (*path == '\0') {
        openapi_v3_index(&t);
    } else if (!openapi_v3_document(&t, path)) {
        text_fini(&t);
        call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
        return;
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
    char hash[BITS_SHA256_HEX], tag[BITS_SHA256_HEX + 2];
    const char *known = http_header(c->x, "If-None-Match");

    bits_sha256_hex(hash, t->data, t->len);
    snprintf(tag, sizeof(tag), "\"%s\"", hash);
    http_set_header(c->x, "ETag", tag);
    http_set_header(c->x, "Vary", "Accept");
    if (str_eq(known, tag)) {
        text_clear(t);
        call_send_text(c, 304, type, t);
        return;
    }
    call_send_text(c, 200, type, t);
}

static void misc_discovery(struct call *c)
{
    const char *path = http_path(c->x) + 1;
    const char *version = misc_aggregated_version(http_header(c->x, "Accept"));
    bool top = str_eq(path, "api") || str_eq(path, "apis");
    struct text t = TEXT_EMPTY;

    if (top && version != NULL && discovery_aggregated(&t, path, version)) {
        cleanup(freep) char *type = mem_fmt("application/json;g=apidiscovery.k8s.io;v=%s;"
                                            "as=APIGroupDiscoveryList",
                                            version);

        misc_send_tagged(c, type, &t);
    } else if (discovery_legacy(&t, path, c->s->address)) {
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
    { "/mkube/v1/join", false, "POST", server_join },
    { "/mkube/v1/encryption", false, NULL, server_encryption },
    { "/mkube/v1/encryption/rotate", false, "POST", server_encryption_rotate },
    { "/", false, NULL, misc_root },
};

static size_t misc_path_len(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    return len;
}

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
