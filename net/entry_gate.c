#include "net/entry_gate.h"

#include "base/mem.h"
#include "net/entry_cors.h"
#include "net/entry_regex.h"
#include "net/entry_sticky.h"

#include <string.h>
#include <strings.h>

/* --- where to --- */

/* As the client wrote it, never empty. */
static void entry_gate_put_target(struct text *ret, const struct entry_visit *v)
{
    const char *target = entry_head_at(v->head, v->request->target);

    if (v->request->target_len == 0 || target[0] != '/')
        text_putc(ret, '/');
    text_add(ret, target, v->request->target_len);
}

static const char *entry_gate_query(const struct entry_visit *v, size_t *ret_len)
{
    const char *target = entry_head_at(v->head, v->request->target);
    const char *query = memchr(target, '?', v->request->target_len);

    *ret_len = query != NULL ? v->request->target_len - (size_t)(query + 1 - target) : 0;
    return query != NULL ? query + 1 : NULL;
}

static void entry_gate_put_variable(struct text *ret, const struct entry_visit *v, const char *name,
                                    size_t len)
{
    const char *scheme = v->is_tls ? "https" : "http", *query;
    size_t query_len;

#define IS_(word) (len == sizeof(word) - 1 && memcmp(name, word, len) == 0)
    query = entry_gate_query(v, &query_len);
    if (IS_("request_uri"))
        entry_gate_put_target(ret, v);
    else if (IS_("scheme"))
        text_puts(ret, scheme);
    else if (IS_("host"))
        text_puts(ret, v->request->host);
    else if (IS_("http_host"))
        text_add(ret, entry_head_at(v->head, v->request->authority), v->request->authority_len);
    else if ((IS_("args") || IS_("query_string")) && query != NULL)
        text_add(ret, query, query_len);
    else if (IS_("is_args") && query != NULL)
        text_putc(ret, '?');
    else if (IS_("uri"))
        for (const char *p = text_str(&v->request->path); *p != '\0'; p++) {
            if ((unsigned char)*p > 0x20 && (unsigned char)*p < 0x7f && strchr("\"#%?", *p) == NULL)
                text_putc(ret, *p);
            else
                text_fmt(ret, "%%%02X", (unsigned char)*p);
        }
#undef IS_
}

/* "https://new.example$request_uri": nginx' variables that users write there. */
static void entry_gate_put_url(struct text *ret, const struct entry_visit *v, const char *url)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";

    while (*url != '\0') {
        size_t len = *url == '$' ? strspn(url + 1, letters) : 0;

        if (len > 0)
            entry_gate_put_variable(ret, v, url + 1, len);
        else
            text_putc(ret, *url);
        url += 1 + len;
    }
}

static enum entry_verdict entry_gate_send(unsigned *ret_status, unsigned status)
{
    *ret_status = status;
    return ENTRY_ANSWERED;
}

static enum entry_verdict entry_gate_www(const struct entry_route *route,
                                         const struct entry_visit *v, unsigned *ret_status,
                                         struct text *ret_fields)
{
    text_fmt(ret_fields, "Location: %s://%s", v->is_tls ? "https" : "http", route->moved);
    entry_gate_put_target(ret_fields, v);
    text_puts(ret_fields, "\r\n");
    return entry_gate_send(ret_status, 308);
}

static enum entry_verdict entry_gate_to_url(const char *url, unsigned code,
                                            const struct entry_visit *v, unsigned *ret_status,
                                            struct text *ret_fields)
{
    text_puts(ret_fields, "Location: ");
    if (url[0] == '/') {
        text_puts(ret_fields, v->is_tls ? "https://" : "http://");
        text_add(ret_fields, entry_head_at(v->head, v->request->authority),
                 v->request->authority_len);
    }
    entry_gate_put_url(ret_fields, v, url);
    text_puts(ret_fields, "\r\n");
    return entry_gate_send(ret_status, code);
}

static bool entry_gate_wants_tls(const struct entry_route *route, const struct entry_visit *v)
{
    bool has_tls = route->host != NULL && route->host->has_tls;

    return !v->is_tls && v->request->host[0] != '\0' &&
           (route->policy->force_ssl_redirect || (route->policy->ssl_redirect && has_tls));
}

static enum entry_verdict entry_gate_to_tls(const struct entry_policy *p,
                                            const struct entry_visit *v, unsigned *ret_status,
                                            struct text *ret_fields)
{
    text_fmt(ret_fields, "Location: https://%s%s", v->request->host, p->ssl_redirect_port);
    entry_gate_put_target(ret_fields, v);
    text_puts(ret_fields, "\r\n");
    return entry_gate_send(ret_status, p->ssl_redirect_code);
}

/* --- who --- */

/* True: a preflight, which is answered here. */
static bool entry_gate_cors(const struct entry_cors *c, const struct entry_visit *v,
                            struct text *ret_fields)
{
    const struct entry_field *f = c->is_on ? entry_head_named(v->head, "origin") : NULL;
    const char *origin = f != NULL ? entry_head_at(v->head, f->value) : "";
    size_t len = f != NULL ? f->value_len : 0;

    if (!c->is_on || !entry_cors_allows(c, origin, len))
        return false;
    entry_cors_print(ret_fields, c, origin, len);
    return str_eq(v->request->method, "OPTIONS");
}

static bool entry_gate_is_barred(const struct entry_policy *p, const struct entry_visit *v)
{
    return entry_ranges_have(&p->denied, v->remote) ||
           (p->allowed.n > 0 && !entry_ranges_have(&p->allowed, v->remote));
}

enum entry_verdict entry_gate_decide(const struct entry_route *route, const struct entry_visit *v,
                                     unsigned *ret_status, struct text *ret_fields)
{
    const struct entry_policy *p = route->policy;

    if (route->moved != NULL)
        return entry_gate_www(route, v, ret_status, ret_fields);
    if (!p->is_plain && p->app_root != NULL && str_eq(text_str(&v->request->path), "/"))
        return entry_gate_to_url(p->app_root, 302, v, ret_status, ret_fields);
    if (!p->is_plain && p->closed != NULL)
        return entry_gate_send(ret_status, 503);
    if (!p->is_plain && entry_gate_cors(&p->cors, v, ret_fields))
        return entry_gate_send(ret_status, 204);
    if (!p->is_plain && p->redirect != NULL)
        return entry_gate_to_url(p->redirect, p->redirect_code, v, ret_status, ret_fields);
    if (entry_gate_wants_tls(route, v))
        return entry_gate_to_tls(p, v, ret_status, ret_fields);
    if (!p->is_plain && entry_gate_is_barred(p, v))
        return entry_gate_send(ret_status, 403);
    return p->basic.is_on ? ENTRY_NEEDS_AUTH : ENTRY_PASSES;
}

bool entry_gate_is_canary(const struct entry_route *route, const struct entry_head *head,
                          uint64_t random)
{
    const struct entry_canary *c = &route->canary->policy->canary;
    const struct entry_field *f = c->header != NULL ? entry_head_named(head, c->header) : NULL;
    const char *value;
    size_t len;

    if (f != NULL && c->header_value != NULL && entry_head_is(head, f, c->header_value))
        return true;
    if (f != NULL && c->header_value == NULL && entry_head_is(head, f, "always"))
        return true;
    if (f != NULL && c->header_value == NULL && entry_head_is(head, f, "never"))
        return false;
    if (c->cookie != NULL && entry_cookie_find(head, c->cookie, &value, &len)) {
        if (len == 6 && memcmp(value, "always", 6) == 0)
            return true;
        if (len == 5 && memcmp(value, "never", 5) == 0)
            return false;
    }
    return c->total > 0 && random % c->total < c->weight;
}

bool entry_gate_rewrite(const struct entry_route *route, const struct entry_visit *v,
                        struct text *ret)
{
    const struct entry_regex *regex = route->path != NULL ? route->path->regex : NULL;
    const char *query;
    size_t len;

    if (route->policy->is_plain || !entry_route_rewrites(route))
        return false;
    query = entry_gate_query(v, &len);
    return entry_regex_rewrite(regex, ret, text_str(&v->request->path), route->policy->rewrite,
                               query, len);
}

/* --- credentials --- */

bool entry_gate_credentials(const struct entry_head *head, const char **ret, size_t *ret_len)
{
    const struct entry_field *f = entry_head_named(head, "authorization");
    const char *value = f != NULL ? entry_head_at(head, f->value) : "";
    size_t skip = 6;

    if (f == NULL || f->value_len <= skip || strncasecmp(value, "basic ", skip) != 0)
        return false;
    while (skip < f->value_len && value[skip] == ' ')
        skip++;
    *ret = value + skip;
    *ret_len = f->value_len - skip;
    return true;
}

void entry_gate_challenge(struct text *ret, const struct entry_basic *basic)
{
    text_puts(ret, "WWW-Authenticate: Basic realm=\"");
    for (const char *p = basic->realm; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            text_putc(ret, '\\');
        text_putc(ret, *p);
    }
    text_puts(ret, "\"\r\n");
}
