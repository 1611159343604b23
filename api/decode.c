#include "api/decode.h"

#include "api/decode_scalar.h"
#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum {
    DECODE_PROBLEMS_MAX = 100, /* as Kubernetes' decoder: more than anyone reads */
    DECODE_NAME_MAX = 256,     /* of one name in a path; a client chooses keys freely */
};

enum decode_step { DECODE_FIELD, DECODE_KEY, DECODE_INDEX };

/* Where we are: a chain over the stack, written out only for a message. */
struct decode_at {
    const struct decode_at *up;
    const char *name;
    size_t index;
    enum decode_step step;
};

struct decode {
    json_t *dups;     /* set: path -> true; NULL when there are none */
    json_t *problems; /* borrowed, or NULL */
    struct err *err;
};

static int decode_struct(struct decode *d, const struct decode_at *at,
                         const struct schema_type *type, json_t *tree);

/* --- paths and messages --- */

/* `spec.containers[0].image` */
static void decode_path(struct text *ret, const struct decode_at *at)
{
    if (at == NULL)
        return;
    decode_path(ret, at->up);
    if (at->step == DECODE_INDEX)
        text_fmt(ret, "[%zu]", at->index);
    else
        text_fmt(ret, "%s%.*s", ret->len > 0 ? "." : "", DECODE_NAME_MAX, at->name);
}

/* `spec.containers.image`: Go names fields only, neither indexes nor keys of maps. */
static void decode_go_path(struct text *ret, const struct decode_at *at)
{
    if (at == NULL)
        return;
    decode_go_path(ret, at->up);
    if (at->step == DECODE_FIELD)
        text_fmt(ret, "%s%s", ret->len > 0 ? "." : "", at->name);
}

/* As Go's %q for what occurs in names. */
static void decode_quote(struct text *ret, const char *s)
{
    text_putc(ret, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            text_fmt(ret, "\\%c", *s);
        else if ((unsigned char)*s < ' ' || *s == 0x7f)
            text_fmt(ret, "\\x%02x", (unsigned char)*s);
        else
            text_putc(ret, *s);
    }
    text_putc(ret, '"');
}

static void decode_problem(struct decode *d, const char *what, const char *path)
{
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    size_t i;
    json_t *seen;

    if (d->problems == NULL || json_array_size(d->problems) >= DECODE_PROBLEMS_MAX)
        return;
    text_fmt(&text, "%s field ", what);
    decode_quote(&text, path);
    json_array_foreach (d->problems, i, seen) {
        if (str_eq(json_string_value(seen), text_str(&text)))
            return;
    }
    json_array_append_new(d->problems, json_string(text_str(&text)));
}

static void decode_unknown(struct decode *d, const struct decode_at *at)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;

    if (d->problems == NULL)
        return;
    decode_path(&path, at);
    decode_problem(d, "unknown", text_str(&path));
}

/* A duplicate is told where its field stands, as Go's decoder meets it. */
static void decode_duplicate(struct decode *d, const struct decode_at *at)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;

    if (d->dups == NULL)
        return;
    decode_path(&path, at);
    if (json_object_get(d->dups, text_str(&path)) != NULL)
        decode_problem(d, "duplicate", text_str(&path));
}

/* --- values --- */

struct decode_place {
    const struct decode_at *at;
    const struct schema_type *owner; /* of the field; NULL at the root */
    const struct schema_field *field;
    const char *go; /* Go type of what is read: the field's, or its element's */
};

static int decode_type_error(struct decode *d, const struct decode_place *p, const char *value)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;

    decode_go_path(&path, p->at);
    return err_set(d->err, ERR_BAD_REQUEST,
                   "json: cannot unmarshal %s into Go struct field %s.%s of type %s", value,
                   schema_type_short(p->owner), text_str(&path), p->go);
}

static int decode_number_error(struct decode *d, const struct decode_place *p, const json_t *value)
{
    cleanup(freep) char *number = json_print(value, NULL);
    char text[64];

    snprintf(text, sizeof(text), "number %.48s", number);
    return decode_type_error(d, p, text);
}

static int decode_integer(struct decode *d, const struct decode_place *p, const json_t *value,
                          bool narrow)
{
    if (!json_is_number(value))
        return decode_type_error(d, p, decode_kind(value));
    if (json_is_integer(value) &&
        (!narrow || json_integer_value(value) == (int32_t)json_integer_value(value)))
        return 0;
    return decode_number_error(d, p, value);
}

/* Types that read themselves complain of what they tried to read: a number, or a string. */
static struct decode_place decode_as(const struct decode_place *p, const char *go)
{
    struct decode_place as = *p;

    as.go = go;
    return as;
}

static int decode_int_or_string(struct decode *d, const struct decode_place *p, const json_t *value)
{
    struct decode_place as = decode_as(p, "int32");

    return json_is_string(value) ? 0 : decode_integer(d, &as, value, true);
}

static int decode_any_time(struct decode *d, const struct decode_place *p, const json_t *value,
                           json_t **ret)
{
    struct decode_place as = decode_as(p, "string");

    if (!json_is_string(value))
        return decode_type_error(d, &as, decode_kind(value));
    return p->field->scalar == SCHEMA_TIME ? decode_time(ret, value, d->err)
                                           : decode_microtime(ret, value, d->err);
}

/* Objects inside free-form values that have a type: JSONSchemaPropsOrBool and its like. */
static int decode_raw(struct decode *d, const struct decode_place *p, json_t *value)
{
    size_t i;
    json_t *item;

    if (p->field->type == NULL)
        return 0;
    if (json_is_object(value))
        return decode_struct(d, p->at, p->field->type, value);
    json_array_foreach (value, i, item) {
        struct decode_at at = { .up = p->at, .index = i, .step = DECODE_INDEX };
        int rc = json_is_object(item) ? decode_struct(d, &at, p->field->type, item) : 0;

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Whole numbers are written without a fraction, as Go prints them. */
static int decode_double(struct decode *d, const struct decode_place *p, const json_t *value,
                         json_t **ret)
{
    static const double exact = 9007199254740992.0; /* 2^53 */
    double real;

    if (!json_is_number(value))
        return decode_type_error(d, p, decode_kind(value));
    real = json_number_value(value);
    if (json_is_real(value) && real > -exact && real < exact && real == (double)(int64_t)real)
        *ret = json_integer((int64_t)real);
    return 0;
}

/* One value; *ret is set (new) when it must be replaced. */
static int decode_one(struct decode *d, const struct decode_place *p, json_t *value, json_t **ret)
{
    switch (p->field->scalar) {
    case SCHEMA_STRUCT:
        if (!json_is_object(value))
            return decode_type_error(d, p, decode_kind(value));
        return decode_struct(d, p->at, p->field->type, value);
    case SCHEMA_STRING:
    case SCHEMA_DURATION:
        return json_is_string(value) ? 0 : decode_type_error(d, p, decode_kind(value));
    case SCHEMA_BOOL:
        return json_is_boolean(value) ? 0 : decode_type_error(d, p, decode_kind(value));
    case SCHEMA_INT32:
    case SCHEMA_INT64: return decode_integer(d, p, value, p->field->scalar == SCHEMA_INT32);
    case SCHEMA_DOUBLE: return decode_double(d, p, value, ret);
    case SCHEMA_BYTES:
        if (!json_is_string(value))
            return decode_type_error(d, p, decode_kind(value));
        return decode_bytes(ret, value, d->err);
    case SCHEMA_QUANTITY: return decode_quantity(ret, value, d->err);
    case SCHEMA_INT_OR_STRING: return decode_int_or_string(d, p, value);
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME: return decode_any_time(d, p, value, ret);
    case SCHEMA_RAW: return decode_raw(d, p, value);
    }
    return 0;
}

/* "[]v1.Container" -> "v1.Container"; of the named types only those of strings speak of their
 * elements, the others' decoders speak for themselves. */
static const char *decode_element_type(const struct decode_place *p)
{
    const char *end = strchr(p->go, ']');

    if (end != NULL)
        return end + 1;
    return p->field->scalar == SCHEMA_STRING ? "string" : p->go;
}

static int decode_list(struct decode *d, const struct decode_place *p, json_t *list)
{
    size_t kept = 0, n = json_array_size(list);

    for (size_t i = 0; i < n; i++) {
        struct decode_at at = { .up = p->at, .index = i, .step = DECODE_INDEX };
        struct decode_place item = { &at, p->owner, p->field, decode_element_type(p) };
        json_t *value = json_array_get(list, kept), *better = NULL;
        int rc;

        if (json_is_null(value)) {
            json_array_remove(list, kept);
            continue;
        }
        rc = decode_one(d, &item, value, &better);
        if (rc < 0)
            return rc;
        if (better != NULL)
            json_array_set_new(list, kept, better);
        kept++;
    }
    return 0;
}

/* Null is the zero value of a map's element; it may stay where that is text or a list. */
static void decode_map_null(const struct schema_field *f, json_t *map, const char *key)
{
    if (f->shape == SCHEMA_MAP_OF_LISTS)
        json_object_set_new_nocheck(map, key, json_array());
    else if (f->scalar == SCHEMA_STRING)
        json_object_set_new_nocheck(map, key, json_string(""));
    else
        json_object_del(map, key);
}

static int decode_map(struct decode *d, const struct decode_place *p, json_t *map)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (map, next, key, value) {
        struct decode_at at = { .up = p->at, .name = key, .step = DECODE_KEY };
        struct decode_place item = { &at, p->owner, p->field, decode_element_type(p) };
        json_t *better = NULL;
        int rc = 0;

        if (json_is_null(value))
            decode_map_null(p->field, map, key);
        else if (p->field->shape == SCHEMA_MAP)
            rc = decode_one(d, &item, value, &better);
        else if (json_is_array(value))
            rc = decode_list(d, &item, value);
        else
            rc = decode_type_error(d, &item, decode_kind(value));
        if (rc < 0)
            return rc;
        if (better != NULL)
            json_object_set_new_nocheck(map, key, better);
        decode_duplicate(d, &at);
    }
    return 0;
}

/* Zero as Go's omitempty sees it; structs, times and quantities never are. */
static bool decode_is_zero(const struct schema_field *f, const json_t *value)
{
    if (f->scalar == SCHEMA_RAW && f->shape == SCHEMA_ONE)
        return false;
    switch (json_typeof(value)) {
    case JSON_ARRAY: return json_array_size(value) == 0;
    case JSON_OBJECT: return f->shape != SCHEMA_ONE && json_object_size(value) == 0;
    case JSON_STRING: return json_string_length(value) == 0;
    case JSON_INTEGER: return json_integer_value(value) == 0;
    case JSON_REAL: return json_real_value(value) == 0;
    case JSON_FALSE: return true;
    case JSON_TRUE:
    case JSON_NULL: break;
    }
    return false;
}

static int decode_field(struct decode *d, const struct decode_place *p, json_t *value, json_t **ret)
{
    switch (p->field->shape) {
    case SCHEMA_ONE: return decode_one(d, p, value, ret);
    case SCHEMA_LIST:
        if (!json_is_array(value))
            return decode_type_error(d, p, decode_kind(value));
        return decode_list(d, p, value);
    case SCHEMA_MAP:
    case SCHEMA_MAP_OF_LISTS:
        if (!json_is_object(value))
            return decode_type_error(d, p, decode_kind(value));
        return decode_map(d, p, value);
    }
    return 0;
}

/* One member of a struct.  Positive: it is to be dropped. */
static int decode_member(struct decode *d, const struct decode_at *at,
                         const struct schema_type *type, json_t *value, json_t **ret)
{
    const struct schema_field *f = schema_field(type, at->name);
    int rc;

    if (f == NULL && type->open)
        return json_is_null(value);
    if (f == NULL) {
        decode_unknown(d, at);
        return 1;
    }
    if (!json_is_null(value)) {
        struct decode_place place = { at, type, f, f->go };

        rc = decode_field(d, &place, value, ret);
        if (rc < 0)
            return rc;
    }
    decode_duplicate(d, at);
    if (json_is_null(value))
        return 1;
    return !f->keep_zero && decode_is_zero(f, *ret != NULL ? *ret : value);
}

static int decode_struct(struct decode *d, const struct decode_at *up,
                         const struct schema_type *type, json_t *tree)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (tree, next, key, value) {
        struct decode_at at = { .up = up, .name = key, .step = DECODE_FIELD };
        cleanup(json_decrefpp) json_t *better = NULL;
        int rc = decode_member(d, &at, type, value, &better);

        if (rc < 0)
            return rc;
        if (rc > 0)
            json_object_del(tree, key);
        else if (better != NULL)
            json_object_set_new_nocheck(tree, key, STEAL(better));
    }
    return 0;
}

int decode_check_dups(json_t *tree, const struct schema_type *type, const json_t *dups,
                      json_t *problems, struct err *err)
{
    cleanup(json_decrefpp) json_t *set = NULL;
    struct decode d = { .problems = problems, .err = err };
    size_t i;
    json_t *path;

    if (!json_is_object(tree))
        return err_set(err, ERR_BAD_REQUEST, "json: cannot unmarshal %s into Go value of type %s",
                       decode_kind(tree), strchr(type->name, '/') + 1);
    if (problems != NULL && json_array_size(dups) > 0) {
        set = json_object();
        json_array_foreach (dups, i, path)
            json_object_set_new_nocheck(set, json_string_value(path), json_true());
        d.dups = set;
    }
    return decode_struct(&d, NULL, type, tree);
}

int decode_check(json_t *tree, const struct schema_type *type, json_t *problems, struct err *err)
{
    return decode_check_dups(tree, type, NULL, problems, err);
}

void decode_problems_text(struct text *ret, const json_t *problems)
{
    size_t i;
    json_t *problem;

    text_puts(ret, "strict decoding error: ");
    json_array_foreach (problems, i, problem)
        text_fmt(ret, "%s%s", i > 0 ? ", " : "", json_string_value(problem));
}
