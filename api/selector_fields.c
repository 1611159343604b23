#include "api/selector.h"

#include "api/custom.h"
#include "base/mem.h"

#include <string.h>

/* How a field's text is found.  The first five come from the object's index, the rest need
 * its tree. */
enum selector_fields_source {
    SELECTOR_FIELDS_NAME,
    SELECTOR_FIELDS_NAMESPACE,
    SELECTOR_FIELDS_NODE,
    SELECTOR_FIELDS_PHASE,
    SELECTOR_FIELDS_TEXT, /* string at path, absent = "" */
    SELECTOR_FIELDS_BOOL, /* "true" or "false", absent = "false" */
    SELECTOR_FIELDS_INT,  /* decimal, absent = "0" */
    SELECTOR_FIELDS_IPS,  /* status.podIPs joined by "," */
    SELECTOR_FIELDS_ANY,  /* string, number or boolean as text; custom kinds */
};

struct selector_fields_row {
    const char *bucket; /* NULL: every bucket */
    const char *field;
    enum selector_fields_source source;
    const char *path;      /* NULL: same as field */
    const char *otherwise; /* path to look at when that is empty; NULL: none */
};

#define TEXT_ROW(bucket, field)                         \
    {                                                   \
        bucket, field, SELECTOR_FIELDS_TEXT, NULL, NULL \
    }

static const struct selector_fields_row selector_fields_rows[] = {
    { NULL, "metadata.name", SELECTOR_FIELDS_NAME, NULL, NULL },
    { NULL, "metadata.namespace", SELECTOR_FIELDS_NAMESPACE, NULL, NULL },

    { "pods", "spec.nodeName", SELECTOR_FIELDS_NODE, NULL, NULL },
    { "pods", "spec.hostNetwork", SELECTOR_FIELDS_BOOL, NULL, NULL },
    TEXT_ROW("pods", "spec.restartPolicy"),
    TEXT_ROW("pods", "spec.schedulerName"),
    TEXT_ROW("pods", "spec.serviceAccountName"),
    { "pods", "status.phase", SELECTOR_FIELDS_PHASE, NULL, NULL },
    TEXT_ROW("pods", "status.podIP"),
    { "pods", "status.podIPs", SELECTOR_FIELDS_IPS, NULL, NULL },
    TEXT_ROW("pods", "status.nominatedNodeName"),

    { "nodes", "spec.unschedulable", SELECTOR_FIELDS_BOOL, NULL, NULL },
    { "namespaces", "name", SELECTOR_FIELDS_NAME, NULL, NULL },
    { "namespaces", "status.phase", SELECTOR_FIELDS_PHASE, NULL, NULL },
    TEXT_ROW("secrets", "type"),
    TEXT_ROW("services", "spec.clusterIP"),
    TEXT_ROW("services", "spec.type"),
    { "replicationcontrollers", "status.replicas", SELECTOR_FIELDS_INT, NULL, NULL },
    { "replicasets.apps", "status.replicas", SELECTOR_FIELDS_INT, NULL, NULL },
    { "jobs.batch", "status.successful", SELECTOR_FIELDS_INT, "status.succeeded", NULL },
    TEXT_ROW("certificatesigningrequests.certificates.k8s.io", "spec.signerName"),

    /* Both views of events share a bucket, and name the same things differently. */
    { "events", "involvedObject.kind", SELECTOR_FIELDS_TEXT, NULL, "regarding.kind" },
    { "events", "involvedObject.namespace", SELECTOR_FIELDS_TEXT, NULL, "regarding.namespace" },
    { "events", "involvedObject.name", SELECTOR_FIELDS_TEXT, NULL, "regarding.name" },
    { "events", "involvedObject.uid", SELECTOR_FIELDS_TEXT, NULL, "regarding.uid" },
    { "events", "involvedObject.apiVersion", SELECTOR_FIELDS_TEXT, NULL, "regarding.apiVersion" },
    { "events", "involvedObject.resourceVersion", SELECTOR_FIELDS_TEXT, NULL,
      "regarding.resourceVersion" },
    { "events", "involvedObject.fieldPath", SELECTOR_FIELDS_TEXT, NULL, "regarding.fieldPath" },
    { "events", "regarding.kind", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.kind" },
    { "events", "regarding.namespace", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.namespace" },
    { "events", "regarding.name", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.name" },
    { "events", "regarding.uid", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.uid" },
    { "events", "regarding.apiVersion", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.apiVersion" },
    { "events", "regarding.resourceVersion", SELECTOR_FIELDS_TEXT, NULL,
      "involvedObject.resourceVersion" },
    { "events", "regarding.fieldPath", SELECTOR_FIELDS_TEXT, NULL, "involvedObject.fieldPath" },
    TEXT_ROW("events", "reason"),
    { "events", "reportingComponent", SELECTOR_FIELDS_TEXT, NULL, "reportingController" },
    { "events", "reportingController", SELECTOR_FIELDS_TEXT, NULL, "reportingComponent" },
    { "events", "source", SELECTOR_FIELDS_TEXT, "source.component", "reportingComponent" },
    TEXT_ROW("events", "type"),
};

struct selector_fields_term {
    const struct selector_fields_row *row;
    struct selector_fields_row *own; /* owned: of a custom kind; row points to it */
    char *own_field;                 /* owned */
    char *value;                     /* owned */
    bool equal;
};

struct field_selector {
    struct selector_fields_term *terms; /* owned */
    size_t n_terms;
};

struct field_selector *field_selector_free(struct field_selector *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < s->n_terms; i++) {
        free(s->terms[i].value);
        free(s->terms[i].own);
        free(s->terms[i].own_field);
    }
    free(s->terms);
    free(s);
    return NULL;
}

static void selector_fields_freep(struct field_selector **s)
{
    *s = field_selector_free(*s);
}

static bool selector_fields_bucket_is(const char *row, const char *bucket)
{
    return row == NULL || str_eq(row, bucket);
}

static const struct selector_fields_row *selector_fields_find(const char *bucket, const char *field,
                                                              size_t len)
{
    for (size_t i = 0; i < N_ELEMENTS(selector_fields_rows); i++) {
        const struct selector_fields_row *row = &selector_fields_rows[i];

        if (selector_fields_bucket_is(row->bucket, bucket) && strlen(row->field) == len &&
            memcmp(row->field, field, len) == 0)
            return row;
    }
    return NULL;
}

/* selectableFields of a custom kind.  A row made for this selector; the caller's, or NULL. */
static struct selector_fields_row *selector_fields_custom(const char *bucket, const char *field,
                                                          size_t len, char **ret_field)
{
    const struct schema_resource *r = schema_bucket(bucket);
    const char *const *path = r != NULL && r->custom != NULL ? custom_version(r)->selectable : NULL;
    struct selector_fields_row *row;

    while (path != NULL && *path != NULL &&
           (strlen(*path) != len + 1 || memcmp(*path + 1, field, len) != 0))
        path++;
    if (path == NULL || *path == NULL)
        return NULL;
    *ret_field = mem_strn(field, len);
    row = MEM_NEW(struct selector_fields_row);
    row->field = *ret_field;
    row->source = SELECTOR_FIELDS_ANY;
    return row;
}

static bool selector_fields_has_own(const char *bucket)
{
    for (size_t i = 0; i < N_ELEMENTS(selector_fields_rows); i++) {
        if (selector_fields_rows[i].bucket != NULL &&
            selector_fields_bucket_is(selector_fields_rows[i].bucket, bucket))
            return true;
    }
    return false;
}

/* Kinds without fields of their own are refused in other words, as in apimachinery. */
static int selector_fields_unknown(const char *bucket, const char *field, size_t len,
                                   struct err *err)
{
    const struct schema_resource *r = schema_bucket(bucket);

    if (selector_fields_has_own(bucket) || (r != NULL && r->custom != NULL))
        return err_set(err, ERR_BAD_REQUEST, "field label not supported: %.*s", (int)len, field);
    return err_set(err, ERR_BAD_REQUEST,
                   "\"%.*s\" is not a known field selector: only "
                   "\"metadata.name\", \"metadata.namespace\"",
                   (int)len, field);
}

/* `\\`, `\,` and `\=` stand for the second character; nothing else may be escaped. */
static int selector_fields_unescape(char **ret, const char *s, size_t len, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\') {
            if (i + 1 == len || strchr("\\,=", s[i + 1]) == NULL)
                return err_set(err, ERR_BAD_REQUEST,
                               "invalid field selector: invalid escape "
                               "sequence: %.*s",
                               i + 1 == len ? 1 : 2, s + i);
            i++;
        } else if (s[i] == '=') {
            return err_set(err, ERR_BAD_REQUEST,
                           "invalid field selector: unescaped character in "
                           "value: %c",
                           s[i]);
        }
        text_putc(&t, s[i]);
    }
    *ret = text_take(&t);
    return 0;
}

static int selector_fields_add(struct field_selector *s, const char *bucket, const char *whole,
                               const char *term, size_t len, struct err *err)
{
    size_t at = 0, op;
    struct selector_fields_term *t;
    const struct selector_fields_row *row;
    cleanup(freep) struct selector_fields_row *own = NULL;
    cleanup(freep) char *own_field = NULL;
    char *value = NULL;
    int rc;

    while (at < len && term[at] != '=' && !(term[at] == '!' && at + 1 < len && term[at + 1] == '='))
        at += term[at] == '\\' && at + 1 < len ? 2 : 1;
    if (at >= len)
        return err_set(err, ERR_BAD_REQUEST, "invalid selector: '%s'; can't understand '%.*s'",
                       whole, (int)len, term);
    op = term[at] == '!' || (at + 1 < len && term[at + 1] == '=') ? 2 : 1;
    row = selector_fields_find(bucket, term, at);
    if (row == NULL)
        row = own = selector_fields_custom(bucket, term, at, &own_field);
    if (row == NULL)
        return selector_fields_unknown(bucket, term, at, err);
    rc = selector_fields_unescape(&value, term + at + op, len - at - op, err);
    if (rc < 0)
        return rc;
    s->terms = mem_grow(s->terms, s->n_terms + 1, sizeof(*s->terms));
    t = &s->terms[s->n_terms++];
    t->row = row;
    t->own = STEAL(own);
    t->own_field = STEAL(own_field);
    t->equal = term[at] == '=';
    t->value = value;
    return 0;
}

int field_selector_parse(struct field_selector **ret, const char *bucket, const char *text,
                         struct err *err)
{
    cleanup(selector_fields_freep) struct field_selector *s = MEM_NEW(struct field_selector);
    const char *p = text != NULL ? text : "";
    int rc;

    while (*p != '\0') {
        size_t len = 0;

        while (p[len] != '\0' && p[len] != ',')
            len += p[len] == '\\' && p[len + 1] != '\0' ? 2 : 1;
        if (len > 0) {
            rc = selector_fields_add(s, bucket, text, p, len, err);
            if (rc < 0)
                return rc;
        }
        p += len + (p[len] == ',' ? 1 : 0);
    }
    *ret = STEAL(s);
    return 0;
}

static void selector_fields_ips(struct text *ret, const json_t *tree)
{
    const json_t *ip;
    size_t i;

    json_array_foreach (json_at(tree, "status.podIPs"), i, ip) {
        text_puts(ret, i > 0 ? "," : "");
        text_puts(ret, json_str_or(ip, "ip", ""));
    }
}

static void selector_fields_value(struct text *ret, const struct selector_fields_row *row,
                                  const json_t *tree)
{
    const char *path = row->path != NULL ? row->path : row->field;
    const char *value;

    switch (row->source) {
    case SELECTOR_FIELDS_BOOL:
        text_puts(ret, json_bool(tree, path, false) ? "true" : "false");
        return;
    case SELECTOR_FIELDS_INT: text_fmt(ret, "%lld", (long long)json_int(tree, path, 0)); return;
    case SELECTOR_FIELDS_IPS: selector_fields_ips(ret, tree); return;
    case SELECTOR_FIELDS_ANY:
        if (json_is_string(json_at(tree, path)))
            text_puts(ret, json_str(tree, path));
        else if (json_at(tree, path) != NULL)
            json_print_to(ret, json_at(tree, path));
        return;
    default:
        value = json_str_or(tree, path, "");
        if (*value == '\0' && row->otherwise != NULL)
            value = json_str_or(tree, row->otherwise, "");
        text_puts(ret, value);
    }
}

/* From the index; NULL when only the tree knows. */
static const char *selector_fields_indexed(const struct selector_fields_row *row,
                                           const struct object *o)
{
    switch (row->source) {
    case SELECTOR_FIELDS_NAME: return o->name;
    case SELECTOR_FIELDS_NAMESPACE: return o->ns;
    case SELECTOR_FIELDS_NODE: return o->node;
    case SELECTOR_FIELDS_PHASE: return o->phase;
    default: return NULL;
    }
}

bool field_selector_matches(const struct field_selector *s, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(text_fini) struct text value = TEXT_EMPTY;

    /* Cheap terms first: most objects fall out before their tree is needed. */
    for (size_t i = 0; s != NULL && i < s->n_terms; i++) {
        const char *have = selector_fields_indexed(s->terms[i].row, o);

        if (have != NULL && str_eq(have, s->terms[i].value) != s->terms[i].equal)
            return false;
    }
    for (size_t i = 0; s != NULL && i < s->n_terms; i++) {
        if (selector_fields_indexed(s->terms[i].row, o) != NULL)
            continue;
        if (tree == NULL)
            tree = object_tree(o);
        text_clear(&value);
        selector_fields_value(&value, s->terms[i].row, tree);
        if (str_eq(text_str(&value), s->terms[i].value) != s->terms[i].equal)
            return false;
    }
    return true;
}

const char *field_selector_exact(const struct field_selector *s, const char *field)
{
    for (size_t i = 0; s != NULL && i < s->n_terms; i++) {
        if (s->terms[i].equal && str_eq(s->terms[i].row->field, field))
            return s->terms[i].value;
    }
    return NULL;
}
