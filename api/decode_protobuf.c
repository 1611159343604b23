/* decode_protobuf: messages to trees by the tables.
 *
 * The layout of each scalar is that of k8s.io/apimachinery's generated.proto: quantity
 * {string#1}, int-or-string {type#1, intVal#2, strVal#3}, time {seconds#1, nanos#2; nothing = not
 * set}, raw {raw#1: JSON text}, map = repeated {key#1, value#2}.
 */
#include "api/decode.h"

#include "api/protobuf.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

enum {
    DECODE_DEPTH_MAX = 100,
    DECODE_VALUES_FREE = 200000, /* values that any body may hold, and one more each: */
    DECODE_BYTES_PER_VALUE = 8,  /* two bytes of wire can cost us two hundred of memory */
    DECODE_PATH_MAX = 8,
};

static const char decode_magic[4] = { 'k', '8', 's', '\0' };

struct decode_wire {
    size_t values; /* that may still be made */
    unsigned depth;
    struct err *err;
};

/* Where in a message with inlined ones (k8s.txt: #A.B) we read. */
struct decode_inlined {
    uint16_t path[DECODE_PATH_MAX];
    size_t n;
};

static int decode_message(struct decode_wire *w, json_t *tree, const struct schema_type *type,
                          const struct decode_inlined *up, struct protobuf_reader r);
static int decode_envelope(struct decode_wire *w, json_t **ret, struct protobuf_reader r);

static int decode_spend(struct decode_wire *w)
{
    if (w->values == 0)
        return err_set(w->err, ERR_LIMIT, "too many values for the size of the body");
    w->values--;
    return 0;
}

static int decode_odd(struct decode_wire *w, const struct schema_field *f)
{
    return err_set(w->err, ERR_BAD_REQUEST, "proto: wrong wireType for field %s", f->name);
}

static int decode_text(struct decode_wire *w, json_t **ret, struct protobuf_reader r)
{
    *ret = json_stringn((const char *)r.at, protobuf_left(&r));
    if (*ret == NULL)
        return err_set(w->err, ERR_BAD_REQUEST, "proto: a string holds invalid UTF-8");
    return 0;
}

/* --- messages that are one value --- */

/* quantity {string#1} */
static int decode_wire_quantity(struct decode_wire *w, json_t **ret, struct protobuf_reader r)
{
    struct protobuf_field f;
    struct protobuf_reader text = protobuf_read("0", 1);
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.id == 1 && f.wire == PROTOBUF_BYTES)
            text = f.bytes;
    }
    return rc < 0 ? rc : decode_text(w, ret, text);
}

/* {type#1 (0 number, 1 text), intVal#2, strVal#3} */
static int decode_wire_int_or_string(struct decode_wire *w, json_t **ret, struct protobuf_reader r)
{
    struct protobuf_field f;
    struct protobuf_reader text = protobuf_read("", 0);
    bool is_text = false;
    int32_t number = 0;
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.id == 1 && f.wire == PROTOBUF_VARINT)
            is_text = f.number != 0;
        else if (f.id == 2 && f.wire == PROTOBUF_VARINT)
            number = (int32_t)f.number;
        else if (f.id == 3 && f.wire == PROTOBUF_BYTES)
            text = f.bytes;
    }
    if (rc < 0)
        return rc;
    if (is_text)
        return decode_text(w, ret, text);
    *ret = json_integer(number);
    return 0;
}

/* {seconds#1, nanos#2}; an empty message is no time at all. */
static int decode_wire_time(struct decode_wire *w, json_t **ret, struct protobuf_reader r,
                            bool micro)
{
    static const int64_t year_1 = -62135596800, year_9999 = 253402300799;
    char text[CLOCK_TEXT_MAX];
    struct protobuf_field f;
    int64_t secs = 0, nanos = 0;
    int rc;

    if (protobuf_left(&r) == 0)
        return 0;
    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.id == 1 && f.wire == PROTOBUF_VARINT)
            secs = (int64_t)f.number;
        else if (f.id == 2 && f.wire == PROTOBUF_VARINT)
            nanos = (int32_t)f.number;
    }
    if (rc < 0)
        return rc;
    if (secs < year_1 || secs > year_9999 || nanos < 0 || nanos > 999999999)
        return err_set(w->err, ERR_BAD_REQUEST, "proto: a time is out of range");
    if (micro)
        clock_print_micro(text, secs * 1000000 + nanos / 1000);
    else
        clock_print(text, secs * 1000);
    *ret = json_string(text);
    return 0;
}

/* {raw#1}: JSON text, or again an envelope. */
static int decode_wire_raw(struct decode_wire *w, json_t **ret, struct protobuf_reader r)
{
    struct protobuf_field f;
    struct protobuf_reader raw = protobuf_read("", 0);
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.id == 1 && f.wire == PROTOBUF_BYTES)
            raw = f.bytes;
    }
    if (rc < 0 || protobuf_left(&raw) == 0)
        return rc;
    if (protobuf_left(&raw) >= sizeof(decode_magic) &&
        memcmp(raw.at, decode_magic, sizeof(decode_magic)) == 0)
        return decode_envelope(w, ret, raw);
    return json_parse(ret, (const char *)raw.at, protobuf_left(&raw), NULL, w->err);
}

static int decode_wire_struct(struct decode_wire *w, json_t **ret, const struct schema_type *type,
                              struct protobuf_reader r)
{
    *ret = json_object();
    return decode_message(w, *ret, type, NULL, r);
}

/* The three unions of JSONSchemaProps: {schema#1, jSONSchemas#2}, {allows#1, schema#2} and, in
 * maps, {schema#1, property#2}. */
static int decode_wire_union(struct decode_wire *w, json_t **ret, const struct schema_field *field,
                             struct protobuf_reader r)
{
    struct protobuf_field f;
    bool is_bool = false;
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        cleanup(json_decrefpp) json_t *value = NULL;

        if (f.id == 1 && f.wire == PROTOBUF_VARINT) {
            is_bool = true;
            json_decref(*ret);
            *ret = json_boolean(f.number != 0);
            continue;
        }
        if (f.id > 2 || f.wire != PROTOBUF_BYTES)
            continue;
        rc = decode_spend(w);
        if (rc == 0 && f.id == 2 && field->shape == SCHEMA_MAP)
            rc = decode_text(w, &value, f.bytes);
        else if (rc == 0)
            rc = decode_wire_struct(w, &value, field->type, f.bytes);
        if (rc < 0)
            return rc;
        if (f.id == 2 && !is_bool && !json_is_array(*ret)) {
            json_decref(*ret);
            *ret = json_array();
        }
        if (json_is_array(*ret)) {
            json_array_append_new(*ret, STEAL(value));
        } else {
            json_decref(*ret);
            *ret = STEAL(value);
        }
    }
    return rc;
}

/* --- values --- */

static int decode_wire_bytes(struct decode_wire *w, json_t **ret, const struct schema_field *field,
                             struct protobuf_reader r)
{
    struct text text = TEXT_EMPTY;

    switch (field->scalar) {
    case SCHEMA_STRUCT: return decode_wire_struct(w, ret, field->type, r);
    case SCHEMA_STRING: return decode_text(w, ret, r);
    case SCHEMA_QUANTITY: return decode_wire_quantity(w, ret, r);
    case SCHEMA_INT_OR_STRING: return decode_wire_int_or_string(w, ret, r);
    case SCHEMA_TIME: return decode_wire_time(w, ret, r, false);
    case SCHEMA_MICROTIME: return decode_wire_time(w, ret, r, true);
    case SCHEMA_RAW:
        return field->type != NULL ? decode_wire_union(w, ret, field, r)
                                   : decode_wire_raw(w, ret, r);
    case SCHEMA_BYTES:
        bits_base64(&text, r.at, protobuf_left(&r));
        *ret = json_stringn(text_str(&text), text.len);
        text_fini(&text);
        return 0;
    case SCHEMA_BOOL:
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_DURATION: break;
    }
    return decode_odd(w, field);
}

/* One value; *ret stays NULL for a time that is not set. */
static int decode_wire_value(struct decode_wire *w, json_t **ret, const struct schema_field *field,
                             const struct protobuf_field *f)
{
    double real;
    int rc = decode_spend(w);

    if (rc < 0)
        return rc;
    if (f->wire == PROTOBUF_BYTES)
        return decode_wire_bytes(w, ret, field, f->bytes);
    if (f->wire == PROTOBUF_FIXED64 && field->scalar == SCHEMA_DOUBLE) {
        memcpy(&real, &f->number, sizeof(real));
        if (!isfinite(real))
            return err_set(w->err, ERR_BAD_REQUEST, "proto: %s is no finite number", field->name);
        *ret = json_real(real);
    } else if (f->wire != PROTOBUF_VARINT) {
        return decode_odd(w, field);
    } else if (field->scalar == SCHEMA_BOOL) {
        *ret = json_boolean(f->number != 0);
    } else if (field->scalar == SCHEMA_INT32) {
        *ret = json_integer((int32_t)f->number);
    } else if (field->scalar == SCHEMA_INT64) {
        *ret = json_integer((int64_t)f->number);
    } else {
        return decode_odd(w, field);
    }
    return 0;
}

/* --- lists and maps --- */

static json_t *decode_container(json_t *tree, const char *name, bool is_list)
{
    json_t *there = json_object_get(tree, name);

    if (there == NULL) {
        there = is_list ? json_array() : json_object();
        json_object_set_new_nocheck(tree, name, there);
    }
    return there;
}

/* Numbers may come packed: one run of varints. */
static int decode_wire_packed(struct decode_wire *w, json_t *list, const struct schema_field *field,
                              struct protobuf_reader r)
{
    struct protobuf_field f = { .wire = PROTOBUF_VARINT };

    while (protobuf_left(&r) > 0) {
        json_t *value = NULL;
        int rc = protobuf_varint(&r, &f.number, w->err);

        if (rc == 0)
            rc = decode_wire_value(w, &value, field, &f);
        if (rc < 0)
            return rc;
        json_array_append_new(list, value);
    }
    return 0;
}

static int decode_wire_element(struct decode_wire *w, json_t *list,
                               const struct schema_field *field, const struct protobuf_field *f)
{
    cleanup(json_decrefpp) json_t *value = NULL;
    int rc;

    if (f->wire == PROTOBUF_BYTES &&
        (field->scalar == SCHEMA_INT32 || field->scalar == SCHEMA_INT64 ||
         field->scalar == SCHEMA_BOOL))
        return decode_wire_packed(w, list, field, f->bytes);
    rc = decode_wire_value(w, &value, field, f);
    if (rc == 0 && value != NULL)
        json_array_append_new(list, STEAL(value));
    return rc;
}

/* {items#1}: the value of a map of lists. */
static int decode_wire_items(struct decode_wire *w, json_t **ret, const struct schema_field *field,
                             struct protobuf_reader r)
{
    struct protobuf_field f;
    int rc;

    *ret = json_array();
    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        rc = f.id == 1 ? decode_wire_element(w, *ret, field, &f) : 0;
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* {key#1, value#2}; a missing value is the zero of its type. */
static int decode_wire_entry(struct decode_wire *w, json_t *map, const struct schema_field *field,
                             struct protobuf_reader r)
{
    struct protobuf_field f, value_field = { .wire = PROTOBUF_BYTES, .bytes = { r.end, r.end } };
    struct protobuf_reader key = { r.end, r.end };
    cleanup(json_decrefpp) json_t *value = NULL;
    cleanup(json_decrefpp) json_t *name = NULL;
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.id == 1 && f.wire == PROTOBUF_BYTES)
            key = f.bytes;
        else if (f.id == 2)
            value_field = f;
    }
    if (rc == 0)
        rc = decode_text(w, &name, key);
    if (rc == 0 && field->shape == SCHEMA_MAP)
        rc = decode_wire_value(w, &value, field, &value_field);
    else if (rc == 0 && value_field.wire == PROTOBUF_BYTES)
        rc = decode_wire_items(w, &value, field, value_field.bytes);
    else if (rc == 0)
        rc = decode_odd(w, field);
    if (rc == 0 && memchr(json_string_value(name), '\0', json_string_length(name)) != NULL)
        rc = err_set(w->err, ERR_BAD_REQUEST, "proto: a key of %s holds a zero byte", field->name);
    if (rc == 0 && value != NULL)
        json_object_set_new_nocheck(map, json_string_value(name), STEAL(value));
    return rc;
}

/* --- messages --- */

/* Where @id leads: a field (its path ends here), or an inlined message (*ret_deeper). */
static const struct schema_field *decode_find(const struct schema_type *type,
                                              const struct decode_inlined *here, bool *ret_deeper)
{
    *ret_deeper = false;
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f->proto == NULL)
            continue;
        for (size_t n = 0; f->proto[n] == here->path[n]; n++) {
            if (n + 1 < here->n)
                continue;
            if (f->proto[n + 1] == 0)
                return f;
            *ret_deeper = true;
            break;
        }
    }
    return NULL;
}

static int decode_wire_field(struct decode_wire *w, json_t *tree, const struct schema_field *field,
                             const struct protobuf_field *f)
{
    cleanup(json_decrefpp) json_t *value = NULL;
    int rc;

    if (field->shape == SCHEMA_LIST)
        return decode_wire_element(w, decode_container(tree, field->name, true), field, f);
    if (field->shape != SCHEMA_ONE)
        return f->wire != PROTOBUF_BYTES
                   ? decode_odd(w, field)
                   : decode_wire_entry(w, decode_container(tree, field->name, false), field,
                                       f->bytes);
    /* The commonest bytes of all: scalars that are always written, zero or not. */
    if (!field->keep_zero && f->wire == PROTOBUF_VARINT && f->number == 0)
        return 0;
    rc = decode_wire_value(w, &value, field, f);
    if (rc == 0 && value != NULL)
        json_object_set_new_nocheck(tree, field->name, STEAL(value));
    return rc;
}

static int decode_message_field(struct decode_wire *w, json_t *tree, const struct schema_type *type,
                                const struct decode_inlined *up, const struct protobuf_field *f)
{
    struct decode_inlined here = { .n = 0 };
    const struct schema_field *field;
    bool deeper;

    if (up != NULL)
        here = *up;
    if (f->id > UINT16_MAX || here.n + 2 > DECODE_PATH_MAX)
        return 0; /* nobody's: newer than the tables */
    here.path[here.n++] = (uint16_t)f->id;
    field = decode_find(type, &here, &deeper);
    if (field != NULL)
        return decode_wire_field(w, tree, field, f);
    if (deeper && f->wire == PROTOBUF_BYTES)
        return decode_message(w, tree, type, &here, f->bytes);
    return 0;
}

static int decode_message(struct decode_wire *w, json_t *tree, const struct schema_type *type,
                          const struct decode_inlined *up, struct protobuf_reader r)
{
    struct protobuf_field f;
    int rc;

    if (w->depth == DECODE_DEPTH_MAX)
        return err_set(w->err, ERR_BAD_REQUEST, "proto: nested deeper than %d", DECODE_DEPTH_MAX);
    w->depth++;
    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        rc = decode_message_field(w, tree, type, up, &f);
        if (rc < 0)
            break;
    }
    w->depth--;
    return rc;
}

/* --- the envelope: runtime.Unknown {typeMeta#1, raw#2, contentEncoding#3, contentType#4} --- */

struct decode_unknown {
    json_t *api_version, *kind;
    struct protobuf_reader raw;
    bool foreign; /* encoded or of another content type */
};

static void decode_unknown_fini(struct decode_unknown *u)
{
    json_decref(u->api_version);
    json_decref(u->kind);
}

/* typeMeta {apiVersion#1, kind#2} */
static int decode_type_meta(struct decode_wire *w, struct decode_unknown *u,
                            struct protobuf_reader r)
{
    struct protobuf_field f;
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        json_t **to = f.id == 1 ? &u->api_version : f.id == 2 ? &u->kind : NULL;

        if (to == NULL || f.wire != PROTOBUF_BYTES)
            continue;
        json_decref(STEAL(*to));
        rc = decode_text(w, to, f.bytes);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int decode_unknown(struct decode_wire *w, struct decode_unknown *u, struct protobuf_reader r)
{
    struct protobuf_field f;
    int rc;

    while ((rc = protobuf_next(&r, &f, w->err)) > 0) {
        if (f.wire != PROTOBUF_BYTES)
            continue;
        if (f.id == 1)
            rc = decode_type_meta(w, u, f.bytes);
        else if (f.id == 2)
            u->raw = f.bytes;
        else if (f.id == 3 || f.id == 4)
            u->foreign |= protobuf_left(&f.bytes) > 0;
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && u->foreign)
        return err_set(w->err, ERR_BAD_REQUEST, "proto: the envelope holds no plain protobuf");
    return rc;
}

static int decode_envelope(struct decode_wire *w, json_t **ret, struct protobuf_reader r)
{
    cleanup(decode_unknown_fini) struct decode_unknown u = { .raw = { r.end, r.end } };
    cleanup(json_decrefpp) json_t *tree = NULL;
    const struct schema_type *type;
    const char *api_version, *kind;
    int rc;

    if (protobuf_left(&r) < sizeof(decode_magic) ||
        memcmp(r.at, decode_magic, sizeof(decode_magic)) != 0)
        return err_set(w->err, ERR_BAD_REQUEST,
                       "provided data does not appear to be a protobuf message, expected prefix "
                       "[107 56 115 0]");
    r.at += sizeof(decode_magic);
    rc = decode_unknown(w, &u, r);
    if (rc < 0)
        return rc;
    api_version = u.api_version != NULL ? json_string_value(u.api_version) : "";
    kind = u.kind != NULL ? json_string_value(u.kind) : "";
    type = schema_type_by_kind(api_version, kind);
    if (type == NULL)
        return err_set(w->err, ERR_BAD_REQUEST,
                       "no kind \"%.200s\" is registered for version \"%.200s\"", kind,
                       api_version);
    tree = json_object();
    json_object_set_nocheck(tree, "kind", u.kind);
    json_object_set_nocheck(tree, "apiVersion", u.api_version);
    rc = decode_message(w, tree, type, NULL, u.raw);
    if (rc == 0) /* drops zeros that Go omits, and makes values canonical */
        rc = decode_check(tree, type, NULL, w->err);
    if (rc == 0)
        *ret = STEAL(tree);
    return rc;
}

int decode_protobuf(json_t **ret, const void *data, size_t len, struct err *err)
{
    struct decode_wire w = { .values = DECODE_VALUES_FREE + len / DECODE_BYTES_PER_VALUE,
                             .err = err };

    return decode_envelope(&w, ret, protobuf_read(data, len));
}
