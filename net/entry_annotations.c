#include "net/entry_annotations.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENTRY_ANNOTATIONS_MAX_S (7 * 24 * 3600)

#define NGINX "nginx.ingress.kubernetes.io/"
#define ALB   "alb.ingress.kubernetes.io/"

typedef bool (*entry_annotation_fn)(struct entry_arena *a, void *field, const char *value);

/* --- values --- */

/* "60", as the nginx annotations have it, and "60s". */
static bool entry_annotation_seconds(struct entry_arena *a UNUSED, void *field, const char *value)
{
    size_t len = strlen(value);
    cleanup(freep) char *digits = mem_strn(value, str_ends(value, "s") ? len - 1 : len);
    uint64_t seconds;

    if (!str_u64(digits, &seconds) || seconds == 0 || seconds > ENTRY_ANNOTATIONS_MAX_S)
        return false;
    *(int64_t *)field = (int64_t)seconds * 1000;
    return true;
}

/* "8m", "512k", "1g", "1048576"; 0 = any, as nginx' client_max_body_size. */
static bool entry_annotation_bytes(struct entry_arena *a UNUSED, void *field, const char *value)
{
    static const char units[] = "kmg";
    size_t len = strlen(value);
    const char *unit = len > 0 ? strchr(units, tolower((unsigned char)value[len - 1])) : NULL;
    cleanup(freep) char *digits = mem_strn(value, unit != NULL ? len - 1 : len);
    unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
    uint64_t n;

    if (!str_u64(digits, &n) || n > (UINT64_MAX >> shift))
        return false;
    *(uint64_t *)field = n << shift;
    return true;
}

/* What goes into a header field must not begin another one. */
static bool entry_annotation_is_line(const char *value)
{
    for (const char *p = value; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static bool entry_annotation_text(struct entry_arena *a, void *field, const char *value)
{
    if (!entry_annotation_is_line(value) || value[0] == '\0')
        return false;
    *(const char **)field = entry_arena_str(a, value);
    return true;
}

/* Go's ParseBool. */
static bool entry_annotation_bool(struct entry_arena *a UNUSED, void *field, const char *value)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

    for (size_t i = 0; i < N_ELEMENTS(yes); i++) {
        if (str_eq(value, yes[i]) || str_eq(value, no[i])) {
            *(bool *)field = str_eq(value, yes[i]);
            return true;
        }
    }
    return false;
}

static bool entry_annotation_count(struct entry_arena *a UNUSED, void *field, const char *value)
{
    uint64_t n;

    if (!str_u64(value, &n) || n > INT32_MAX)
        return false;
    *(int64_t *)field = (int64_t)n;
    return true;
}

static bool entry_annotation_weight(struct entry_arena *a UNUSED, void *field, const char *value)
{
    uint64_t n;

    if (!str_u64(value, &n) || n > 1000000)
        return false;
    *(unsigned *)field = (unsigned)n;
    return true;
}

/* ingress-nginx takes 300 to 308 and stays with its default otherwise. */
static bool entry_annotation_code(struct entry_arena *a UNUSED, void *field, const char *value)
{
    uint64_t n;

    if (!str_u64(value, &n) || n < 300 || n > 308)
        return false;
    *(unsigned *)field = (unsigned)n;
    return true;
}

/* A place to be sent to. */
static bool entry_annotation_url(struct entry_arena *a, void *field, const char *value)
{
    if (strchr(value, ' ') != NULL)
        return false;
    return entry_annotation_text(a, field, value);
}

static bool entry_annotation_ranges(struct entry_arena *a, void *field, const char *value)
{
    return entry_ranges_parse(field, a, value);
}

static bool entry_annotation_samesite(struct entry_arena *a, void *field, const char *value)
{
    return (str_eq(value, "None") || str_eq(value, "Lax") || str_eq(value, "Strict")) &&
           entry_annotation_text(a, field, value);
}

/* What may stand in a cookie: its name, its path, its domain. */
static bool entry_annotation_cookie(struct entry_arena *a, void *field, const char *value)
{
    return strpbrk(value, "; ,\t=\"") == NULL && entry_annotation_text(a, field, value);
}

/* --- the rows --- */

struct entry_annotation {
    const char *name;
    entry_annotation_fn read;
    size_t offset;
    bool guards; /* it keeps somebody out: what cannot be read keeps everybody out */
};

#define ROW_(name, read, field)                                                    \
    {                                                                              \
        name, entry_annotation_##read, offsetof(struct entry_policy, field), false \
    }
#define GUARD_(name, read, field)                                                 \
    {                                                                             \
        name, entry_annotation_##read, offsetof(struct entry_policy, field), true \
    }
static const struct entry_annotation entry_annotations_nginx[] = {
    ROW_(NGINX "proxy-connect-timeout", seconds, connect_ms),
    ROW_(NGINX "proxy-read-timeout", seconds, read_ms),
    ROW_(NGINX "proxy-send-timeout", seconds, send_ms),
    ROW_(NGINX "proxy-body-size", bytes, max_body),
    ROW_(NGINX "use-regex", bool, use_regex),
    ROW_(NGINX "rewrite-target", url, rewrite),
    ROW_(NGINX "x-forwarded-prefix", text, prefix),
    ROW_(NGINX "app-root", url, app_root),
    ROW_(NGINX "ssl-redirect", bool, ssl_redirect),
    ROW_(NGINX "force-ssl-redirect", bool, force_ssl_redirect),
    ROW_(NGINX "from-to-www-redirect", bool, www_redirect),
    ROW_(NGINX "server-alias", text, aliases),
    ROW_(NGINX "upstream-vhost", cookie, upstream_host),
    GUARD_(NGINX "whitelist-source-range", ranges, allowed),
    GUARD_(NGINX "allowlist-source-range", ranges, allowed), /* the newer name wins */
    GUARD_(NGINX "denylist-source-range", ranges, denied),
    ROW_(NGINX "enable-cors", bool, cors.is_on),
    ROW_(NGINX "cors-allow-origin", text, cors.origins),
    ROW_(NGINX "cors-allow-methods", text, cors.methods),
    ROW_(NGINX "cors-allow-headers", text, cors.headers),
    ROW_(NGINX "cors-expose-headers", text, cors.exposed),
    ROW_(NGINX "cors-allow-credentials", bool, cors.credentials),
    ROW_(NGINX "cors-max-age", count, cors.max_age_s),
    ROW_(NGINX "session-cookie-path", cookie, sticky.path),
    ROW_(NGINX "session-cookie-domain", cookie, sticky.domain),
    ROW_(NGINX "session-cookie-samesite", samesite, sticky.samesite),
    ROW_(NGINX "session-cookie-expires", count, sticky.max_age_s),
    ROW_(NGINX "session-cookie-max-age", count, sticky.max_age_s),
    ROW_(NGINX "session-cookie-secure", bool, sticky.is_secure),
    ROW_(NGINX "canary", bool, canary.is_on),
    ROW_(NGINX "canary-by-header", cookie, canary.header),
    ROW_(NGINX "canary-by-header-value", text, canary.header_value),
    ROW_(NGINX "canary-by-cookie", cookie, canary.cookie),
    ROW_(NGINX "canary-weight", weight, canary.weight),
    ROW_(NGINX "canary-weight-total", weight, canary.total),
    ROW_(NGINX "auth-realm", text, basic.realm),
};
#undef ROW_
#undef GUARD_

/* Users would notice that nothing comes of these.  Those that only tune nginx are not here. */
static const struct {
    const char *name;
    bool guards;
} entry_annotations_undone[] = {
    { NGINX "auth-url", true },
    { NGINX "auth-tls-secret", true },
    { NGINX "auth-tls-verify-client", false },
    { NGINX "configuration-snippet", false },
    { NGINX "server-snippet", false },
    { NGINX "stream-snippet", false },
    { NGINX "auth-snippet", false },
    { NGINX "canary-by-header-pattern", false },
    { NGINX "custom-headers", false },
    { NGINX "custom-http-errors", false },
    { NGINX "default-backend", false },
    { NGINX "enable-modsecurity", false },
    { NGINX "enable-owasp-core-rules", false },
    { NGINX "limit-connections", false },
    { NGINX "limit-rate", false },
    { NGINX "limit-rpm", false },
    { NGINX "limit-rps", false },
    { NGINX "mirror-target", false },
    { NGINX "proxy-cookie-domain", false },
    { NGINX "proxy-cookie-path", false },
    { NGINX "proxy-redirect-from", false },
    { NGINX "proxy-ssl-secret", false },
    { NGINX "satisfy", false },
    { NGINX "ssl-passthrough", false },
    { NGINX "upstream-hash-by", false },
};

/* --- notes --- */

static const char *entry_annotations_get(const json_t *annotations, const char *name)
{
    return json_string_value(json_object_get(annotations, name));
}

/* @message is consumed. */
static void entry_annotations_note(struct entry_policy *p, struct entry_arena *a,
                                   const char *reason, char *message)
{
    struct entry_note *note = entry_arena_get(a, sizeof(*note));

    note->reason = reason;
    note->message = entry_arena_str(a, message);
    note->next = p->notes;
    p->notes = note;
    free(message);
}

static void entry_annotations_bad(struct entry_policy *p, struct entry_arena *a, const char *name,
                                  bool guards)
{
    entry_annotations_note(p, a, "InvalidAnnotation",
                           mem_fmt("the value of annotation %s cannot be read and %s", name,
                                   guards ? "nobody is let in (503)" : "is ignored"));
    if (guards)
        p->closed = "an annotation that says who may enter cannot be read";
}

static void entry_annotations_no_effect(struct entry_policy *p, struct entry_arena *a,
                                        const char *name, bool guards)
{
    entry_annotations_note(p, a, "UnsupportedAnnotation",
                           mem_fmt(guards ? "annotation %s is not supported: nobody is let in (503)"
                                          : "annotation %s is not supported and has no effect",
                                   name));
    if (guards)
        p->closed = "an annotation that says who may enter is not supported";
}

/* --- nginx --- */

static void entry_annotations_redirect(struct entry_policy *p, struct entry_arena *a,
                                       const json_t *annotations)
{
    static const struct {
        const char *url, *code;
        unsigned otherwise;
    } kinds[] = {
        { NGINX "temporal-redirect", NGINX "temporal-redirect-code", 302 },
        { NGINX "permanent-redirect", NGINX "permanent-redirect-code", 301 },
    };

    for (size_t i = 0; i < N_ELEMENTS(kinds) && p->redirect == NULL; i++) {
        const char *url = entry_annotations_get(annotations, kinds[i].url);
        const char *code = entry_annotations_get(annotations, kinds[i].code);

        if (url == NULL)
            continue;
        if (!entry_annotation_url(a, &p->redirect, url))
            entry_annotations_bad(p, a, kinds[i].url, false);
        p->redirect_code = kinds[i].otherwise;
        if (code != NULL && !entry_annotation_code(a, &p->redirect_code, code))
            entry_annotations_bad(p, a, kinds[i].code, false);
    }
}

static void entry_annotations_basic(struct entry_policy *p, struct entry_arena *a,
                                    const json_t *annotations, const char *ns)
{
    const char *type = entry_annotations_get(annotations, NGINX "auth-type");
    const char *secret = entry_annotations_get(annotations, NGINX "auth-secret");
    const char *form = entry_annotations_get(annotations, NGINX "auth-secret-type");
    const char *slash = secret != NULL ? strchr(secret, '/') : NULL;
    cleanup(freep) char *key = NULL;

    if (type == NULL)
        return;
    if (!str_eq(type, "basic")) {
        entry_annotations_no_effect(p, a, NGINX "auth-type with this value", true);
        return;
    }
    p->basic.is_on = true;
    p->basic.is_map = str_eq(form, "auth-map");
    /* As ingress-nginx since 1.12: no Secrets of other namespaces. */
    if (str_empty(secret) || (form != NULL && !p->basic.is_map && !str_eq(form, "auth-file")) ||
        (slash != NULL &&
         (strlen(ns) != (size_t)(slash - secret) || strncmp(ns, secret, strlen(ns)) != 0))) {
        entry_annotations_bad(p, a, NGINX "auth-secret", true);
        return;
    }
    key = mem_fmt("%s/%s", ns, slash != NULL ? slash + 1 : secret);
    p->basic.secret = entry_arena_str(a, key);
}

static void entry_annotations_sticky(struct entry_policy *p, struct entry_arena *a,
                                     const json_t *annotations)
{
    const char *affinity = entry_annotations_get(annotations, NGINX "affinity");
    const char *name = entry_annotations_get(annotations, NGINX "session-cookie-name");

    if (affinity == NULL)
        return;
    if (!str_eq(affinity, "cookie")) {
        entry_annotations_bad(p, a, NGINX "affinity", false);
        return;
    }
    p->sticky.cookie = "INGRESSCOOKIE";
    if (name != NULL && !entry_annotation_cookie(a, &p->sticky.cookie, name))
        entry_annotations_bad(p, a, NGINX "session-cookie-name", false);
}

static void entry_annotations_backend(struct entry_policy *p, struct entry_arena *a,
                                      const json_t *annotations, const char *name)
{
    const char *protocol = entry_annotations_get(annotations, name);

    if (protocol != NULL && strcasecmp(protocol, "HTTP") != 0 &&
        strcasecmp(protocol, "AUTO_HTTP") != 0)
        entry_annotations_note(p, a, "UnsupportedAnnotation",
                               mem_fmt("annotation %s: backends are spoken to in HTTP only", name));
}

static void entry_annotations_read_nginx(struct entry_policy *p, struct entry_arena *a,
                                         const json_t *annotations, const char *ns)
{
    for (size_t i = 0; i < N_ELEMENTS(entry_annotations_nginx); i++) {
        const struct entry_annotation *row = &entry_annotations_nginx[i];
        const char *value = entry_annotations_get(annotations, row->name);

        if (value != NULL && !row->read(a, (char *)p + row->offset, value))
            entry_annotations_bad(p, a, row->name, row->guards);
    }
    entry_annotations_redirect(p, a, annotations);
    entry_annotations_basic(p, a, annotations, ns);
    entry_annotations_sticky(p, a, annotations);
    entry_annotations_backend(p, a, annotations, NGINX "backend-protocol");
    for (size_t i = 0; i < N_ELEMENTS(entry_annotations_undone); i++)
        if (entry_annotations_get(annotations, entry_annotations_undone[i].name) != NULL)
            entry_annotations_no_effect(p, a, entry_annotations_undone[i].name,
                                        entry_annotations_undone[i].guards);
}

/* --- ALB --- */

/* '[{"HTTP": 80}, {"HTTPS": 443}]': is there a listener of this protocol and port? */
static bool entry_annotations_listens(const json_t *list, const char *protocol, int64_t port)
{
    const json_t *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const json_t *number = json_object_get(one, protocol);

        if (json_is_integer(number) && (port == 0 || json_integer_value(number) == port))
            return true;
    }
    return false;
}

static void entry_annotations_alb_redirect(struct entry_policy *p, struct entry_arena *a,
                                           const json_t *annotations)
{
    const char *ports = entry_annotations_get(annotations, ALB "listen-ports");
    const char *to = entry_annotations_get(annotations, ALB "ssl-redirect");
    cleanup(json_decrefpp) json_t *list = NULL;
    cleanup(freep) char *suffix = NULL;
    struct err err = ERR_EMPTY;
    uint64_t port;

    if (ports != NULL &&
        (json_parse(&list, ports, strlen(ports), NULL, &err) < 0 || !json_is_array(list))) {
        entry_annotations_bad(p, a, ALB "listen-ports", false);
        return;
    }
    if (to == NULL)
        return;
    if (!str_u64(to, &port) || port == 0 || port > UINT16_MAX) {
        entry_annotations_bad(p, a, ALB "ssl-redirect", false);
        return;
    }
    /* The controller refuses a port without its listener. */
    if (!entry_annotations_listens(list, "HTTPS", (int64_t)port)) {
        entry_annotations_note(p, a, "InvalidAnnotation",
                               mem_fmt("%sssl-redirect names port %s, but %slisten-ports has no "
                                       "HTTPS there: not redirected",
                                       ALB, to, ALB));
        return;
    }
    suffix = mem_fmt(":%u", (unsigned)port);
    p->force_ssl_redirect = true;
    p->ssl_redirect_code = 301;
    p->ssl_redirect_port = entry_arena_str(a, suffix);
}

/* "stickiness.enabled=true,stickiness.lb_cookie.duration_seconds=86400" */
static void entry_annotations_alb_sticky(struct entry_policy *p, const json_t *annotations)
{
    static const char seconds[] = "stickiness.lb_cookie.duration_seconds=";
    const char *value = entry_annotations_get(annotations, ALB "target-group-attributes");
    cleanup(strv_freep) char **parts = str_split(value != NULL ? value : "", ',');
    bool is_on = false;
    uint64_t n = 86400; /* AWS' default */

    for (char **part = parts; *part != NULL; part++) {
        const char *one = *part + strspn(*part, " ");

        is_on = is_on || str_eq(one, "stickiness.enabled=true");
        if (str_starts(one, seconds) && str_u64(one + strlen(seconds), &n) && n > 604800)
            n = 604800;
    }
    if (!is_on)
        return;
    p->sticky.cookie = "AWSALB";
    p->sticky.path = "/";
    p->sticky.max_age_s = (int64_t)n;
    p->sticky.renews = true;
}

static void entry_annotations_read_alb(struct entry_policy *p, struct entry_arena *a,
                                       const json_t *annotations)
{
    const char *ranges = entry_annotations_get(annotations, ALB "inbound-cidrs");

    p->ssl_redirect = false; /* nginx' habit */
    entry_annotations_alb_redirect(p, a, annotations);
    entry_annotations_alb_sticky(p, annotations);
    entry_annotations_backend(p, a, annotations, ALB "backend-protocol");
    if (ranges != NULL && !entry_annotation_ranges(a, &p->allowed, ranges))
        entry_annotations_bad(p, a, ALB "inbound-cidrs", true);
}

/* --- all --- */

static bool entry_annotations_is_plain(const struct entry_policy *p)
{
    return p->rewrite == NULL && p->app_root == NULL && p->redirect == NULL &&
           !p->force_ssl_redirect && p->upstream_host == NULL && p->allowed.n == 0 &&
           p->denied.n == 0 && !p->basic.is_on && !p->cors.is_on && p->sticky.cookie == NULL &&
           p->closed == NULL;
}

void entry_annotations_read(struct entry_policy *ret, struct entry_arena *arena,
                            const json_t *annotations, const struct entry_dialect_opts *opts)
{
    *ret = (struct entry_policy){
        .ssl_redirect = true,
        .ssl_redirect_code = 308,
        .ssl_redirect_port = "",
        .canary.total = 100,
        .basic.realm = "",
        .cors = { .origins = "*",
                  .methods = "GET, PUT, POST, DELETE, PATCH, OPTIONS",
                  .headers = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,"
                             "Cache-Control,Content-Type,Range,Authorization",
                  .exposed = "",
                  .credentials = true,
                  .max_age_s = 1728000 },
    };
    if (opts->is_alb)
        entry_annotations_read_alb(ret, arena, annotations);
    else
        entry_annotations_read_nginx(ret, arena, annotations, opts->ns);
    ret->is_plain = entry_annotations_is_plain(ret);
}
