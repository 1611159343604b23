/* yaml_parse; printing is in yaml_print.c, the meaning of words in yaml_scalar.c. */
#include "base/yaml.h"

#include "base/bits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/yaml_scalar.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#define YAML_MAX_NODES 1000000
#define YAML_TAG       "tag:yaml.org,2002:"

struct yaml_anchor {
    json_t *value; /* owned reference; NULL while the node is still being read */
};

struct yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool has_event;
    struct map *anchors; /* of this document: name -> struct yaml_anchor */
    size_t nodes;        /* made so far, copies through aliases included */
    unsigned depth;
    struct err *err;
};

static json_t *yaml_read_node(struct yaml_reader *r);

/* --- errors and events --- */

static json_t *yaml_refuse(struct yaml_reader *r, yaml_mark_t mark, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static json_t *yaml_refuse(struct yaml_reader *r, yaml_mark_t mark, const char *fmt, ...)
{
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    err_set(r->err, ERR_BAD_REQUEST, "yaml: line %zu, column %zu: %s", mark.line + 1,
            mark.column + 1, what);
    return NULL;
}

static void yaml_event_end(struct yaml_reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
}

static bool yaml_next(struct yaml_reader *r)
{
    const char *problem;

    yaml_event_end(r);
    if (yaml_parser_parse(&r->parser, &r->event)) {
        r->has_event = true;
        return true;
    }
    problem = r->parser.problem ? r->parser.problem : "cannot be read";
    /* Bytes that are no text are found before they have a line. */
    yaml_refuse(r, r->parser.error == YAML_READER_ERROR ? r->parser.mark : r->parser.problem_mark,
                "%s", problem);
    return false;
}

static bool yaml_count(struct yaml_reader *r)
{
    if (++r->nodes <= YAML_MAX_NODES)
        return true;
    yaml_refuse(r, r->event.start_mark, "document holds more than %d nodes", YAML_MAX_NODES);
    return false;
}

/* --- anchors and aliases --- */

static void yaml_anchor_free(void *value)
{
    struct yaml_anchor *a = value;

    json_decref(a->value);
    free(a);
}

/* Registers @name before its node is read: an alias inside finds it open and is refused. */
static struct yaml_anchor *yaml_anchor_open(struct yaml_reader *r, const yaml_char_t *name)
{
    struct yaml_anchor *a;

    if (!name)
        return NULL;
    a = MEM_NEW(struct yaml_anchor);
    map_put(r->anchors, (const char *)name, a);
    return a;
}

/* Counts @tree into the limits as if it were read again, at the present depth. */
static bool yaml_charge(struct yaml_reader *r, const json_t *tree, unsigned depth)
{
    json_t *t = (json_t *)(uintptr_t)tree, *child;
    const char *key;
    size_t i;

    if (!yaml_count(r))
        return false;
    if (depth > JSON_MAX_DEPTH_OURS && (json_is_object(t) || json_is_array(t))) {
        yaml_refuse(r, r->event.start_mark, "exceeded max depth");
        return false;
    }
    json_array_foreach (t, i, child) {
        if (!yaml_charge(r, child, depth + 1))
            return false;
    }
    json_object_foreach (t, key, child) {
        if (!yaml_charge(r, child, depth + 1))
            return false;
    }
    return true;
}

static json_t *yaml_read_alias(struct yaml_reader *r)
{
    const char *name = (const char *)r->event.data.alias.anchor;
    const struct yaml_anchor *a = map_get(r->anchors, name);

    if (!a)
        return yaml_refuse(r, r->event.start_mark, "unknown anchor '%s' referenced", name);
    if (!a->value)
        return yaml_refuse(r, r->event.start_mark, "anchor '%s' value contains itself", name);
    if (!yaml_charge(r, a->value, r->depth + 1))
        return NULL;
    return json_deep_copy(a->value);
}

/* --- scalars --- */

static const char *yaml_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL: return "null";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    case JSON_INTEGER: return "int";
    case JSON_REAL: return "float";
    default: return "str";
    }
}

static json_t *yaml_read_binary(struct yaml_reader *r, const char *s, size_t len)
{
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    json_t *value = NULL;

    if (bits_unbase64(&bytes, s, len, NULL))
        value = json_stringn(text_str(&bytes), bytes.len);
    if (!value)
        return yaml_refuse(r, r->event.start_mark, "!!binary value is not base64 of text");
    return value;
}

/* @tag is the part after YAML_TAG.  A whole number is also a float. */
static json_t *yaml_read_tagged(struct yaml_reader *r, const char *tag, const char *s, size_t len)
{
    static const char *const types[] = { "null", "bool", "int", "float" };
    cleanup(json_decrefpp) json_t *value = NULL;

    if (str_eq(tag, "binary"))
        return yaml_read_binary(r, s, len);
    for (size_t i = 0; i < N_ELEMENTS(types); i++) {
        if (!str_eq(tag, types[i]))
            continue;
        value = yaml_scalar_resolve(s, len);
        if (value &&
            (str_eq(tag, yaml_type_name(value)) || (str_eq(tag, "float") && json_is_number(value))))
            return STEAL(value);
        return yaml_refuse(r, r->event.start_mark, "cannot decode !!%s `%s` as a !!%s",
                           value ? yaml_type_name(value) : "float", s, tag);
    }
    return json_stringn(s, len);
}

static json_t *yaml_read_scalar(struct yaml_reader *r)
{
    const char *tag = (const char *)r->event.data.scalar.tag;
    const char *s = (const char *)r->event.data.scalar.value;
    size_t len = r->event.data.scalar.length;
    json_t *value;

    if (tag && str_starts(tag, YAML_TAG))
        return yaml_read_tagged(r, tag + strlen(YAML_TAG), s, len);
    if (tag || !r->event.data.scalar.plain_implicit)
        return json_stringn(s, len);
    value = yaml_scalar_resolve(s, len);
    if (!value)
        return yaml_refuse(r, r->event.start_mark, "%s has no form in JSON", s);
    return value;
}

/* --- collections --- */

static bool yaml_open(struct yaml_reader *r)
{
    if (++r->depth <= JSON_MAX_DEPTH_OURS)
        return true;
    yaml_refuse(r, r->event.start_mark, "exceeded max depth");
    return false;
}

static json_t *yaml_read_sequence(struct yaml_reader *r)
{
    cleanup(json_decrefpp) json_t *list = json_array();

    if (!yaml_open(r))
        return NULL;
    for (;;) {
        json_t *item;

        if (!yaml_next(r))
            return NULL;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        item = yaml_read_node(r);
        if (!item)
            return NULL;
        json_array_append_new(list, item);
    }
    r->depth--;
    return STEAL(list);
}

/* Keys are strings in JSON; other scalars become the text they print as. */
static char *yaml_key(struct yaml_reader *r, const json_t *key, yaml_mark_t mark)
{
    if (json_is_string(key) && strlen(json_string_value(key)) == json_string_length(key))
        return mem_str(json_string_value(key));
    if (json_is_number(key) || json_is_boolean(key))
        return json_print(key, NULL);
    yaml_refuse(r, mark, "unsupported map key");
    return NULL;
}

/* The event is a key: is it the unquoted "<<" of https://yaml.org/type/merge.html? */
static bool yaml_is_merge(const yaml_event_t *event)
{
    const char *tag;

    if (event->type != YAML_SCALAR_EVENT)
        return false;
    tag = (const char *)event->data.scalar.tag;
    return tag ? str_eq(tag, YAML_TAG "merge")
               : event->data.scalar.plain_implicit &&
                     str_eq((const char *)event->data.scalar.value, "<<");
}

/* Collects what "<<" brings in: one mapping or a list of them, the earlier is the stronger. */
static bool yaml_read_merge(struct yaml_reader *r, json_t *merged)
{
    cleanup(json_decrefpp) json_t *value = NULL;
    yaml_mark_t mark;
    json_t *item;
    size_t i;

    if (!yaml_next(r))
        return false;
    mark = r->event.start_mark;
    value = yaml_read_node(r);
    if (!value)
        return false;
    if (json_is_object(value)) {
        json_object_update_missing(merged, value);
        return true;
    }
    json_array_foreach (value, i, item) {
        if (json_is_object(item))
            json_object_update_missing(merged, item);
    }
    for (i = 0; i < json_array_size(value) && json_is_object(json_array_get(value, i)); i++)
        ;
    if (json_is_array(value) && i == json_array_size(value))
        return true;
    yaml_refuse(r, mark, "map merge requires map or sequence of maps as the value");
    return false;
}

/* The event is the key. */
static bool yaml_read_pair(struct yaml_reader *r, json_t *object)
{
    yaml_mark_t mark = r->event.start_mark;
    cleanup(json_decrefpp) json_t *key = yaml_read_node(r);
    cleanup(freep) char *name = NULL;
    json_t *value;

    if (!key)
        return false;
    name = yaml_key(r, key, mark);
    if (!name)
        return false;
    if (json_object_get(object, name)) {
        yaml_refuse(r, mark, "key \"%s\" already set in map", name);
        return false;
    }
    if (!yaml_next(r))
        return false;
    value = yaml_read_node(r);
    if (!value)
        return false;
    json_object_set_new_nocheck(object, name, value);
    return true;
}

/* A mapping's own keys win over merged ones, wherever "<<" stands. */
static json_t *yaml_read_mapping(struct yaml_reader *r)
{
    cleanup(json_decrefpp) json_t *object = json_object();
    cleanup(json_decrefpp) json_t *merged = json_object();

    if (!yaml_open(r))
        return NULL;
    for (;;) {
        if (!yaml_next(r))
            return NULL;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            break;
        if (yaml_is_merge(&r->event) ? !yaml_read_merge(r, merged) : !yaml_read_pair(r, object))
            return NULL;
    }
    json_object_update_missing(object, merged);
    r->depth--;
    return STEAL(object);
}

/* --- nodes and documents --- */

static const yaml_char_t *yaml_anchor_of(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT: return event->data.mapping_start.anchor;
    default: return NULL;
    }
}

static json_t *yaml_read_node(struct yaml_reader *r)
{
    struct yaml_anchor *anchor = yaml_anchor_open(r, yaml_anchor_of(&r->event));
    cleanup(freep) char *name = anchor ? mem_str((const char *)yaml_anchor_of(&r->event)) : NULL;
    json_t *value;

    if (r->event.type == YAML_ALIAS_EVENT)
        return yaml_read_alias(r);
    if (!yaml_count(r))
        return NULL;
    switch (r->event.type) {
    case YAML_SCALAR_EVENT: value = yaml_read_scalar(r); break;
    case YAML_SEQUENCE_START_EVENT: value = yaml_read_sequence(r); break;
    case YAML_MAPPING_START_EVENT: value = yaml_read_mapping(r); break;
    default: return yaml_refuse(r, r->event.start_mark, "unexpected event");
    }
    /* The same name may have been given again inside; then that later one stands. */
    if (value && anchor && map_get(r->anchors, name) == anchor)
        anchor->value = json_incref(value); /* let go at the end of the document */
    return value;
}

static bool yaml_read_document(struct yaml_reader *r, json_t *docs)
{
    json_t *root;

    r->anchors = map_free(r->anchors);
    r->anchors = map_new(yaml_anchor_free);
    if (!yaml_next(r))
        return false;
    root = yaml_read_node(r);
    if (!root)
        return false;
    if (json_is_null(root))
        json_decref(root);
    else
        json_array_append_new(docs, root);
    return true;
}

static bool yaml_read_stream(struct yaml_reader *r, json_t *docs)
{
    for (;;) {
        if (!yaml_next(r))
            return false;
        if (r->event.type == YAML_STREAM_END_EVENT)
            return true;
        if (r->event.type == YAML_DOCUMENT_START_EVENT && !yaml_read_document(r, docs))
            return false;
    }
}

int yaml_parse(json_t **ret_docs, const char *data, size_t len, struct err *err)
{
    cleanup(json_decrefpp) json_t *docs = json_array();
    struct yaml_reader r = { .err = err };
    bool ok;

    if (!yaml_parser_initialize(&r.parser))
        abort(); /* only for lack of memory */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)data, len);
    ok = yaml_read_stream(&r, docs);
    yaml_event_end(&r);
    yaml_parser_delete(&r.parser);
    map_free(r.anchors);
    if (!ok)
        return err->code;
    *ret_docs = STEAL(docs);
    return 0;
}
