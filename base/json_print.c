/* json_print*: trees to bytes, as Go's encoder writes them. */
#include "base/json.h"

#include "base/json_plain.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

struct json_writer {
    struct text *t;
    bool sorted;
    unsigned indent; /* per level; 0 = compact */
};

static void json_write_value(const struct json_writer *w, const json_t *value, unsigned level);

static void json_write_string(struct text *t, const char *s, size_t len)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    size_t start = 0, plain = json_plain_run(s, len, false);

    if (plain == len) {
        char *at = text_room(t, len + 2);

        at[0] = '"';
        memcpy(at + 1, s, len);
        at[len + 1] = '"';
        return;
    }
    text_putc(t, '"');
    for (size_t i = plain; (i += json_plain_run(s + i, len - i, false)) < len; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *at;

        text_add(t, s + start, i - start);
        start = i + 1;
        at = c ? strchr(from, c) : NULL;
        if (at)
            text_fmt(t, "\\%c", to[at - from]);
        else
            text_fmt(t, "\\u%04x", c);
    }
    text_add(t, s + start, len - start);
    text_putc(t, '"');
}

/* The fewest digits that read back as @v, without point or sign, and the power of the first. */
static int json_shortest(char ret[24], double v)
{
    char buf[32];
    size_t n;

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, sizeof(buf), "%.*e", digits - 1, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    ret[0] = buf[0];
    n = strcspn(buf, "e");
    memcpy(ret + 1, buf + 2, n - 2);
    for (n--; n > 1 && ret[n - 1] == '0'; n--)
        ;
    ret[n] = '\0';
    return atoi(strchr(buf, 'e') + 1);
}

static const char json_zeros[] = "000000000000000000000";

/* Like Go, an integral value has no point, and an exponent is used below 1e-6 and from 1e21. */
static void json_write_real(struct text *t, double v)
{
    char digits[24];
    int n, power;

    if (v < 0) /* and not for -0, which would come back as the integer 0 */
        text_putc(t, '-');
    power = json_shortest(digits, fabs(v));
    n = (int)strlen(digits);
    if (v != 0 && (fabs(v) < 1e-6 || fabs(v) >= 1e21))
        text_fmt(t, "%c%s%se%c%02d", digits[0], n > 1 ? "." : "", digits + 1, power < 0 ? '-' : '+',
                 abs(power));
    else if (power < 0)
        text_fmt(t, "0.%.*s%s", -power - 1, json_zeros, digits);
    else if (n <= power + 1)
        text_fmt(t, "%s%.*s", digits, power + 1 - n, json_zeros);
    else
        text_fmt(t, "%.*s.%s", power + 1, digits, digits + power + 1);
}

static void json_write_break(const struct json_writer *w, unsigned level)
{
    if (w->indent > 0)
        text_fmt(w->t, "\n%*s", (int)(w->indent * level), "");
}

static void json_write_member(const struct json_writer *w, const char *key, size_t len,
                              const json_t *value, unsigned level)
{
    json_write_break(w, level);
    json_write_string(w->t, key, len);
    text_putc(w->t, ':');
    if (w->indent > 0)
        text_putc(w->t, ' ');
    json_write_value(w, value, level);
}

struct json_key {
    const char *key;
    size_t len;
    const json_t *value;
};

static int json_compare_keys(const void *a, const void *b)
{
    const struct json_key *x = a, *y = b;
    int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);

    return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

static void json_write_sorted(const struct json_writer *w, const json_t *object, unsigned level)
{
    size_t n = 0, room = json_object_size(object);
    cleanup(freep) struct json_key *keys = MEM_NEW_ARRAY(struct json_key, room);

    for (void *it = json_object_iter((json_t *)(uintptr_t)object); it;
         it = json_object_iter_next((json_t *)(uintptr_t)object, it))
        keys[n++] = (struct json_key){ json_object_iter_key(it), json_object_iter_key_len(it),
                                       json_object_iter_value(it) };
    qsort(keys, n, sizeof(*keys), json_compare_keys);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text_putc(w->t, ',');
        json_write_member(w, keys[i].key, keys[i].len, keys[i].value, level);
    }
}

static void json_write_inserted(const struct json_writer *w, const json_t *object, unsigned level)
{
    json_t *o = (json_t *)(uintptr_t)object; /* iterating changes nothing */
    bool first = true;

    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
        if (!first)
            text_putc(w->t, ',');
        first = false;
        json_write_member(w, json_object_iter_key(it), json_object_iter_key_len(it),
                          json_object_iter_value(it), level);
    }
}

static void json_write_object(const struct json_writer *w, const json_t *object, unsigned level)
{
    if (json_object_size(object) == 0) {
        text_puts(w->t, "{}");
        return;
    }
    text_putc(w->t, '{');
    if (w->sorted)
        json_write_sorted(w, object, level + 1);
    else
        json_write_inserted(w, object, level + 1);
    json_write_break(w, level);
    text_putc(w->t, '}');
}

static void json_write_array(const struct json_writer *w, const json_t *array, unsigned level)
{
    size_t n = json_array_size(array);

    text_putc(w->t, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text_putc(w->t, ',');
        json_write_break(w, level + 1);
        json_write_value(w, json_array_get(array, i), level + 1);
    }
    if (n > 0)
        json_write_break(w, level);
    text_putc(w->t, ']');
}

static void json_write_value(const struct json_writer *w, const json_t *value, unsigned level)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: json_write_object(w, value, level); break;
    case JSON_ARRAY: json_write_array(w, value, level); break;
    case JSON_STRING:
        json_write_string(w->t, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER: text_fmt(w->t, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: json_write_real(w->t, json_real_value(value)); break;
    case JSON_TRUE: text_puts(w->t, "true"); break;
    case JSON_FALSE: text_puts(w->t, "false"); break;
    case JSON_NULL: text_puts(w->t, "null"); break;
    }
}

static char *json_write(const json_t *tree, bool sorted, unsigned indent, size_t *ret_len)
{
    struct text t = TEXT_EMPTY;
    struct json_writer w = { .t = &t, .sorted = sorted, .indent = indent };

    json_write_value(&w, tree, 0);
    if (ret_len)
        *ret_len = t.len;
    return text_take(&t);
}

char *json_print(const json_t *tree, size_t *ret_len)
{
    return json_write(tree, false, 0, ret_len);
}

void json_print_to(struct text *t, const json_t *tree)
{
    struct json_writer w = { .t = t };

    json_write_value(&w, tree, 0);
}

char *json_print_sorted(const json_t *tree, size_t *ret_len)
{
    return json_write(tree, true, 0, ret_len);
}

char *json_print_pretty(const json_t *tree)
{
    return json_write(tree, false, 2, NULL);
}
