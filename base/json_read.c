/* json_parse: bytes to trees, in one pass.
 *
 * jansson's own parser cannot name duplicate keys, refuses integers beyond 64 bits and words
 * its errors differently; clients of a Kubernetes API look for the words of Go's decoder.
 * Bytes that are not UTF-8, and halves of surrogate pairs, become U+FFFD as they do there.
 */
#include "base/json.h"

#include "base/json_plain.h"
#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An empty array costs us fifty times its two bytes: their number is bounded by the input's
 * length, far above what real objects use. */
#define JSON_CONTAINERS_FREE     100000
#define JSON_BYTES_PER_CONTAINER 16
#define JSON_MAX_DUPS            100

struct json_reader {
    const char *data;
    size_t len, pos;
    unsigned depth;
    size_t containers;          /* that may still be opened */
    struct text word;           /* scratch: the decoded string or the number */
    struct text path;           /* where we are; kept only when @dups is wanted */
    json_t *dups;               /* borrowed, or NULL */
    const char *const *without; /* path of two members that is left out, or NULL */
    bool on_path;               /* within the first of them */
    struct err *err;
};

static json_t *json_read_value(struct json_reader *r);

/* --- errors --- */

static void json_read_where(const struct json_reader *r, size_t *ret_line, size_t *ret_column)
{
    size_t end = r->pos < r->len ? r->pos : r->len;

    *ret_line = *ret_column = 1;
    for (size_t i = 0; i < end; i++) {
        (*ret_column)++;
        if (r->data[i] == '\n') {
            (*ret_line)++;
            *ret_column = 1;
        }
    }
}

/* As Go quotes a byte in its messages: 'x', '\n', '\x01'. */
static void json_read_quote(char ret[16], unsigned char c)
{
    static const char letters[] = "abtnvfr"; /* from 7 on */

    if (c == '\'' || c == '\\')
        snprintf(ret, 16, "'\\%c'", c);
    else if (c >= 7 && c <= 13)
        snprintf(ret, 16, "'\\%c'", letters[c - 7]);
    else if (c < ' ' || c >= 0x7f)
        snprintf(ret, 16, "'\\x%02x'", c);
    else
        snprintf(ret, 16, "'%c'", c);
}

/* Nothing at @pos fits: "invalid character 'x' <where>", or the input is over. */
static json_t *json_read_unexpected(const struct json_reader *r, const char *where)
{
    size_t line, column;
    char c[16];

    json_read_where(r, &line, &column);
    if (r->pos >= r->len) {
        err_set(r->err, ERR_BAD_REQUEST, "unexpected end of JSON input (line %zu, column %zu)",
                line, column);
        return NULL;
    }
    json_read_quote(c, (unsigned char)r->data[r->pos]);
    err_set(r->err, ERR_BAD_REQUEST, "invalid character %s %s (line %zu, column %zu)", c, where,
            line, column);
    return NULL;
}

static json_t *json_read_refuse(const struct json_reader *r, const char *what)
{
    size_t line, column;

    json_read_where(r, &line, &column);
    err_set(r->err, ERR_BAD_REQUEST, "%s (line %zu, column %zu)", what, line, column);
    return NULL;
}

/* --- bytes --- */

static int json_read_peek(const struct json_reader *r)
{
    return r->pos < r->len ? (unsigned char)r->data[r->pos] : -1;
}

static void json_read_blanks(struct json_reader *r)
{
    for (; r->pos < r->len; r->pos++) {
        char c = r->data[r->pos];

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
    }
}

/* --- strings --- */

static void json_read_put_utf8(struct text *t, uint32_t c)
{
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        b[i] = (char)(0x80 | (c & 0x3f));
    b[0] = (char)(lead[n] | c);
    text_add(t, b, n);
}

/* The length of the valid UTF-8 sequence at @pos, or 0 (RFC 3629: no overlong forms, no
 * surrogates, nothing beyond U+10FFFF). */
static size_t json_read_utf8(const struct json_reader *r)
{
    const unsigned char *p = (const unsigned char *)r->data + r->pos;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    uint32_t c;

    if (p[0] < 0xc2 || p[0] > 0xf4 || r->len - r->pos < n)
        return 0;
    c = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) ||
        (n == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    return n;
}

static bool json_read_hex4(struct json_reader *r, uint32_t *ret)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++, r->pos++) {
        int c = json_read_peek(r);

        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
        else {
            json_read_unexpected(r, "in \\u hexadecimal character escape");
            return false;
        }
    }
    *ret = v;
    return true;
}

/* After "\u".  A high surrogate takes the low one that follows; a lone half is U+FFFD. */
static bool json_read_unicode(struct json_reader *r)
{
    uint32_t high, low;
    size_t after;

    if (!json_read_hex4(r, &high))
        return false;
    if (high >= 0xd800 && high <= 0xdbff && r->len - r->pos >= 6 && r->data[r->pos] == '\\' &&
        r->data[r->pos + 1] == 'u') {
        after = r->pos;
        r->pos += 2;
        if (!json_read_hex4(r, &low))
            return false;
        if (low >= 0xdc00 && low <= 0xdfff)
            high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        else
            r->pos = after;
    }
    json_read_put_utf8(&r->word, high >= 0xd800 && high <= 0xdfff ? 0xfffd : high);
    return true;
}

static bool json_read_escape(struct json_reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at;
    int c = json_read_peek(r);

    if (c == 'u') {
        r->pos++;
        return json_read_unicode(r);
    }
    at = c > 0 ? strchr(from, c) : NULL;
    if (!at) {
        json_read_unexpected(r, "in string escape code");
        return false;
    }
    text_putc(&r->word, to[at - from]);
    r->pos++;
    return true;
}

/* The length of the run from @pos on that stands for itself. */
static size_t json_read_run(const struct json_reader *r)
{
    return json_plain_run(r->data + r->pos, r->len - r->pos, true);
}

static bool json_read_odd(struct json_reader *r)
{
    int c = json_read_peek(r);
    size_t n;

    if (c == '\\') {
        r->pos++;
        return json_read_escape(r);
    }
    if (c < ' ') {
        json_read_unexpected(r, "in string literal");
        return false;
    }
    n = json_read_utf8(r);
    if (n > 0)
        text_add(&r->word, r->data + r->pos, n);
    else
        json_read_put_utf8(&r->word, 0xfffd);
    r->pos += n > 0 ? n : 1;
    return true;
}

/* At the opening quote.  The result is borrowed from the input or from the scratch word. */
static bool json_read_string(struct json_reader *r, const char **ret, size_t *ret_len)
{
    size_t n;

    r->pos++;
    n = json_read_run(r);
    if (r->pos + n < r->len && r->data[r->pos + n] == '"') {
        *ret = r->data + r->pos;
        *ret_len = n;
        r->pos += n + 1;
        return true;
    }
    text_clear(&r->word);
    for (;;) {
        n = json_read_run(r);
        text_add(&r->word, r->data + r->pos, n);
        r->pos += n;
        if (json_read_peek(r) == '"')
            break;
        if (!json_read_odd(r))
            return false;
    }
    r->pos++;
    *ret = text_str(&r->word);
    *ret_len = r->word.len;
    return true;
}

/* --- numbers and words --- */

static bool json_read_digits(struct json_reader *r, const char *where)
{
    size_t start = r->pos;

    while (json_read_peek(r) >= '0' && json_read_peek(r) <= '9')
        r->pos++;
    if (r->pos > start)
        return true;
    json_read_unexpected(r, where);
    return false;
}

/* Checks the grammar of RFC 8259 section 6 and says whether there is more than an integer. */
static bool json_read_number_shape(struct json_reader *r, bool *ret_real)
{
    *ret_real = false;
    if (json_read_peek(r) == '-')
        r->pos++;
    if (json_read_peek(r) == '0')
        r->pos++;
    else if (!json_read_digits(r, "in numeric literal"))
        return false;
    if (json_read_peek(r) == '.') {
        *ret_real = true;
        r->pos++;
        if (!json_read_digits(r, "after decimal point in numeric literal"))
            return false;
    }
    if ((json_read_peek(r) | 0x20) == 'e') {
        *ret_real = true;
        r->pos++;
        if (json_read_peek(r) == '+' || json_read_peek(r) == '-')
            r->pos++;
        return json_read_digits(r, "in exponent of numeric literal");
    }
    return true;
}

static json_t *json_read_number(struct json_reader *r)
{
    size_t start = r->pos;
    int64_t integer;
    bool is_real;
    double real;

    if (!json_read_number_shape(r, &is_real))
        return NULL;
    text_clear(&r->word);
    text_add(&r->word, r->data + start, r->pos - start);
    if (!is_real && str_i64(r->word.data, &integer))
        return json_integer(integer);
    real = strtod(r->word.data, NULL);
    if (isinf(real)) {
        r->pos = start;
        return json_read_refuse(r, "number is out of range");
    }
    return json_real(real);
}

static json_t *json_read_word(struct json_reader *r)
{
    static const struct {
        const char *word;
        const char *where;
    } words[] = { { "true", "in literal true" },
                  { "false", "in literal false" },
                  { "null", "in literal null" } };
    size_t i = 0;

    while (words[i].word[0] != r->data[r->pos])
        i++;
    for (const char *p = words[i].word; *p; p++, r->pos++)
        if (json_read_peek(r) != *p)
            return json_read_unexpected(r, words[i].where);
    return i == 0 ? json_true() : i == 1 ? json_false() : json_null();
}

/* --- containers --- */

static bool json_read_open(struct json_reader *r)
{
    if (r->depth == JSON_MAX_DEPTH_OURS) {
        json_read_refuse(r, "exceeded max depth");
        return false;
    }
    if (r->containers == 0) {
        json_read_refuse(r, "too many objects and arrays for the length of the input");
        return false;
    }
    r->containers--;
    r->depth++;
    r->pos++;
    return true;
}

static void json_read_note_dup(struct json_reader *r)
{
    size_t i;
    json_t *seen;

    if (!r->dups || json_array_size(r->dups) >= JSON_MAX_DUPS)
        return;
    json_array_foreach (r->dups, i, seen) {
        if (str_eq(json_string_value(seen), text_str(&r->path)))
            return;
    }
    json_array_append_new(r->dups, json_stringn_nocheck(text_str(&r->path), r->path.len));
}

/* `"key": value`, at the quote. */
/* Goes past a value of bytes that were parsed once before. */
static void json_read_pass(struct json_reader *r)
{
    unsigned open = 0;
    bool quoted = false;

    for (; r->pos < r->len; r->pos++) {
        char c = r->data[r->pos];

        if (quoted && c == '\\')
            r->pos++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            open++;
        else if (!quoted && (c == '}' || c == ']') && open-- == 0)
            return;
        else if (!quoted && c == ',' && open == 0)
            return;
    }
}

static bool json_read_is(const char *key, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(key, name, len) == 0;
}

static bool json_read_member(struct json_reader *r, json_t *object)
{
    size_t len, path_len = r->path.len;
    cleanup(freep) char *own = NULL;
    const char *key;
    json_t *value;

    if (!json_read_string(r, &key, &len))
        return false;
    if (memchr(key, '\0', len)) {
        json_read_refuse(r, "object key holds a NUL character");
        return false;
    }
    if (key == r->word.data) /* where the value's strings are decoded, too */
        key = own = mem_strn(key, len);
    json_read_blanks(r);
    if (json_read_peek(r) != ':') {
        json_read_unexpected(r, "after object key");
        return false;
    }
    r->pos++;
    if (r->dups) {
        if (path_len > 0)
            text_putc(&r->path, '.');
        text_add(&r->path, key, len);
        if (json_object_getn(object, key, len))
            json_read_note_dup(r);
    }
    if (r->without != NULL && r->depth == 2 && r->on_path &&
        json_read_is(key, len, r->without[1])) {
        json_read_blanks(r);
        json_read_pass(r);
        return true;
    }
    if (r->depth == 1)
        r->on_path = r->without != NULL && json_read_is(key, len, r->without[0]);
    value = json_read_value(r);
    if (!value)
        return false;
    json_object_setn_new_nocheck(object, key, len, value);
    if (r->dups) {
        r->path.len = path_len;
        r->path.data[path_len] = '\0';
    }
    return true;
}

static json_t *json_read_object(struct json_reader *r)
{
    cleanup(json_decrefpp) json_t *object = NULL;

    if (!json_read_open(r))
        return NULL;
    object = json_object();
    json_read_blanks(r);
    if (json_read_peek(r) != '}') {
        for (;;) {
            json_read_blanks(r);
            if (json_read_peek(r) != '"')
                return json_read_unexpected(r, "looking for beginning of object key string");
            if (!json_read_member(r, object))
                return NULL;
            json_read_blanks(r);
            if (json_read_peek(r) == '}')
                break;
            if (json_read_peek(r) != ',')
                return json_read_unexpected(r, "after object key:value pair");
            r->pos++;
        }
    }
    r->pos++;
    r->depth--;
    return STEAL(object);
}

static bool json_read_element(struct json_reader *r, json_t *array)
{
    size_t path_len = r->path.len;
    json_t *value;

    if (r->dups)
        text_fmt(&r->path, "[%zu]", json_array_size(array));
    value = json_read_value(r);
    if (!value)
        return false;
    json_array_append_new(array, value);
    if (r->dups) {
        r->path.len = path_len;
        r->path.data[path_len] = '\0';
    }
    return true;
}

static json_t *json_read_array(struct json_reader *r)
{
    cleanup(json_decrefpp) json_t *array = NULL;

    if (!json_read_open(r))
        return NULL;
    array = json_array();
    json_read_blanks(r);
    if (json_read_peek(r) != ']') {
        for (;;) {
            if (!json_read_element(r, array))
                return NULL;
            json_read_blanks(r);
            if (json_read_peek(r) == ']')
                break;
            if (json_read_peek(r) != ',')
                return json_read_unexpected(r, "after array element");
            r->pos++;
        }
    }
    r->pos++;
    r->depth--;
    return STEAL(array);
}

static json_t *json_read_value(struct json_reader *r)
{
    const char *s;
    size_t len;

    json_read_blanks(r);
    switch (json_read_peek(r)) {
    case '{': return json_read_object(r);
    case '[': return json_read_array(r);
    case '"': return json_read_string(r, &s, &len) ? json_stringn_nocheck(s, len) : NULL;
    case 't':
    case 'f':
    case 'n': return json_read_word(r);
    case '-':
    case '0' ... '9': return json_read_number(r);
    default: return json_read_unexpected(r, "looking for beginning of value");
    }
}

static void json_reader_fini(struct json_reader *r)
{
    text_fini(&r->word);
    text_fini(&r->path);
}

static int json_read_all(json_t **ret, struct json_reader *r)
{
    cleanup(json_decrefpp) json_t *tree = NULL;

    r->containers = JSON_CONTAINERS_FREE + r->len / JSON_BYTES_PER_CONTAINER;
    tree = json_read_value(r);
    if (!tree)
        return r->err->code;
    json_read_blanks(r);
    if (r->pos < r->len) {
        json_read_unexpected(r, "after top-level value");
        return r->err->code;
    }
    assert(r->depth == 0);
    *ret = STEAL(tree);
    return 0;
}

int json_parse(json_t **ret, const char *data, size_t len, json_t *ret_dups, struct err *err)
{
    cleanup(json_reader_fini) struct json_reader r = {
        .data = data, .len = len, .dups = ret_dups, .err = err
    };

    return json_read_all(ret, &r);
}

int json_parse_without(json_t **ret, const char *data, size_t len, const char *const path[2],
                       struct err *err)
{
    cleanup(json_reader_fini) struct json_reader r = {
        .data = data, .len = len, .without = path, .err = err
    };

    return json_read_all(ret, &r);
}
