#include "api/list_options.h"

#include "api/status.h"
#include "base/bits.h"
#include "base/mem.h"

#include <string.h>

#define LIST_TOKEN_MS (5 * 60000)

void list_options_fini(struct list_options *o)
{
    free(o->after_ns);
    free(o->after_name);
    o->after_ns = o->after_name = NULL;
}

/* --- what may stand together --- */

static json_t *list_invalid(struct field_errors *errors)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    json_t *status;

    field_errors_text(errors, &t);
    status = status_failure(ERR_INVALID, "ListOptions.meta.k8s.io \"\" is invalid: %s",
                            text_str(&t));
    json_put_str(status, "details.group", "meta.k8s.io");
    json_put_str(status, "details.kind", "ListOptions");
    json_put(status, "details.causes", json_incref(errors->causes));
    return status;
}

static void list_not_supported(struct field_errors *errors, const char *match,
                               const char *const *allowed)
{
    cleanup(json_decrefpp) json_t *value = json_string(match);

    field_not_supported(errors, "resourceVersionMatch", value, allowed);
}

static void list_check_match(struct field_errors *errors, const struct list_query *q)
{
    static const char *const allowed[] = { "Exact", "NotOlderThan", "", NULL };
    static const char path[] = "resourceVersionMatch";

    if (str_empty(q->version))
        field_forbidden(errors, path,
                        "resourceVersionMatch is forbidden unless resourceVersion is provided");
    if (!str_empty(q->token))
        field_forbidden(errors, path,
                        "resourceVersionMatch is forbidden when continue is provided");
    if (!str_eq(q->match, "Exact") && !str_eq(q->match, "NotOlderThan"))
        list_not_supported(errors, q->match, allowed);
    if (str_eq(q->match, "Exact") && str_eq(q->version, "0"))
        field_forbidden(errors, path,
                        "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
}

static json_t *list_check(const struct list_query *q)
{
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    json_t *status = NULL;

    if (!str_empty(q->match))
        list_check_match(&errors, q);
    if (q->initial != NULL)
        field_forbidden(&errors, "sendInitialEvents", "sendInitialEvents is forbidden for list");
    if (errors.n > 0)
        status = list_invalid(&errors);
    field_errors_fini(&errors);
    return status;
}

static json_t *list_check_watch(const struct list_query *q)
{
    static const char *const allowed[] = { "NotOlderThan", NULL };
    static const char path[] = "resourceVersionMatch";
    struct field_errors errors = FIELD_ERRORS_EMPTY;
    json_t *status = NULL;

    if (q->initial != NULL && !str_eq(q->match, "NotOlderThan"))
        field_forbidden(&errors, path,
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (q->initial == NULL && !str_empty(q->match))
        field_forbidden(&errors, path,
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                        "provided");
    if (!str_empty(q->match) && !str_eq(q->match, "NotOlderThan"))
        list_not_supported(&errors, q->match, allowed);
    if (!str_empty(q->match) && !str_empty(q->token))
        field_forbidden(&errors, path,
                        "resourceVersionMatch is forbidden when continue is provided");
    if (errors.n > 0)
        status = list_invalid(&errors);
    field_errors_fini(&errors);
    return status;
}

/* --- versions --- */

static json_t *list_bad_version(const char *version)
{
    return status_failure(
        ERR_BAD_REQUEST, "Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
        version, version);
}

static json_t *list_future(uint64_t wanted, uint64_t current)
{
    json_t *status = status_failure(ERR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                                    (unsigned long long)wanted, (unsigned long long)current);

    json_put_int(status, "details.retryAfterSeconds", 1);
    json_put(status, "details.causes",
             json_pack("[{s:s, s:s}]", "reason", "ResourceVersionTooLarge", "message",
                       "Too large resource version"));
    return status;
}

/* Any, not older than, or exactly this one: docs/reference/using-api/api-concepts, "Semantics for
 * get and list".  With a limit and no match it is exactly this one. */
static json_t *list_read_version(struct list_options *o, const struct list_query *q,
                                 uint64_t current)
{
    uint64_t wanted = 0;

    if (str_empty(q->version))
        return NULL;
    if (!str_u64(q->version, &wanted))
        return list_bad_version(q->version);
    if (wanted > current)
        return list_future(wanted, current);
    if (str_eq(q->match, "Exact") || (str_empty(q->match) && o->limit > 0 && wanted > 0))
        o->revision = wanted;
    return NULL;
}

/* --- tokens: "revision began left namespace name" in base64url; revision "-": the newest --- */

static json_t *list_bad_token(const char *why)
{
    return status_failure(ERR_BAD_REQUEST, "invalid continue token: continue key is not valid%s",
                          why);
}

static void list_print_token(struct text *ret, const char *version, int64_t began_ms, int64_t left,
                             const char *ns, const char *name)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY;

    text_fmt(&plain, "%s %lld %lld %s %s", version, (long long)began_ms, (long long)left, ns, name);
    bits_base64url(ret, text_str(&plain), plain.len);
}

static bool list_parse_token(struct list_options *o, char *const *part, uint64_t current)
{
    for (int i = 0; i < 5; i++)
        if (part[i] == NULL)
            return false;
    if (part[5] != NULL || part[4][0] == '\0' || !str_i64(part[1], &o->began_ms) ||
        o->began_ms < 0 || !str_i64(part[2], &o->left) || o->left < -1)
        return false;
    o->revision = current;
    if (!str_eq(part[0], "-") && !str_u64(part[0], &o->revision))
        return false;
    o->goes_on = true;
    o->after_ns = mem_str(part[3]);
    o->after_name = mem_str(part[4]);
    return o->revision > 0 || current == 0;
}

static json_t *list_read_token(struct list_options *o, const struct list_query *q, uint64_t current,
                               int64_t now_ms)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    cleanup(strv_freep) char **part = NULL;

    if (!str_empty(q->version) && !str_eq(q->version, "0"))
        return status_failure(ERR_BAD_REQUEST,
                              "specifying resource version is not allowed when using continue");
    if (!bits_unbase64url(&plain, q->token, strlen(q->token)))
        return list_bad_token(": illegal base64 data");
    part = str_split(text_str(&plain), ' ');
    if (!list_parse_token(o, part, current))
        return list_bad_token("");
    /* Revisions are never reused: one above the newest was lost with the power. */
    if (o->revision > current || now_ms - o->began_ms > LIST_TOKEN_MS)
        return list_options_expired(o);
    if (str_eq(part[0], "-"))
        o->began_ms = now_ms;
    return NULL;
}

void list_options_token(struct text *ret, const struct list_options *o, const char *ns,
                        const char *name, int64_t left)
{
    cleanup(freep) char *version = mem_fmt("%llu", (unsigned long long)o->revision);

    list_print_token(ret, version, o->began_ms, left, ns, name);
}

json_t *list_options_expired(const struct list_options *o)
{
    cleanup(text_fini) struct text token = TEXT_EMPTY;
    json_t *status;

    if (!o->goes_on)
        return status_failure(ERR_EXPIRED, "The resourceVersion for the provided list is too old.");
    status = status_failure(
        ERR_EXPIRED,
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list.");
    /* Its own time begins when it is used. */
    list_print_token(&token, "-", INT64_MAX, -1, o->after_ns, o->after_name);
    json_put_str(status, "metadata.continue", text_str(&token));
    return status;
}

/* --- reading --- */

json_t *list_options_read(struct list_options *ret, const struct list_query *q, uint64_t current,
                          int64_t now_ms)
{
    json_t *no = list_check(q);
    int64_t limit = 0;

    *ret = (struct list_options){ .revision = current, .left = -1, .began_ms = now_ms };
    if (no != NULL)
        return no;
    if (!str_empty(q->limit) && !str_i64(q->limit, &limit))
        return status_failure(ERR_BAD_REQUEST, "strconv.ParseInt: parsing \"%s\": invalid syntax",
                              q->limit);
    ret->limit = limit > 0 ? (uint64_t)limit : 0;
    if (!str_empty(q->token))
        return list_read_token(ret, q, current, now_ms);
    return list_read_version(ret, q, current);
}

json_t *list_options_watch(const struct list_query *q, uint64_t current, uint64_t *ret_after,
                           bool *ret_initial)
{
    json_t *no = list_check_watch(q);
    bool said = q->initial != NULL;
    bool wanted = said && !str_eq(q->initial, "false") && !str_eq(q->initial, "0");
    uint64_t after = 0;

    if (no != NULL)
        return no;
    if (!str_empty(q->version) && !str_u64(q->version, &after))
        return list_bad_version(q->version);
    if (after > current)
        return list_future(after, current);
    /* Without a version, and with "0", a watch begins with what is there unless told not to. */
    *ret_initial = said ? wanted : after == 0;
    *ret_after = *ret_initial || after == 0 ? current : after;
    return NULL;
}
