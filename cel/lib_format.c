/* "%d of %s".format([1, "x"]): the strings extension's own printf. */
#include "cel/cel_impl.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_PRECISION_MAX 100

struct cel_format {
    struct cel_context *c;
    struct text out;        /* owned */
    struct cel_value wrong; /* the first thing that went wrong, or null */
};

static void format_fail(struct cel_format *f, const char *what, char clause)
{
    if (f->wrong.kind != CEL_ERROR)
        f->wrong = cel_error(f->c, "error during formatting: %s: %%%c", what, clause);
}

static void format_any(struct cel_format *f, const struct cel_value *v);

static void format_list(struct cel_format *f, const struct cel_value *v)
{
    text_putc(&f->out, '[');
    for (size_t i = 0; i < cel_size(v) && cel_charge(f->c, 1); i++) {
        struct cel_value item = cel_item(f->c, v, i);

        text_puts(&f->out, i > 0 ? ", " : "");
        format_any(f, &item);
    }
    text_putc(&f->out, ']');
}

static void format_map(struct cel_format *f, const struct cel_value *v)
{
    struct cel_value keys = cel_keys(f->c, v), value;

    text_putc(&f->out, '{');
    for (size_t i = 0; i < keys.n && cel_charge(f->c, 1); i++) {
        text_puts(&f->out, i > 0 ? ", " : "");
        format_any(f, &keys.items[i]);
        text_puts(&f->out, ":");
        if (cel_lookup(f->c, v, &keys.items[i], &value))
            format_any(f, &value);
    }
    text_putc(&f->out, '}');
}

static void format_any(struct cel_format *f, const struct cel_value *v)
{
    struct cel_value text;

    if (v->kind == CEL_LIST) {
        format_list(f, v);
    } else if (v->kind == CEL_MAP) {
        format_map(f, v);
    } else if (v->kind == CEL_NULL) {
        text_puts(&f->out, "null");
    } else {
        text = cel_to_string(f->c, *v);
        if (text.kind == CEL_STRING)
            text_add(&f->out, text.s, text.n);
        else
            format_fail(f, "could not convert argument to string", 's');
    }
}

static void format_number(struct cel_format *f, const struct cel_value *v, char clause,
                          int precision)
{
    double d = v->kind == CEL_DOUBLE ? v->d : v->kind == CEL_UINT ? (double)v->u : (double)v->i;

    if (v->kind != CEL_DOUBLE && v->kind != CEL_INT && v->kind != CEL_UINT)
        format_fail(f, "only numbers can be formatted so", clause);
    else if (clause == 'f')
        text_fmt(&f->out, "%.*f", precision, d);
    else
        text_fmt(&f->out, "%.*e", precision, d);
}

static void format_binary(struct cel_format *f, uint64_t v)
{
    char digits[65];
    size_t n = sizeof(digits);

    digits[--n] = '\0';
    do {
        digits[--n] = (char)('0' + (v & 1));
        v >>= 1;
    } while (v > 0);
    text_puts(&f->out, digits + n);
}

static void format_bytes(struct cel_format *f, const struct cel_value *v, bool upper)
{
    for (size_t i = 0; i < v->n; i++)
        text_fmt(&f->out, upper ? "%02X" : "%02x", (unsigned char)v->s[i]);
}

static void format_whole(struct cel_format *f, const struct cel_value *v, char clause)
{
    bool minus = v->kind == CEL_INT && v->i < 0;
    uint64_t u = minus ? 0 - (uint64_t)v->i : v->u;

    if (minus)
        text_putc(&f->out, '-');
    switch (clause) {
    case 'd': text_fmt(&f->out, "%llu", (unsigned long long)u); break;
    case 'o': text_fmt(&f->out, "%llo", (unsigned long long)u); break;
    case 'x': text_fmt(&f->out, "%llx", (unsigned long long)u); break;
    case 'X': text_fmt(&f->out, "%llX", (unsigned long long)u); break;
    default: format_binary(f, u); break;
    }
}

/* One clause with its argument. */
static void format_clause(struct cel_format *f, const struct cel_value *v, char clause,
                          int precision)
{
    bool hex = clause == 'x' || clause == 'X';

    if (clause == 's')
        format_any(f, v);
    else if (clause == 'f' || clause == 'e')
        format_number(f, v, clause, precision);
    else if (strchr("dbxXo", clause) == NULL || clause == '\0')
        format_fail(f, "unrecognized formatting clause", clause);
    else if (v->kind == CEL_INT || v->kind == CEL_UINT)
        format_whole(f, v, clause);
    else if (hex && (v->kind == CEL_STRING || v->kind == CEL_BYTES))
        format_bytes(f, v, clause == 'X');
    else if (clause == 'b' && v->kind == CEL_BOOL)
        format_binary(f, v->b);
    else if (clause == 'd' && v->kind == CEL_DOUBLE)
        format_any(f, v);
    else
        format_fail(f, "the argument is of another type", clause);
}

/* ".3" at *s. */
static int format_precision(const char **s)
{
    int precision = 6;

    if (**s != '.')
        return precision;
    (*s)++;
    precision = (int)strtol(*s, NULL, 10);
    while (isdigit((unsigned char)**s))
        (*s)++;
    return precision < 0 || precision > FORMAT_PRECISION_MAX ? FORMAT_PRECISION_MAX : precision;
}

CEL_FN(format_text)
{
    struct cel_format f = { .c = c };
    size_t used = 0;
    struct cel_value v;

    for (const char *s = a[0].s; *s != '\0' && f.wrong.kind != CEL_ERROR; s++) {
        int precision;

        if (*s != '%') {
            text_putc(&f.out, *s);
            continue;
        }
        s++;
        if (*s == '%') {
            text_putc(&f.out, '%');
            continue;
        }
        precision = format_precision(&s);
        if (*s == '\0' || used >= cel_size(&a[1])) {
            f.wrong = cel_error(c, "index %zu out of range", used);
            break;
        }
        v = cel_item(c, &a[1], used++);
        format_clause(&f, &v, *s, precision);
    }
    v = f.wrong.kind == CEL_ERROR ? f.wrong : cel_copy(c, text_str(&f.out), f.out.len);
    text_fini(&f.out);
    return v;
}

static const struct cel_function format_functions[] = { { "format", true, "sLD:s", format_text } };

const struct cel_library cel_lib_format = { format_functions, N_ELEMENTS(format_functions), NULL };
