/* matches by base/pattern, in linear time; find and findAll by PCRE2, which tells where: both take the
 * leftmost match, the first alternative first, so they agree on what base/pattern reads. */
#include "cel/cel_impl.h"

#include "base/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define REGEX_MATCH_LIMIT 100000 /* steps of one search */

/* False: @text is no pattern, *ret_error says so. */
static bool regex_compile(struct cel_context *c, const struct cel_value *text, struct pattern **ret,
                          struct cel_value *ret_error)
{
    struct err err = ERR_EMPTY;

    if (!cel_charge(c, text->n))
        *ret_error = cel_error(c, "out of budget");
    else if (pattern_new(ret, text->s, &err) < 0)
        *ret_error = cel_error(c, "%s", err.text);
    else
        return true;
    return false;
}

CEL_FN(regex_matches)
{
    struct pattern *p = NULL;
    struct cel_value v;

    if (!regex_compile(c, &a[1], &p, &v))
        return v;
    if (cel_charge(c, (uint64_t)a[0].n / 10 * (a[1].n / 4 + 1)))
        v = cel_bool(pattern_matches(p, a[0].s));
    else
        v = cel_error(c, "out of budget");
    pattern_free(p);
    return v;
}

/* Finds up to @max matches; their texts. */
static struct cel_value regex_search(struct cel_context *c, const struct cel_value *a,
                                     pcre2_code *code, pcre2_match_data *data,
                                     pcre2_match_context *limits, uint64_t max)
{
    struct cel_value *found = NULL;
    size_t n = 0, cap = 0, at = 0;

    while (n < max && at <= a[0].n && cel_charge(c, a[0].n / 10 + 1)) {
        const PCRE2_SIZE *place;
        int rc = pcre2_match(code, (PCRE2_SPTR)a[0].s, a[0].n, at, 0, data, limits);

        if (rc == PCRE2_ERROR_NOMATCH)
            break;
        if (rc < 0)
            return cel_error(c, "the search takes too many steps");
        place = pcre2_get_ovector_pointer(data);
        if (n == cap) {
            struct cel_value *wider = cel_alloc(c, (2 * cap + 4) * sizeof(*wider));

            for (size_t i = 0; i < n; i++)
                wider[i] = found[i];
            found = wider;
            cap = 2 * cap + 4;
        }
        found[n++] = cel_copy(c, a[0].s + place[0], place[1] - place[0]);
        at = place[1] > place[0] ? place[1] : place[1] + 1;
        while (at < a[0].n && ((unsigned char)a[0].s[at] & 0xc0) == 0x80)
            at++;
    }
    return cel_list(found, n);
}

static struct cel_value regex_find_up_to(struct cel_context *c, const struct cel_value *a,
                                         uint64_t max)
{
    struct pattern *p = NULL;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    pcre2_code *code;
    struct cel_value v;
    PCRE2_SIZE where;
    int why;

    if (!regex_compile(c, &a[1], &p, &v)) /* what Go does not read is not searched for */
        return v;
    pattern_free(p);
    code = pcre2_compile((PCRE2_SPTR)a[1].s, a[1].n, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &why,
                         &where, NULL);
    if (code == NULL)
        return cel_error(c, "the pattern cannot be searched for, only matched");
    limits = pcre2_match_context_create(NULL);
    data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_set_match_limit(limits, REGEX_MATCH_LIMIT);
    v = regex_search(c, a, code, data, limits, max);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
    return v;
}

CEL_FN(regex_find)
{
    struct cel_value all = regex_find_up_to(c, a, 1);

    if (all.kind == CEL_ERROR)
        return all;
    return all.n > 0 ? all.items[0] : cel_string("");
}

CEL_FN(regex_find_all)
{
    return regex_find_up_to(c, a, n > 2 && a[2].i >= 0 ? (uint64_t)a[2].i : UINT64_MAX);
}

static const struct cel_function regex_functions[] = {
    { "matches", true, "ss:b", regex_matches },    { "matches", false, "ss:b", regex_matches },
    { "find", true, "ss:s", regex_find },          { "findAll", true, "ss:Ls", regex_find_all },
    { "findAll", true, "ssi:Ls", regex_find_all },
};

const struct cel_library cel_lib_regex = { regex_functions, N_ELEMENTS(regex_functions), NULL };
