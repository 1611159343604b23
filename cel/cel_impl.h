/* cel_impl: what the stages of an expression hand each other.  Private to cel/. */
#ifndef CEL_CEL_IMPL_H
#define CEL_CEL_IMPL_H

#include "base/mem.h"
#include "base/pool.h"
#include "base/text.h"
#include "cel/cel.h"

/* --- the tree of an expression; everything in the program's pool --- */

enum cel_op {
    CEL_CONST,
    CEL_IDENT,
    CEL_SELECT, /* args[0].name */
    CEL_HAS,    /* has(args[0].name) */
    CEL_INDEX,  /* args[0][args[1]] */
    CEL_CALL,   /* a method's receiver is args[0] */
    CEL_LISTING,
    CEL_MAPPING, /* key, value, key, value ... */
    CEL_AND,
    CEL_OR,
    CEL_COND,
    CEL_LOOP, /* a macro over args[0] with variable @name and body args[1], (map with three) args[2] */
    CEL_BIND, /* args[0] as @name in args[1] */
};

enum cel_loop {
    CEL_ALL,
    CEL_EXISTS,
    CEL_EXISTS_ONE,
    CEL_FILTER,
    CEL_MAP_EACH,
    CEL_OPT_MAP,
    CEL_OPT_FLAT_MAP,
};

struct cel_overload {
    const struct cel_function *function;
    const struct cel_library *library; /* whose types its digits mean */
};

struct cel_node {
    enum cel_op op;
    enum cel_loop loop;
    uint32_t at;            /* byte of the text that errors point to */
    int slot;               /* IDENT: the environment's variable; -1: one of a macro */
    bool method;            /* CALL */
    bool optional;          /* SELECT, INDEX: with "?" */
    bool maybe;             /* an element or value of a literal with "?" before it */
    bool mixed;             /* LISTING: its members may differ in type */
    const char *name;       /* IDENT, SELECT, HAS, CALL, LOOP, BIND */
    struct cel_value value; /* CONST */
    struct cel_node **args;
    size_t n_args;
    const struct cel_type *type;    /* set by the checker, as are the next two */
    struct cel_overload *overloads; /* CALL: those that may fit */
    size_t n_overloads;
};

struct cel_program {
    struct pool *pool; /* owned; holds all of it */
    const char *text;
    const struct cel_env *env;
    struct cel_node *root;
};

/* --- reports --- */

struct cel_report {
    struct text text; /* owned */
    const char *source;
    size_t n; /* findings; no more than CEL_FINDINGS_MAX are written */
};
#define CEL_FINDINGS_MAX 5

void cel_report_add(struct cel_report *r, size_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* --- lexer --- */

enum cel_token_kind {
    CEL_TOKEN_END,
    CEL_TOKEN_IDENT,
    CEL_TOKEN_LITERAL, /* value: number, text */
    CEL_TOKEN_OP,      /* text[at..at+len) */
    CEL_TOKEN_WRONG,   /* reported */
};

struct cel_token {
    enum cel_token_kind kind;
    uint32_t at, len;
    struct cel_value value;
};

struct cel_lexer {
    const char *text;
    size_t pos;
    struct pool *pool;         /* borrowed; texts of literals */
    struct cel_report *report; /* borrowed */
};

struct cel_token cel_lex(struct cel_lexer *l);

/* --- parser, checker --- */

/* NULL: wrong, and reported. */
struct cel_node *cel_parse(const char *text, struct pool *pool, struct cel_report *r);
/* Types, names and overloads of the whole tree. */
void cel_check(struct cel_program *p, struct cel_report *r);

/* --- types --- */

/* "list(int)", for reports. */
void cel_type_print(struct text *t, const struct cel_type *type);
const struct cel_type *cel_type_list(struct pool *pool, const struct cel_type *elem);
const struct cel_type *cel_type_map(struct pool *pool, const struct cel_type *key,
                                    const struct cel_type *value);
const struct cel_type *cel_type_optional(struct pool *pool, const struct cel_type *elem);
/* The type at *sig, which moves on. */
const struct cel_type *cel_type_read(struct pool *pool, const char **sig,
                                     const struct cel_library *lib);
/* A type by the name that stands for it in expressions ("int", "list"); NULL if none has it. */
const struct cel_type *cel_type_named(const char *name);

/* What A, B and C of a signature stand for. */
#define CEL_PARAMS 3
struct cel_binding {
    const struct cel_type *of[CEL_PARAMS];
};
bool cel_type_fits(struct cel_binding *b, const struct cel_type *want, const struct cel_type *have);
const struct cel_type *cel_type_filled(struct pool *pool, const struct cel_binding *b,
                                       const struct cel_type *t);
bool cel_type_same(const struct cel_type *a, const struct cel_type *b);

/* --- values --- */

bool cel_equal(struct cel_context *c, struct cel_value a, struct cel_value b);
/* False: they have no order. */
bool cel_compare(struct cel_value a, struct cel_value b, int *ret);
size_t cel_size(const struct cel_value *v); /* members of LIST, MAP, OBJECT of a tree */
struct cel_value cel_item(struct cel_context *c, const struct cel_value *list, size_t i);
/* False: there is none. */
bool cel_lookup(struct cel_context *c, const struct cel_value *map, const struct cel_value *key,
                struct cel_value *ret);
bool cel_field(struct cel_context *c, const struct cel_value *object, const char *name,
               struct cel_value *ret);
struct cel_value cel_keys(struct cel_context *c, const struct cel_value *map);
const struct cel_type *cel_type_of_value(const struct cel_value *v); /* type(x) */
void cel_print_time(struct text *t, int64_t seconds, int32_t nanos);
bool cel_read_time(const char *s, struct cel_value *ret);     /* RFC 3339, and a bare date */
bool cel_read_duration(const char *s, struct cel_value *ret); /* as Go: "1h30m" */
bool cel_make_time(int64_t seconds, int64_t nanos, enum cel_kind kind, struct cel_value *ret);

/* --- the standard library: tables of functions --- */

extern const struct cel_library cel_lib_core, cel_lib_convert, cel_lib_time, cel_lib_strings,
    cel_lib_format, cel_lib_regex, cel_lib_lists, cel_lib_optional;
/* All of them, then the host's; NULL-terminated; @i counts from 0. */
const struct cel_library *cel_library_at(const struct cel_env *env, size_t i);

#endif
