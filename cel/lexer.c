/* Words of an expression (cel-spec, "Syntax"). */
#include "cel/cel_impl.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static struct cel_token cel_token(const struct cel_lexer *l, enum cel_token_kind kind, size_t at)
{
    return (struct cel_token){ .kind = kind, .at = (uint32_t)at, .len = (uint32_t)(l->pos - at) };
}

static struct cel_token cel_lex_wrong(struct cel_lexer *l, size_t at, const char *what)
{
    cel_report_add(l->report, at, "Syntax error: %s", what);
    return cel_token(l, CEL_TOKEN_WRONG, at);
}

static void cel_lex_blank(struct cel_lexer *l)
{
    for (;;) {
        while (isspace((unsigned char)l->text[l->pos]))
            l->pos++;
        if (l->text[l->pos] != '/' || l->text[l->pos + 1] != '/')
            return;
        l->pos += strcspn(l->text + l->pos, "\n");
    }
}

/* --- numbers --- */

static struct cel_token cel_lex_whole(struct cel_lexer *l, size_t at, const char *digits, int base)
{
    struct cel_token t;
    char *end;
    uint64_t v;

    errno = 0;
    v = strtoull(digits, &end, base);
    l->pos = (size_t)(end - l->text);
    if (l->text[l->pos] == 'u' || l->text[l->pos] == 'U') {
        l->pos++;
        t = cel_token(l, CEL_TOKEN_LITERAL, at);
        t.value = (struct cel_value){ .kind = CEL_UINT, .u = v };
        return errno != 0 ? cel_lex_wrong(l, at, "invalid uint literal") : t;
    }
    t = cel_token(l, CEL_TOKEN_LITERAL, at);
    t.value = cel_int((int64_t)v);
    /* One more is only right behind a minus, which the parser sees. */
    if (errno != 0 || v > (uint64_t)INT64_MAX + 1)
        return cel_lex_wrong(l, at, "invalid int literal");
    return t;
}

static struct cel_token cel_lex_number(struct cel_lexer *l)
{
    const char *s = l->text + l->pos;
    size_t at = l->pos, n = strspn(s, "0123456789"), exponent;
    struct cel_token t;
    bool real = false;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2]))
        return cel_lex_whole(l, at, s + 2, 16);
    if (s[n] == '.' && isdigit((unsigned char)s[n + 1])) {
        real = true;
        n += 1 + strspn(s + n + 1, "0123456789");
    }
    if (s[n] == 'e' || s[n] == 'E') {
        exponent = n + 1 + (s[n + 1] == '+' || s[n + 1] == '-');
        if (isdigit((unsigned char)s[exponent])) {
            real = true;
            n = exponent + strspn(s + exponent, "0123456789");
        }
    }
    if (!real)
        return cel_lex_whole(l, at, s, 10);
    l->pos += n;
    t = cel_token(l, CEL_TOKEN_LITERAL, at);
    t.value = cel_double(strtod(s, NULL));
    return isfinite(t.value.d) ? t : cel_lex_wrong(l, at, "invalid double literal");
}

/* --- texts --- */

static void cel_put_utf8(struct text *t, uint32_t c)
{
    if (c < 0x80) {
        text_putc(t, (char)c);
    } else if (c < 0x800) {
        text_putc(t, (char)(0xc0 | c >> 6));
        text_putc(t, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        text_putc(t, (char)(0xe0 | c >> 12));
        text_putc(t, (char)(0x80 | (c >> 6 & 0x3f)));
        text_putc(t, (char)(0x80 | (c & 0x3f)));
    } else {
        text_putc(t, (char)(0xf0 | c >> 18));
        text_putc(t, (char)(0x80 | (c >> 12 & 0x3f)));
        text_putc(t, (char)(0x80 | (c >> 6 & 0x3f)));
        text_putc(t, (char)(0x80 | (c & 0x3f)));
    }
}

/* @n digits of @base at *s, which moves on; false: fewer. */
static bool cel_lex_digits(const char **s, int n, int base, uint32_t *ret)
{
    char digits[9];
    char *end;

    for (int i = 0; i < n; i++) {
        digits[i] = (*s)[i];
        if (!isxdigit((unsigned char)digits[i]))
            return false;
    }
    digits[n] = '\0';
    *ret = (uint32_t)strtoul(digits, &end, base);
    *s += n;
    return *end == '\0';
}

/* What stands behind a backslash. */
static bool cel_lex_escape(struct text *t, const char **s, bool bytes)
{
    static const char from[] = "abfnrtv\\?\"'`", to[] = "\a\b\f\n\r\t\v\\?\"'`";
    const char *simple = **s != '\0' ? strchr(from, **s) : NULL;
    uint32_t c = 0;
    bool ok = false;
    char kind = **s;

    if (simple != NULL) {
        text_putc(t, to[simple - from]);
        (*s)++;
        return true;
    }
    if (kind >= '0' && kind <= '3') {
        ok = cel_lex_digits(s, 3, 8, &c);
    } else if (kind == 'x' || kind == 'X') {
        (*s)++;
        ok = cel_lex_digits(s, 2, 16, &c);
    } else if (!bytes && (kind == 'u' || kind == 'U')) {
        (*s)++;
        ok = cel_lex_digits(s, kind == 'u' ? 4 : 8, 16, &c);
    }
    if (!ok || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || (!bytes && c == 0))
        return false;
    if (bytes)
        text_putc(t, (char)c);
    else
        cel_put_utf8(t, c);
    return true;
}

/* Behind the prefix; l->pos is at the quote, @at where the token began. */
static struct cel_token cel_lex_text(struct cel_lexer *l, size_t at, bool raw, bool bytes)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    const char *s = l->text + l->pos;
    char quote[4] = { *s, *s, *s, '\0' };
    size_t n;
    struct cel_token token;
    char *kept;

    if (strncmp(s, quote, 3) != 0)
        quote[1] = '\0';
    n = strlen(quote);
    for (s += n; strncmp(s, quote, n) != 0;) {
        if (*s == '\0' || (n == 1 && (*s == '\n' || *s == '\r'))) {
            l->pos = (size_t)(s - l->text);
            return cel_lex_wrong(l, at, "token recognition error: the text has no end");
        }
        if (*s != '\\' || raw) {
            text_putc(&t, *s++);
            continue;
        }
        s++;
        if (!cel_lex_escape(&t, &s, bytes)) {
            l->pos = (size_t)(s - l->text) + (*s != '\0');
            return cel_lex_wrong(l, at, "token recognition error: invalid escape sequence");
        }
    }
    l->pos = (size_t)(s - l->text) + n;
    kept = pool_zero(l->pool, t.len + 1);
    memcpy(kept, text_str(&t), t.len);
    token = cel_token(l, CEL_TOKEN_LITERAL, at);
    token.value = cel_stringn(kept, t.len);
    if (bytes)
        token.value.kind = CEL_BYTES;
    return token;
}

/* --- all --- */

/* r"..", b'..', rb".." : how many letters stand before the quote; 0: it is a name. */
static size_t cel_lex_prefix(const char *s, bool *ret_raw, bool *ret_bytes)
{
    size_t n = 0;

    for (; n < 2 && s[n] != '\0' && strchr("rRbB", s[n]) != NULL; n++) {
        bool *which = strchr("rR", s[n]) != NULL ? ret_raw : ret_bytes;

        if (*which)
            return 0;
        *which = true;
    }
    return s[n] == '"' || s[n] == '\'' ? n : 0;
}

static struct cel_token cel_lex_op(struct cel_lexer *l)
{
    static const char *const pairs[] = { "&&", "||", "==", "!=", "<=", ">=" };
    const char *s = l->text + l->pos;
    size_t at = l->pos;

    for (size_t i = 0; i < N_ELEMENTS(pairs); i++)
        if (strncmp(s, pairs[i], 2) == 0) {
            l->pos += 2;
            return cel_token(l, CEL_TOKEN_OP, at);
        }
    l->pos++;
    if (strchr("+-*/%!<>?:.,()[]{}", *s) == NULL)
        return cel_lex_wrong(l, at, "token recognition error");
    return cel_token(l, CEL_TOKEN_OP, at);
}

struct cel_token cel_lex(struct cel_lexer *l)
{
    bool raw = false, bytes = false;
    const char *s;
    size_t at;

    cel_lex_blank(l);
    s = l->text + l->pos;
    at = l->pos;
    if (*s == '\0')
        return cel_token(l, CEL_TOKEN_END, at);
    if (isdigit((unsigned char)*s) || (*s == '.' && isdigit((unsigned char)s[1])))
        return cel_lex_number(l);
    if (*s == '"' || *s == '\'')
        return cel_lex_text(l, at, false, false);
    l->pos += cel_lex_prefix(s, &raw, &bytes);
    if (l->pos > at)
        return cel_lex_text(l, at, raw, bytes);
    if (!isalpha((unsigned char)*s) && *s != '_')
        return cel_lex_op(l);
    while (isalnum((unsigned char)l->text[l->pos]) || l->text[l->pos] == '_')
        l->pos++;
    return cel_token(l, CEL_TOKEN_IDENT, at);
}
