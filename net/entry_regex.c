#include "net/entry_regex.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of one match (under a millisecond) and its memory. */
#define ENTRY_REGEX_MAX_STEPS  20000
#define ENTRY_REGEX_MAX_HEAP_K 1024

struct entry_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

struct entry_regex *entry_regex_free(struct entry_regex *r)
{
    if (r == NULL)
        return NULL;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    free(r);
    return NULL;
}

int entry_regex_new(struct entry_regex **ret, const char *pattern, bool caseless, struct err *err)
{
    uint32_t options = PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C | (caseless ? PCRE2_CASELESS : 0);
    PCRE2_UCHAR words[120];
    struct entry_regex *r;
    pcre2_code *code;
    PCRE2_SIZE at;
    int rc;

    if (strlen(pattern) > ENTRY_REGEX_MAX_PATTERN)
        return err_set(err, ERR_LIMIT, "longer than %d bytes", ENTRY_REGEX_MAX_PATTERN);
    code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &rc, &at, NULL);
    if (code == NULL) {
        pcre2_get_error_message(rc, words, sizeof(words));
        return err_set(err, ERR_INVALID, "%s at offset %zu", (const char *)words, (size_t)at);
    }
    r = MEM_NEW(struct entry_regex);
    r->code = code;
    r->limits = pcre2_match_context_create(NULL);
    if (r->limits == NULL)
        abort(); /* a few bytes: as mem_new */
    pcre2_set_match_limit(r->limits, ENTRY_REGEX_MAX_STEPS);
    pcre2_set_depth_limit(r->limits, ENTRY_REGEX_MAX_STEPS);
    pcre2_set_heap_limit(r->limits, ENTRY_REGEX_MAX_HEAP_K);
    *ret = r;
    return 0;
}

/* NULL: no match, or none within the limits.  The caller frees. */
static pcre2_match_data *entry_regex_match(const struct entry_regex *r, const char *subject,
                                           bool *ret_gave_up)
{
    pcre2_match_data *found = pcre2_match_data_create_from_pattern(r->code, NULL);
    int rc = found == NULL ? PCRE2_ERROR_NOMEMORY
                           : pcre2_match(r->code, (PCRE2_SPTR)subject, strlen(subject), 0, 0, found,
                                         r->limits);

    *ret_gave_up = rc < 0 && rc != PCRE2_ERROR_NOMATCH;
    if (rc > 0)
        return found;
    pcre2_match_data_free(found);
    return NULL;
}

bool entry_regex_matches(const struct entry_regex *r, const char *subject, bool *ret_gave_up)
{
    pcre2_match_data *found = entry_regex_match(r, subject, ret_gave_up);

    pcre2_match_data_free(found);
    return found != NULL;
}

bool entry_regex_is_special(const char *pattern)
{
    return strpbrk(pattern, "\\^$.|?*+()[]{}") != NULL;
}

/* --- rewriting --- */

/* What may stand in a path as it is; arguments are escaped more (ngx_escape_uri). */
static bool entry_regex_is_safe(unsigned char c, bool in_args)
{
    if (c <= 0x20 || c >= 0x7f || strchr("#%?\"", c) != NULL)
        return false;
    return !in_args || strchr("&+", c) == NULL;
}

static void entry_regex_escape(struct text *ret, const char *s, size_t len, bool in_args)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (entry_regex_is_safe(c, in_args))
            text_putc(ret, s[i]);
        else
            text_fmt(ret, "%%%02X", c);
    }
}

static void entry_regex_put_group(struct text *ret, pcre2_match_data *found, const char *path,
                                  unsigned group, bool in_args)
{
    const PCRE2_SIZE *at = found != NULL ? pcre2_get_ovector_pointer(found) : NULL;

    if (at != NULL && group < pcre2_get_ovector_count(found) &&
        at[2 * (size_t)group] != PCRE2_UNSET)
        entry_regex_escape(ret, path + at[2 * (size_t)group],
                           at[2 * (size_t)group + 1] - at[2 * (size_t)group], in_args);
}

/* "$1", "${1}" and "$12" (one digit, as nginx reads it: group 1, then "2"); 0: no group. */
static size_t entry_regex_group(const char *s, unsigned *ret)
{
    if (s[0] == '$' && s[1] >= '1' && s[1] <= '9') {
        *ret = (unsigned)(s[1] - '0');
        return 2;
    }
    if (s[0] == '$' && s[1] == '{' && s[2] >= '1' && s[2] <= '9' && s[3] == '}') {
        *ret = (unsigned)(s[2] - '0');
        return 4;
    }
    return 0;
}

bool entry_regex_rewrite(const struct entry_regex *r, struct text *ret, const char *path,
                         const char *target, const char *query, size_t query_len)
{
    bool gave_up, in_args = false;
    pcre2_match_data *found = r != NULL ? entry_regex_match(r, path, &gave_up) : NULL;
    size_t start = ret->len, len = strlen(target);
    bool drops = len > 0 && target[len - 1] == '?';
    unsigned group;

    if (r != NULL && found == NULL)
        return false;
    for (size_t i = 0; i < len - drops;) {
        size_t n = entry_regex_group(target + i, &group);

        if (n > 0) {
            entry_regex_put_group(ret, found, path, group, in_args);
        } else {
            in_args = in_args || target[i] == '?';
            if (target[i] == '?')
                text_putc(ret, '?');
            else if (in_args && (unsigned char)target[i] > 0x20 && target[i] != 0x7f)
                text_putc(ret, target[i]);
            else
                entry_regex_escape(ret, target + i, 1, false);
        }
        i += n > 0 ? n : 1;
    }
    pcre2_match_data_free(found);
    /* A request line begins with a slash: nginx would send what no server takes. */
    if (ret->len == start || ret->data[start] != '/') {
        cleanup(text_fini) struct text rest = TEXT_EMPTY;

        text_add(&rest, text_str(ret) + start, ret->len - start);
        ret->len = start;
        text_putc(ret, '/');
        text_add(ret, text_str(&rest), rest.len);
    }
    if (query != NULL && !drops) {
        text_putc(ret, in_args ? '&' : '?');
        text_add(ret, query, query_len);
    }
    return true;
}
