/* The strings extension of cel-go: positions count characters, from 0. */
#include "cel/cel_impl.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>

/* --- characters --- */

static bool strings_is_start(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int64_t strings_length(const struct cel_value *v)
{
    int64_t n = 0;

    for (size_t i = 0; i < v->n; i++)
        n += strings_is_start(v->s[i]);
    return n;
}

/* The byte where character @at begins; the end for the one behind the last; -1: there is none. */
static int64_t strings_byte(const struct cel_value *v, int64_t at)
{
    size_t i;

    if (at < 0)
        return -1;
    for (i = 0; i < v->n; i++)
        if (strings_is_start(v->s[i]) && at-- == 0)
            return (int64_t)i;
    return at == 0 ? (int64_t)i : -1;
}

static int64_t strings_char(const struct cel_value *v, size_t byte)
{
    struct cel_value head = { .s = v->s, .n = (uint32_t)byte };

    return strings_length(&head);
}

static struct cel_value strings_range_error(struct cel_context *c, int64_t at)
{
    return cel_error(c, "index out of range: %lld", (long long)at);
}

/* --- looking --- */

CEL_FN(strings_char_at)
{
    int64_t from = strings_byte(&a[0], a[1].i), to;

    if (from < 0)
        return strings_range_error(c, a[1].i);
    to = strings_byte(&a[0], a[1].i + 1);
    return to < 0 ? cel_string("") : cel_copy(c, a[0].s + from, (size_t)(to - from));
}

/* From byte @from on; -1: nowhere. */
static int64_t strings_find(const struct cel_value *v, const struct cel_value *what, int64_t from)
{
    const char *at = memmem(v->s + from, v->n - (size_t)from, what->s, what->n);

    return at != NULL ? strings_char(v, (size_t)(at - v->s)) : -1;
}

CEL_FN(strings_index_of)
{
    int64_t from = n > 2 ? strings_byte(&a[0], a[2].i) : 0;

    if (!cel_charge(c, a[0].n / 10 + 1) || from < 0)
        return strings_range_error(c, n > 2 ? a[2].i : 0);
    return cel_int(strings_find(&a[0], &a[1], from));
}

CEL_FN(strings_last_index_of)
{
    int64_t last = n > 2 ? strings_byte(&a[0], a[2].i) : (int64_t)a[0].n;

    if (!cel_charge(c, (uint64_t)a[0].n * (a[1].n + 1) / 10 + 1) || last < 0)
        return strings_range_error(c, n > 2 ? a[2].i : 0);
    for (; last >= 0; last--)
        if ((size_t)last + a[1].n <= a[0].n && memcmp(a[0].s + last, a[1].s, a[1].n) == 0)
            return cel_int(strings_char(&a[0], (size_t)last));
    return cel_int(-1);
}

CEL_FN(strings_substring)
{
    int64_t from = strings_byte(&a[0], a[1].i);
    int64_t to = n > 2 ? strings_byte(&a[0], a[2].i) : (int64_t)a[0].n;

    if (from < 0 || to < 0)
        return strings_range_error(c, from < 0 ? a[1].i : a[2].i);
    if (from > to)
        return cel_error(c, "invalid substring range. start: %lld, end: %lld", (long long)a[1].i,
                         (long long)(n > 2 ? a[2].i : 0));
    return cel_copy(c, a[0].s + from, (size_t)(to - from));
}

/* --- changing --- */

static struct cel_value strings_mapped(struct cel_context *c, const struct cel_value *v,
                                       int (*map)(int))
{
    struct cel_value copy = cel_copy(c, v->s, v->n);
    char *s = (char *)(uintptr_t)copy.s;

    for (size_t i = 0; copy.kind == CEL_STRING && i < copy.n; i++)
        if ((unsigned char)s[i] < 0x80)
            s[i] = (char)map((unsigned char)s[i]);
    return copy;
}

CEL_FN(strings_lower)
{
    return strings_mapped(c, &a[0], tolower);
}

CEL_FN(strings_upper)
{
    return strings_mapped(c, &a[0], toupper);
}

/* White space of Unicode in UTF-8, as Go's strings.TrimSpace knows it: how many bytes at @s. */
static size_t strings_blank(const char *s, size_t n)
{
    static const char *const wide[] = { "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                        "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                        "\xe2\x81\x9f", "\xe3\x80\x80" };

    if (n > 0 && isspace((unsigned char)*s))
        return 1;
    if (n >= 3 && memcmp(s, "\xe2\x80", 2) == 0 && (unsigned char)s[2] >= 0x80 &&
        (unsigned char)s[2] <= 0x8a)
        return 3;
    for (size_t i = 0; i < N_ELEMENTS(wide); i++)
        if (n >= strlen(wide[i]) && memcmp(s, wide[i], strlen(wide[i])) == 0)
            return strlen(wide[i]);
    return 0;
}

CEL_FN(strings_trim)
{
    size_t from = 0, to = a[0].n, blank;

    while ((blank = strings_blank(a[0].s + from, to - from)) > 0)
        from += blank;
    for (size_t back = 1; back <= 3 && to - from >= back; back++)
        if (strings_blank(a[0].s + to - back, back) == back) {
            to -= back;
            back = 0;
        }
    return cel_copy(c, a[0].s + from, to - from);
}

CEL_FN(strings_reverse)
{
    struct cel_value copy = cel_copy(c, a[0].s, a[0].n);
    char *to = (char *)(uintptr_t)copy.s;

    if (copy.kind != CEL_STRING)
        return copy;
    for (size_t end = a[0].n; end > 0;) {
        size_t start = end - 1;

        while (start > 0 && !strings_is_start(a[0].s[start]))
            start--;
        memcpy(to, a[0].s + start, end - start);
        to += end - start;
        end = start;
    }
    return copy;
}

/* A finished text, taken into the context. */
static struct cel_value strings_take(struct cel_context *c, struct text *t)
{
    struct cel_value v = cel_copy(c, text_str(t), t->len);

    text_fini(t);
    return v;
}

CEL_FN(strings_replace)
{
    struct text t = TEXT_EMPTY;
    int64_t left = n > 3 ? a[3].i : -1;
    size_t i = 0;

    while (i <= a[0].n) {
        bool here = left != 0 && i + a[1].n <= a[0].n && memcmp(a[0].s + i, a[1].s, a[1].n) == 0 &&
                    (i == a[0].n || strings_is_start(a[0].s[i]));

        if (!cel_charge(c, here ? a[2].n / 10 + 1 : 0))
            break;
        if (here) {
            text_add(&t, a[2].s, a[2].n);
            left--;
        }
        if (here && a[1].n > 0)
            i += a[1].n;
        else if (i < a[0].n)
            text_putc(&t, a[0].s[i++]);
        else
            i++;
    }
    return strings_take(c, &t);
}

CEL_FN(strings_split)
{
    int64_t limit = n > 2 ? a[2].i : -1;
    size_t cap = limit >= 0 && limit < (int64_t)a[0].n ? (size_t)limit + 1 : a[0].n + 1;
    struct cel_value *parts;
    size_t len = 0, i = 0, next;

    if (limit == 0)
        return cel_list(NULL, 0);
    if (!cel_charge(c, a[0].n))
        return cel_error(c, "out of budget");
    parts = cel_alloc(c, cap * sizeof(*parts));
    for (; limit < 0 || (int64_t)len < limit - 1; i = next + a[1].n) {
        const char *at = a[1].n > 0 ? memmem(a[0].s + i, a[0].n - i, a[1].s, a[1].n) : NULL;

        if (a[1].n == 0) { /* into characters */
            for (next = i + 1; next < a[0].n && !strings_is_start(a[0].s[next]);)
                next++;
            if (next >= a[0].n)
                break;
        } else if (at == NULL) {
            break;
        } else {
            next = (size_t)(at - a[0].s);
        }
        parts[len++] = cel_copy(c, a[0].s + i, next - i);
    }
    if (a[1].n > 0 || i < a[0].n)
        parts[len++] = cel_copy(c, a[0].s + i, a[0].n - i);
    return cel_list(parts, len);
}

CEL_FN(strings_join)
{
    struct text t = TEXT_EMPTY;

    for (size_t i = 0; i < cel_size(&a[0]); i++) {
        struct cel_value item = cel_item(c, &a[0], i);

        if (item.kind != CEL_STRING || !cel_charge(c, item.n / 10 + 1)) {
            text_fini(&t);
            return cel_error(c, "no such overload: join");
        }
        if (i > 0 && n > 1)
            text_add(&t, a[1].s, a[1].n);
        text_add(&t, item.s, item.n);
    }
    return strings_take(c, &t);
}

CEL_FN(strings_quote)
{
    static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
    struct text t = TEXT_EMPTY;

    text_putc(&t, '"');
    for (size_t i = 0; i < a[0].n; i++) {
        const char *at = a[0].s[i] != '\0' ? strchr(from, a[0].s[i]) : NULL;

        if (at != NULL)
            text_putc(&t, '\\');
        text_putc(&t, at != NULL ? to[at - from] : a[0].s[i]);
    }
    text_putc(&t, '"');
    return strings_take(c, &t);
}

/* clang-format off */
static const struct cel_function strings_functions[] = {
    { "charAt", true, "si:s", strings_char_at },
    { "indexOf", true, "ss:i", strings_index_of }, { "indexOf", true, "ssi:i", strings_index_of },
    { "lastIndexOf", true, "ss:i", strings_last_index_of },
    { "lastIndexOf", true, "ssi:i", strings_last_index_of },
    { "substring", true, "si:s", strings_substring },
    { "substring", true, "sii:s", strings_substring },
    { "lowerAscii", true, "s:s", strings_lower }, { "upperAscii", true, "s:s", strings_upper },
    { "trim", true, "s:s", strings_trim },        { "reverse", true, "s:s", strings_reverse },
    { "replace", true, "sss:s", strings_replace }, { "replace", true, "sssi:s", strings_replace },
    { "split", true, "ss:Ls", strings_split },    { "split", true, "ssi:Ls", strings_split },
    { "join", true, "Ls:s", strings_join },       { "join", true, "Lss:s", strings_join },
    { "strings.quote", false, "s:s", strings_quote },
};
/* clang-format on */

const struct cel_library cel_lib_strings = { strings_functions, N_ELEMENTS(strings_functions),
                                             NULL };
