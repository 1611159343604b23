/* custom_schema: the OpenAPI schema of a CustomResourceDefinition's version, compiled.
 *
 * A tree of nodes without descriptions, packed into one pool: what pruning, defaulting and checking
 * need, in a tenth of the schema's own JSON.  Immutable once made.  Rules that are no structure
 * (lengths, patterns, alternatives) hang on a node as a list that ends with CUSTOM_RULE_END.
 * Pure.  Thread: any.
 */
#ifndef API_CUSTOM_SCHEMA_H
#define API_CUSTOM_SCHEMA_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUSTOM_NODES_MAX 50000
#define CUSTOM_DEPTH_MAX 100

enum custom_type {
    CUSTOM_ANY,
    CUSTOM_OBJECT,
    CUSTOM_ARRAY,
    CUSTOM_STRING,
    CUSTOM_INTEGER,
    CUSTOM_NUMBER,
    CUSTOM_BOOLEAN,
};

enum custom_flag {
    CUSTOM_NULLABLE = 1,
    CUSTOM_PRESERVE = 2,      /* x-kubernetes-preserve-unknown-fields */
    CUSTOM_EMBEDDED = 4,      /* x-kubernetes-embedded-resource */
    CUSTOM_INT_OR_STRING = 8, /* x-kubernetes-int-or-string */
    CUSTOM_SET = 16,          /* x-kubernetes-list-type: set */
    CUSTOM_MAP = 32,          /* x-kubernetes-list-type: map */
    CUSTOM_OPEN = 64,         /* additionalProperties: true */
    CUSTOM_EXCLUSIVE_MIN = 128,
    CUSTOM_EXCLUSIVE_MAX = 256,
    CUSTOM_DEFAULTS = 512,    /* here or below something has a default */
    CUSTOM_CEL = 1024,        /* here or below stands a rule in CEL */
    CUSTOM_MAP_ATOMIC = 2048, /* x-kubernetes-map-type: atomic */
};

enum custom_rule_kind {
    CUSTOM_RULE_END,
    CUSTOM_RULE_REQUIRED,  /* texts */
    CUSTOM_RULE_ENUM,      /* texts: JSON */
    CUSTOM_RULE_FORMAT,    /* text */
    CUSTOM_RULE_PATTERN,   /* text */
    CUSTOM_RULE_DEFAULT,   /* text: JSON */
    CUSTOM_RULE_LIST_KEYS, /* texts */
    CUSTOM_RULE_MINIMUM,   /* real */
    CUSTOM_RULE_MAXIMUM,
    CUSTOM_RULE_MULTIPLE_OF,
    CUSTOM_RULE_MIN_LENGTH, /* count */
    CUSTOM_RULE_MAX_LENGTH,
    CUSTOM_RULE_MIN_ITEMS,
    CUSTOM_RULE_MAX_ITEMS,
    CUSTOM_RULE_MIN_PROPERTIES,
    CUSTOM_RULE_MAX_PROPERTIES,
    CUSTOM_RULE_ALL_OF, /* nodes */
    CUSTOM_RULE_ANY_OF,
    CUSTOM_RULE_ONE_OF,
    CUSTOM_RULE_NOT,
    CUSTOM_RULE_CEL, /* cel */
};

struct custom_node;
struct custom_cel;

struct custom_rule {
    uint16_t kind; /* enum custom_rule_kind */
    uint16_t n;    /* nodes, texts */
    union {
        const char *text;
        const char *const *texts;
        double real;
        int64_t count;
        const struct custom_node *nodes;
        const struct custom_cel *cel;
    };
};

struct custom_node {
    const char *name;                   /* as a member of an object; NULL elsewhere */
    const struct custom_node *children; /* properties, sorted by name */
    const struct custom_node *items;    /* of a list; of a map (additionalProperties); or NULL */
    const struct custom_rule *rules;    /* NULL: none */
    uint16_t n_children;
    uint16_t flags;
    uint8_t type;
};

struct custom_schema;

/* @openapi is what stands below `openAPIV3Schema`; borrowed.  ERR_LIMIT: too large or too deep. */
int custom_schema_new(struct custom_schema **ret, const json_t *openapi, struct err *err);
struct custom_schema *custom_schema_free(struct custom_schema *s);
void custom_schema_freep(struct custom_schema **s);
const struct custom_node *custom_schema_root(const struct custom_schema *s);
size_t custom_schema_footprint(const struct custom_schema *s);

const struct custom_node *custom_node_child(const struct custom_node *n, const char *name);
/* NULL when there is none. */
const struct custom_rule *custom_node_rule(const struct custom_node *n, enum custom_rule_kind kind);

#endif
