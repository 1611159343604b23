/* cel: expressions of the Common Expression Language, as the rules of Kubernetes' kinds use them.
 *
 * Text to a checked program, a program and values to a value.  Written after the language's
 * definition (github.com/google/cel-spec, doc/langdef.md) with what Kubernetes adds to every
 * environment: the extensions for strings, sets, optional values and cel.bind, its own for lists
 * and regular expressions.  Messages of protocol
 * buffers cannot be made.  What else an expression may call comes as libraries of the host.
 *
 * Programs are constant: one may run in many contexts.  Nothing here waits, and nothing runs
 * longer than the budget of its context allows.  Thread: any; a context is unshared.
 */
#ifndef CEL_CEL_H
#define CEL_CEL_H

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CEL_TEXT_MAX  (64 * 1024) /* bytes of an expression */
#define CEL_DEPTH_MAX 120     /* expressions within expressions; the host needs 100 KiB of stack */
#define CEL_COST_CALL 1000000 /* budget of one evaluation (PerCallLimit of Kubernetes) */

/* --- types --- */

enum cel_kind {
    CEL_DYN, /* known only when it runs */
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING,
    CEL_BYTES,
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_TYPE,
    CEL_N_SIMPLE, /* those above stand in cel_types[] */
    CEL_LIST = CEL_N_SIMPLE,
    CEL_MAP,
    CEL_OBJECT,   /* named fields; its values are trees or a host's */
    CEL_OPTIONAL, /* a value or none */
    CEL_OPAQUE,   /* of a library; what it is like the library knows */
    CEL_PARAM,    /* A, B of a signature; in no value */
    CEL_ERROR,    /* of values only */
};

struct cel_type {
    enum cel_kind kind;
    const char *name;            /* OBJECT, OPAQUE, PARAM; else NULL */
    const struct cel_type *elem; /* of LIST, OPTIONAL; the values of MAP */
    const struct cel_type *key;  /* MAP */
    /* OBJECT: the type of field @name, NULL if there is none; @ret_key the name in the tree. */
    const struct cel_type *(*field)(const struct cel_type *t, const char *name,
                                    const char **ret_key);
    const void *arg; /* the field function's */
    bool (*equal)(const void *a,
                  const void *b); /* OPAQUE: of two values' args; NULL: the same arg */
    bool unordered;               /* LIST: equal when each has the other's members */
};

extern const struct cel_type cel_types[CEL_N_SIMPLE];
#define CEL_TYPE_OF(kind) (&cel_types[kind])

/* --- values: small, passed by copy; what they point to lives as long as their context --- */

struct cel_context;
struct cel_value;

/* An object whose fields the host finds when asked, e.g. computes. */
struct cel_host {
    /* False: there is no such field.  *ret may be an error (cel_error). */
    bool (*field)(struct cel_context *c, void *arg, const char *name, struct cel_value *ret);
};

struct cel_pair;

struct cel_value {
    enum cel_kind kind;
    uint32_t n; /* LIST, MAP without a tree: how many; STRING, BYTES, ERROR: bytes */
    union {
        bool b;
        int64_t i; /* INT; TIMESTAMP, DURATION: seconds */
        uint64_t u;
        double d;
        const char *s;                 /* STRING, BYTES, ERROR; NUL-terminated */
        const struct cel_value *items; /* LIST; OPTIONAL: NULL = none */
        const struct cel_pair *pairs;  /* MAP */
        const struct cel_type *as;     /* TYPE */
        void *arg;                     /* OPAQUE; OBJECT of a host */
    };
    union {
        int32_t nanos;               /* TIMESTAMP, DURATION; with the sign of i, or 0 */
        const json_t *tree;          /* LIST, MAP, OBJECT: instead of items; borrowed */
        const struct cel_host *host; /* OBJECT without a type */
    };
    const struct cel_type *type; /* OPAQUE; of a tree: what its members are, NULL = as they look */
};

struct cel_pair {
    struct cel_value key, value;
};

struct cel_value cel_null(void);
struct cel_value cel_bool(bool b);
struct cel_value cel_int(int64_t i);
struct cel_value cel_double(double d);
struct cel_value cel_string(const char *s);            /* @s borrowed */
struct cel_value cel_stringn(const char *s, size_t n); /* borrowed, s[n] is NUL */
struct cel_value cel_copy(struct cel_context *c, const char *s, size_t n); /* a string of its own */
/* What @tree is by @type (NULL: by its looks).  Borrowed; text that is no time, duration or base64
 * where the type says so gives an error. */
struct cel_value cel_tree(struct cel_context *c, const json_t *tree, const struct cel_type *type);
struct cel_value cel_opaque(const struct cel_type *type, void *arg);
struct cel_value cel_object(const struct cel_host *host, void *arg);
struct cel_value cel_error(struct cel_context *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
struct cel_value cel_some(struct cel_context *c, struct cel_value v); /* optional.of(v) */
struct cel_value cel_none(void);
struct cel_value cel_list(const struct cel_value *items, size_t n); /* borrowed */

bool cel_is(const struct cel_value *v, enum cel_kind kind);
/* The value as JSON, the caller's; NULL for what has no such form (opaque, type, error). */
json_t *cel_to_json(struct cel_context *c, struct cel_value v);
/* As string() has it, for messages. */
struct cel_value cel_to_string(struct cel_context *c, struct cel_value v);

/* --- libraries --- */

/* A signature: letters of argument types (a method's receiver first), then ':' and the result.
 *   n null  b bool  i int  u uint  d double  s string  y bytes  t timestamp  r duration  T type
 *   D dyn   L? list of  M?? map of  O? optional of  A, B, C any (the same letter the same type)
 *   0-9 the library's own type of that number */
struct cel_function {
    const char *name; /* "size"; "sets.contains" for one with a namespace */
    bool method;      /* x.name(y) */
    const char *sig;
    struct cel_value (*call)(struct cel_context *c, const struct cel_value *args, size_t n);
};

/* The head of one: @a are the arguments, as its signature has them. */
#define CEL_FN(fn)                                                                             \
    static struct cel_value fn(UNUSED struct cel_context *c, UNUSED const struct cel_value *a, \
                               UNUSED size_t n)

struct cel_library {
    const struct cel_function *functions;
    size_t n;
    const struct cel_type *const *types; /* OPAQUE ones, for the digits; may be NULL */
};

/* --- programs --- */

struct cel_var {
    const char *name;
    const struct cel_type *type;
};

struct cel_env { /* all borrowed, and must outlive the programs made with it */
    const struct cel_var *vars;
    size_t n_vars;
    const struct cel_library *const *libraries; /* NULL-terminated; NULL: the standard ones only */
};

struct cel_program;

/* ERR_INVALID with cel-go's report, one finding after the other:
 * "ERROR: <input>:1:6: undefined field 'x'\n | self.x\n | .....^". */
int cel_compile(struct cel_program **ret, const char *text, const struct cel_env *env,
                struct err *err);
struct cel_program *cel_program_free(struct cel_program *p); /* NULL is fine */
void cel_program_freep(struct cel_program **p);
const struct cel_type *cel_program_type(const struct cel_program *p); /* of the result */
/* Whether the text names @var. */
bool cel_program_uses(const struct cel_program *p, const char *var);

/* --- running --- */

/* @budget is for all that runs in it; roughly a unit per step and per ten bytes of text looked at. */
struct cel_context *cel_context_new(uint64_t budget);
struct cel_context *cel_context_free(struct cel_context *c); /* and all values made in it */
void cel_context_freep(struct cel_context **c);
uint64_t cel_context_left(const struct cel_context *c);
/* Takes @n from the budget; false: there is no more, and every evaluation ends. */
bool cel_charge(struct cel_context *c, uint64_t n);
void *cel_alloc(struct cel_context *c, size_t size); /* zeroed; lives with the context */

/* @vars in the order of the environment's.  ERR_INVALID: the expression failed ("no such key: x");
 * ERR_LIMIT: out of budget. */
int cel_run(struct cel_value *ret, const struct cel_program *p, struct cel_context *c,
            const struct cel_value *vars, struct err *err);

#endif
