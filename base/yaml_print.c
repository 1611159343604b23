/* yaml_print: trees as people write them, laid out as kubectl prints: keys sorted, lists not
 * indented below their key, texts of several lines as blocks. */
#include "base/mem.h"
#include "base/yaml.h"
#include "base/yaml_scalar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A "key: value" line ends for YAML readers when the key passes 1024 characters. */
#define YAML_MAX_SIMPLE_KEY 1000

static void yaml_print_object(struct text *t, const json_t *object, int indent, bool inlined);
static void yaml_print_array(struct text *t, const json_t *array, int indent, bool inlined);

static void yaml_pad(struct text *t, int indent)
{
    text_fmt(t, "%*s", indent, "");
}

/* --- strings --- */

static void yaml_print_single(struct text *t, const char *s, size_t len)
{
    text_putc(t, '\'');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\'')
            text_putc(t, '\'');
        text_putc(t, s[i]);
    }
    text_putc(t, '\'');
}

/* The code point at @s (valid UTF-8) and its length. */
static uint32_t yaml_point(const char *s, size_t *ret_len)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3fu);
    *ret_len = n;
    return c;
}

static void yaml_print_double(struct text *t, const char *s, size_t len)
{
    static const char from[] = "\"\\\n\t\r", to[] = "\"\\ntr";
    size_t n;

    text_putc(t, '"');
    for (size_t i = 0; i < len; i += n) {
        uint32_t c = yaml_point(s + i, &n);
        const char *at = c > 0 && c < 0x80 ? strchr(from, (int)c) : NULL;

        if (at)
            text_fmt(t, "\\%c", to[at - from]);
        else if (yaml_scalar_is_printable(s + i, n))
            text_add(t, s + i, n);
        else
            text_fmt(t, c < 0x100 ? "\\x%02X" : "\\u%04X", c);
    }
    text_putc(t, '"');
}

/* "2006-1-2", alone or with a time behind it, is a timestamp to readers of YAML 1.1. */
static bool yaml_is_timestamp(const char *s, size_t len)
{
    static const size_t most[] = { 4, 2, 2 };
    size_t at = 0;

    for (size_t part = 0; part < N_ELEMENTS(most); part++) {
        size_t n = 0;

        if (part > 0 && (at == len || s[at++] != '-'))
            return false;
        while (at < len && n < most[part] && isdigit((unsigned char)s[at])) {
            n++;
            at++;
        }
        if (n == 0 || (part == 0 && n < most[part]))
            return false;
    }
    return at == len || (strchr("Tt ", s[at]) != NULL && s[at] != '\0');
}

/* Strings that another type would claim get double quotes, others single ones, as kubectl. */
static void yaml_print_string(struct text *t, const char *s, size_t len)
{
    cleanup(json_decrefpp) json_t *meaning = NULL;

    if (yaml_scalar_is_plain(s, len)) {
        text_add(t, s, len);
        return;
    }
    meaning = yaml_scalar_resolve(s, len);
    if (yaml_scalar_is_printable(s, len) && json_is_string(meaning) && !yaml_is_timestamp(s, len))
        yaml_print_single(t, s, len);
    else
        yaml_print_double(t, s, len);
}

/* Lines that all stand for themselves.  A first character that is blank would need an
 * explicit indentation; such texts are quoted. */
static bool yaml_is_block(const char *s, size_t len)
{
    size_t start = 0;

    if (!memchr(s, '\n', len) || strchr(" \t\n", s[0]))
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && s[i] != '\n' && s[i] != '\t')
            continue;
        if (!yaml_scalar_is_printable(s + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

static void yaml_print_block(struct text *t, const char *s, size_t len, int indent)
{
    const char *end = s + len;
    bool ended = s[len - 1] == '\n';

    text_puts(t, !ended ? "|-\n" : len > 1 && s[len - 2] == '\n' ? "|+\n" : "|\n");
    while (s < end) {
        const char *eol = memchr(s, '\n', (size_t)(end - s));
        size_t n = (size_t)((eol ? eol : end) - s);

        if (n > 0)
            yaml_pad(t, indent);
        text_add(t, s, n);
        text_putc(t, '\n');
        s += n + 1;
    }
}

/* --- trees --- */

/* With the line break that ends it. */
static void yaml_print_scalar(struct text *t, const json_t *value, int indent)
{
    const char *s = json_string_value(value);

    if (s && yaml_is_block(s, json_string_length(value))) {
        yaml_print_block(t, s, json_string_length(value), indent);
        return;
    }
    if (s)
        yaml_print_string(t, s, json_string_length(value));
    else
        json_print_to(t, value);
    text_putc(t, '\n');
}

static bool yaml_is_nested(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void yaml_print_member(struct text *t, const char *key, const json_t *value, int indent)
{
    size_t len = strlen(key);

    if (len > YAML_MAX_SIMPLE_KEY)
        text_puts(t, "? ");
    yaml_print_string(t, key, len);
    if (len > YAML_MAX_SIMPLE_KEY) {
        text_putc(t, '\n');
        yaml_pad(t, indent);
    }
    text_putc(t, ':');
    if (!yaml_is_nested(value)) {
        text_putc(t, ' ');
        yaml_print_scalar(t, value, indent + 2);
        return;
    }
    text_putc(t, '\n');
    if (json_is_object(value))
        yaml_print_object(t, value, indent + 2, false);
    else
        yaml_print_array(t, value, indent, false);
}

static int yaml_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* @inlined: the first line stands behind "- " already. */
static void yaml_print_object(struct text *t, const json_t *object, int indent, bool inlined)
{
    json_t *o = (json_t *)(uintptr_t)object; /* iterating changes nothing */
    cleanup(freep) const char **keys = MEM_NEW_ARRAY(const char *, json_object_size(o));
    size_t n = 0;

    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it))
        keys[n++] = json_object_iter_key(it);
    qsort(keys, n, sizeof(*keys), yaml_compare);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 || !inlined)
            yaml_pad(t, indent);
        yaml_print_member(t, keys[i], json_object_get(o, keys[i]), indent);
    }
}

static void yaml_print_array(struct text *t, const json_t *array, int indent, bool inlined)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);

        if (i > 0 || !inlined)
            yaml_pad(t, indent);
        text_puts(t, "- ");
        if (!yaml_is_nested(item))
            yaml_print_scalar(t, item, indent + 2);
        else if (json_is_object(item))
            yaml_print_object(t, item, indent + 2, true);
        else
            yaml_print_array(t, item, indent + 2, true);
    }
}

void yaml_print(struct text *t, const json_t *tree)
{
    if (!yaml_is_nested(tree))
        yaml_print_scalar(t, tree, 2);
    else if (json_is_object(tree))
        yaml_print_object(t, tree, 0, false);
    else
        yaml_print_array(t, tree, 0, false);
}
