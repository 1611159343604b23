#include "base/pattern_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_CODE_MAX   10000
#define PATTERN_REPEAT_MAX 1000 /* as RE2 */
#define PATTERN_DEPTH_MAX  100
#define PATTERN_RUNE_MAX   0x10ffff

/* --- reading --- */

struct pattern_reader {
    struct pattern *p;
    const char *whole, *at;
    bool fold, dot_all, lines; /* (?i) (?s) (?m) */
    unsigned depth;
    struct err *err;
};

static int pattern_alternatives(struct pattern_reader *r);

static int pattern_fail(struct pattern_reader *r, const char *what, const char *where)
{
    return err_set(r->err, ERR_INVALID, "error parsing regexp: %s: `%s`", what, where);
}

/* The code at @at and behind moves on by one. */
static int pattern_insert(struct pattern_reader *r, int at, struct pattern_code code)
{
    struct pattern *p = r->p;

    if (p->n_code >= PATTERN_CODE_MAX)
        return pattern_fail(r, "expression too large", r->whole);
    p->code = mem_grow(p->code, (size_t)p->n_code + 1, sizeof(*p->code));
    memmove(&p->code[at + 1], &p->code[at], (size_t)(p->n_code - at) * sizeof(*p->code));
    p->code[at] = code;
    p->n_code++;
    return 0;
}

static int pattern_emit(struct pattern_reader *r, struct pattern_code code)
{
    return pattern_insert(r, r->p->n_code, code);
}

static void pattern_range(struct pattern_reader *r, uint32_t low, uint32_t high)
{
    struct pattern *p = r->p;

    p->ranges = mem_grow(p->ranges, (size_t)p->n_ranges + 1, sizeof(*p->ranges));
    p->ranges[p->n_ranges++] = (struct pattern_range){ low, high };
    if (!r->fold)
        return;
    for (uint32_t c = low; c <= high && c < 128; c++) {
        uint32_t other = (uint32_t)(islower((int)c) ? toupper((int)c) : tolower((int)c));

        if (other == c)
            continue;
        p->ranges = mem_grow(p->ranges, (size_t)p->n_ranges + 1, sizeof(*p->ranges));
        p->ranges[p->n_ranges++] = (struct pattern_range){ other, other };
    }
}

static const struct pattern_class {
    const char *name;
    const char *ranges; /* pairs of characters */
} pattern_classes[] = {
    { "alnum", "09AZaz" },
    { "alpha", "AZaz" },
    { "digit", "09" },
    { "lower", "az" },
    { "punct", "!/:@[`{~" },
    { "upper", "AZ" },
    { "word", "09AZaz__" },
    { "xdigit", "09AFaf" },
    { "blank", "\t\t  " },
    { "space", "\t\r  " },
    { "print", " ~" },
    { "graph", "!~" },
    { "cntrl", "\001\037\177\177" },
    { "perlspace", "\t\n\f\r  " },
};

static const char *pattern_class(const char *name, size_t len)
{
    for (size_t i = 0; i < N_ELEMENTS(pattern_classes); i++)
        if (strlen(pattern_classes[i].name) == len &&
            strncmp(pattern_classes[i].name, name, len) == 0)
            return pattern_classes[i].ranges;
    return NULL;
}

/* The ranges of a class, or all that lies between them. */
static void pattern_put_class(struct pattern_reader *r, const char *ranges, bool negated)
{
    uint32_t next = 0;
    bool fold = r->fold;

    r->fold = false; /* each class holds both cases, or means one */
    for (const char *s = ranges; *s != '\0'; s += 2) {
        uint32_t low = (unsigned char)s[0], high = (unsigned char)s[1];

        if (!negated)
            pattern_range(r, low, high);
        else if (low > next)
            pattern_range(r, next, low - 1);
        next = high + 1;
    }
    if (negated)
        pattern_range(r, next, PATTERN_RUNE_MAX);
    r->fold = fold;
}

/* \d \W ...: true when it was one. */
static bool pattern_perl(struct pattern_reader *r, char c)
{
    static const struct {
        char c;
        const char *class;
    } rows[] = { { 'd', "digit" }, { 'w', "word" }, { 's', "perlspace" } };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (tolower((unsigned char)c) == rows[i].c) {
            pattern_put_class(r, pattern_class(rows[i].class, strlen(rows[i].class)),
                              isupper((unsigned char)c) != 0);
            return true;
        }
    return false;
}

static int pattern_hex(struct pattern_reader *r, uint32_t *ret)
{
    const char *start = r->at;
    bool braces = *r->at == '{';
    unsigned n = 0;

    *ret = 0;
    r->at += braces;
    for (; isxdigit((unsigned char)*r->at) && n < (braces ? 6u : 2u); r->at++, n++)
        *ret = *ret * 16 + (uint32_t)(isdigit((unsigned char)*r->at)
                                          ? *r->at - '0'
                                          : tolower((unsigned char)*r->at) - 'a' + 10);
    if (n == 0 || (!braces && n != 2) || (braces && *r->at++ != '}') || *ret > PATTERN_RUNE_MAX)
        return pattern_fail(r, "invalid escape sequence", start);
    return 0;
}

/* Behind a backslash, what stands for one character. */
static int pattern_escape(struct pattern_reader *r, uint32_t *ret)
{
    static const char letters[] = "tnrfva", values[] = "\t\n\r\f\v\a";
    const char *start = r->at - 1, *found;
    char c = *r->at;

    if (c == '\0')
        return pattern_fail(r, "trailing backslash at end of expression", "");
    r->at++;
    if (c == 'x')
        return pattern_hex(r, ret);
    if (c == '0') {
        *ret = 0;
        return 0;
    }
    found = strchr(letters, c);
    if (found != NULL)
        *ret = (unsigned char)values[found - letters];
    else if (ispunct((unsigned char)c))
        *ret = (unsigned char)c;
    else
        return pattern_fail(r, "invalid escape sequence", start);
    return 0;
}

static int pattern_set_char(struct pattern_reader *r, uint32_t *ret)
{
    if (*r->at == '\\') {
        r->at++;
        return pattern_escape(r, ret);
    }
    *ret = pattern_rune(&r->at);
    return 0;
}

/* One member of a bracket expression: a class, a character, a range. */
static int pattern_set_member(struct pattern_reader *r)
{
    const char *start = r->at, *end = strstr(r->at, ":]");
    uint32_t low, high;
    int rc;

    if (r->at[0] == '[' && r->at[1] == ':' && end != NULL) {
        bool negated = r->at[2] == '^';
        const char *name = r->at + 2 + negated;
        const char *ranges = end >= name ? pattern_class(name, (size_t)(end - name)) : NULL;

        if (ranges == NULL)
            return pattern_fail(r, "invalid character class range", start);
        pattern_put_class(r, ranges, negated);
        r->at = end + 2;
        return 0;
    }
    if (r->at[0] == '\\' && pattern_perl(r, r->at[1])) {
        r->at += 2;
        return 0;
    }
    rc = pattern_set_char(r, &low);
    high = low;
    if (rc == 0 && r->at[0] == '-' && r->at[1] != ']' && r->at[1] != '\0') {
        r->at++;
        rc = pattern_set_char(r, &high);
    }
    if (rc == 0 && high < low)
        return pattern_fail(r, "invalid character class range", start);
    if (rc == 0)
        pattern_range(r, low, high);
    return rc;
}

static int pattern_set(struct pattern_reader *r)
{
    const char *start = r->at - 1;
    struct pattern_code code = { .op = PATTERN_SET, .x = r->p->n_ranges };
    bool first = true;

    if (*r->at == '^') {
        code.flag = true;
        r->at++;
    }
    while (first || *r->at != ']') {
        int rc = *r->at == '\0' ? pattern_fail(r, "missing closing ]", start)
                                : pattern_set_member(r);

        if (rc < 0)
            return rc;
        first = false;
    }
    r->at++;
    code.y = r->p->n_ranges - code.x;
    return pattern_emit(r, code);
}

static int pattern_emit_char(struct pattern_reader *r, uint32_t c)
{
    struct pattern_code code = { .op = PATTERN_SET, .x = r->p->n_ranges };

    pattern_range(r, c, c);
    code.y = r->p->n_ranges - code.x;
    return pattern_emit(r, code);
}

static int pattern_emit_dot(struct pattern_reader *r)
{
    struct pattern_code code = { .op = PATTERN_SET, .x = r->p->n_ranges, .flag = true };

    if (!r->dot_all)
        pattern_range(r, '\n', '\n');
    code.y = r->p->n_ranges - code.x;
    return pattern_emit(r, code);
}

static int pattern_emit_escape(struct pattern_reader *r)
{
    struct pattern_code code = { .op = PATTERN_SET, .x = r->p->n_ranges };
    char c = *r->at;
    uint32_t rune;
    int rc;

    if (c != '\0' && strchr("AzbB", c) != NULL) {
        r->at++;
        code = (struct pattern_code){ .op = c == 'A'   ? PATTERN_BEGIN
                                            : c == 'z' ? PATTERN_END
                                                       : PATTERN_WORD_EDGE,
                                      .x = c == 'B' };
        return pattern_emit(r, code);
    }
    if (pattern_perl(r, c)) {
        r->at++;
        code.y = r->p->n_ranges - code.x;
        return pattern_emit(r, code);
    }
    rc = pattern_escape(r, &rune);
    return rc < 0 ? rc : pattern_emit_char(r, rune);
}

/* "(?i)" "(?s:" "(?P<name>" "(?:"; positive: it was only flags, there is no group. */
static int pattern_group_head(struct pattern_reader *r)
{
    const char *start = r->at - 1;
    bool on = true;

    if (r->at[0] != '?')
        return 0;
    r->at++;
    if (r->at[0] == 'P' || r->at[0] == '<') {
        const char *close = strchr(r->at, '>');

        if (close == NULL || (r->at[0] == 'P' && r->at[1] != '<') || close[-1] == '<')
            return pattern_fail(r, "invalid named capture", start);
        r->at = close + 1;
        return 0;
    }
    for (; *r->at != '\0' && strchr("imsU-", *r->at) != NULL; r->at++) {
        if (*r->at == '-')
            on = false;
        else if (*r->at == 'i')
            r->fold = on;
        else if (*r->at == 's')
            r->dot_all = on;
        else if (*r->at == 'm')
            r->lines = on;
    }
    if (*r->at == ':' || *r->at == ')')
        return *r->at++ == ')';
    return pattern_fail(r, "invalid or unsupported Perl syntax", start);
}

static int pattern_group(struct pattern_reader *r)
{
    struct pattern_reader before = *r;
    int rc;

    if (++r->depth > PATTERN_DEPTH_MAX)
        return pattern_fail(r, "expression nests too deeply", r->whole);
    rc = pattern_group_head(r);
    if (rc > 0) {
        r->depth--;
        return 0; /* the flags hold to the end of the group around */
    }
    if (rc == 0)
        rc = pattern_alternatives(r);
    if (rc == 0 && *r->at != ')')
        return pattern_fail(r, "missing closing )", r->whole);
    r->at++;
    r->depth--;
    r->fold = before.fold;
    r->dot_all = before.dot_all;
    r->lines = before.lines;
    return rc;
}

static int pattern_atom(struct pattern_reader *r)
{
    const char *start = r->at;
    char c = *r->at;

    if (strchr("*+?", c) != NULL)
        return pattern_fail(r, "missing argument to repetition operator", start);
    if (strchr("([.^$\\", c) == NULL)
        return pattern_emit_char(r, pattern_rune(&r->at));
    r->at++;
    switch (c) {
    case '(': return pattern_group(r);
    case '[': return pattern_set(r);
    case '.': return pattern_emit_dot(r);
    case '^':
        return pattern_emit(r, (struct pattern_code){ .op = PATTERN_BEGIN, .flag = r->lines });
    case '$': return pattern_emit(r, (struct pattern_code){ .op = PATTERN_END, .flag = r->lines });
    default: return pattern_emit_escape(r);
    }
}

/* --- repetition --- */

/* Appends a copy of the @n instructions at @from. */
static int pattern_copy(struct pattern_reader *r, int from, int n)
{
    for (int i = 0; i < n; i++) {
        int rc = pattern_emit(r, r->p->code[from + i]);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The code from @from to the end may be passed by. */
static int pattern_optional(struct pattern_reader *r, int from)
{
    int n = r->p->n_code - from;

    return pattern_insert(r, from,
                          (struct pattern_code){ .op = PATTERN_SPLIT, .x = 1, .y = n + 1 });
}

static int pattern_star(struct pattern_reader *r, int from)
{
    int n = r->p->n_code - from;
    struct pattern_code split = { .op = PATTERN_SPLIT, .x = 1, .y = n + 2 };
    int rc = pattern_insert(r, from, split);

    return rc < 0 ? rc : pattern_emit(r, (struct pattern_code){ .op = PATTERN_JUMP, .x = -n - 1 });
}

/* @low times the code from @from, then up to @high (-1: any number) more or less of it. */
static int pattern_count(struct pattern_reader *r, int from, int low, int high)
{
    int n = r->p->n_code - from, rc = 0, start = from;

    for (int i = 1; rc == 0 && i < (high > low ? high : low); i++) {
        start = r->p->n_code;
        rc = pattern_copy(r, from, n);
        if (rc == 0 && i >= low && high > 0)
            rc = pattern_optional(r, start);
    }
    if (rc == 0 && low == 0 && high == 0)
        r->p->n_code = from;
    if (rc == 0 && high < 0) {
        start = r->p->n_code;
        rc = pattern_copy(r, from, n);
        if (rc == 0)
            rc = pattern_star(r, start);
    }
    return rc == 0 && low == 0 && high != 0 ? pattern_optional(r, from) : rc;
}

static int pattern_read_number(const char *s, char **ret_end)
{
    long n = strtol(s, ret_end, 10);

    return n > PATTERN_REPEAT_MAX ? PATTERN_REPEAT_MAX + 1 : (int)n;
}

/* "{2}" "{2,}" "{2,5}"; anything else in braces is plain text, as in RE2. */
static bool pattern_read_count(const char *s, int *low, int *high, const char **end)
{
    char *next;

    if (s[0] != '{' || !isdigit((unsigned char)s[1]))
        return false;
    *low = *high = pattern_read_number(s + 1, &next);
    if (*next == ',') {
        *high = -1;
        if (isdigit((unsigned char)next[1]))
            *high = pattern_read_number(next + 1, &next);
        else
            next++;
    }
    *end = next + 1;
    return *next == '}';
}

static int pattern_repeat(struct pattern_reader *r, int from)
{
    const char *start = r->at, *end = r->at + 1;
    int low = *start == '+', high = *start == '?' ? 1 : -1;
    int rc;

    if (*start == '\0' || strchr("*+?{", *start) == NULL)
        return 0;
    if (*start == '{' && !pattern_read_count(start, &low, &high, &end))
        return 0;
    if (low < 0 || low > PATTERN_REPEAT_MAX || high > PATTERN_REPEAT_MAX ||
        (high >= 0 && high < low))
        return pattern_fail(r, "invalid repeat count", start);
    r->at = end + (*end == '?'); /* how greedy does not matter to whether */
    rc = low == 0 && high < 0 ? pattern_star(r, from) : pattern_count(r, from, low, high);
    if (rc == 0 && *r->at != '\0' && strchr("*+?", *r->at) != NULL)
        return pattern_fail(r, "invalid nested repetition operator", start);
    return rc;
}

static int pattern_alternatives(struct pattern_reader *r)
{
    int start = r->p->n_code, jump, rc = 0;

    while (rc == 0 && *r->at != '\0' && *r->at != '|' && *r->at != ')') {
        int from = r->p->n_code;

        rc = pattern_atom(r);
        if (rc == 0)
            rc = pattern_repeat(r, from);
    }
    if (rc < 0 || *r->at != '|')
        return rc;
    r->at++;
    rc = pattern_insert(r, start, (struct pattern_code){ .op = PATTERN_SPLIT, .x = 1 });
    if (rc == 0)
        rc = pattern_emit(r, (struct pattern_code){ .op = PATTERN_JUMP });
    if (rc < 0)
        return rc;
    jump = r->p->n_code - 1;
    r->p->code[start].y = r->p->n_code - start;
    rc = pattern_alternatives(r);
    r->p->code[jump].x = r->p->n_code - jump;
    return rc;
}

int pattern_new(struct pattern **ret, const char *text, struct err *err)
{
    cleanup(pattern_freep) struct pattern *p = MEM_NEW(struct pattern);
    struct pattern_reader r = { .p = p, .whole = text, .at = text, .err = err };
    int rc = pattern_alternatives(&r);

    if (rc == 0 && *r.at == ')')
        rc = pattern_fail(&r, "unexpected )", text);
    if (rc == 0)
        rc = pattern_emit(&r, (struct pattern_code){ .op = PATTERN_MATCH });
    if (rc < 0)
        return rc;
    *ret = STEAL(p);
    return 0;
}

struct pattern *pattern_free(struct pattern *p)
{
    if (p == NULL)
        return NULL;
    free(p->code);
    free(p->ranges);
    free(p);
    return NULL;
}

void pattern_freep(struct pattern **p)
{
    *p = pattern_free(*p);
}
