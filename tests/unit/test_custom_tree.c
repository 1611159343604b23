/* layer: api */
#include "api/custom_tree.h"
#include "tests/unit/registry_fixture.h"

/* Objects against a schema: what is dropped, filled, found wrong. */

struct trial {
    const char *schema, *tree, *want;
};

static struct custom_schema *compiled(const char *schema)
{
    cleanup(json_decrefpp) json_t *openapi = quoted(schema);
    struct custom_schema *s = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(custom_schema_new(&s, openapi, &err), 0);
    return s;
}

static char *printed(const json_t *tree)
{
    char *text = json_print_sorted(tree, NULL);

    for (char *p = text; *p != '\0'; p++)
        *p = *p == '"' ? '\'' : *p;
    return text;
}

static void check_trial(const struct trial *t, size_t i, char *have_steal)
{
    cleanup(freep) char *have = have_steal;

    if (!str_eq(have, t->want))
        test_failed(t->tree, have, (int)i);
}

#define OBJECT(properties) "{'type':'object','properties':{" properties "}}"

TEST(custom_tree, drops_what_no_schema_knows)
{
    static const struct trial rows[] = {
        { OBJECT("'a':{'type':'string'}"), "{'a':'x','b':1}", "{'a':'x'} unknown field 'b'" },
        { OBJECT("'a':{'type':'string'}"), "{'apiVersion':'v1','kind':'K','metadata':{'x':1}}",
          "{'apiVersion':'v1','kind':'K','metadata':{'x':1}}" },
        { OBJECT("'a':{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
                 "'properties':{'k':{'type':'object'}}}"),
          "{'a':{'k':{'no':1},'yes':{'deep':2}}}",
          "{'a':{'k':{},'yes':{'deep':2}}} unknown field 'a.k.no'" },
        { OBJECT("'a':{'type':'array','items':" OBJECT("'b':{'type':'string'}") "}"),
          "{'a':[{'b':'x','c':1},{'d':2}]}",
          "{'a':[{'b':'x'},{}]} unknown field 'a[0].c' unknown field 'a[1].d'" },
        { OBJECT(
              "'a':{'type':'object','additionalProperties':" OBJECT("'b':{'type':'string'}") "}"),
          "{'a':{'one':{'b':'x','c':1}}}", "{'a':{'one':{'b':'x'}}} unknown field 'a.one.c'" },
        { OBJECT("'a':{'type':'object','additionalProperties':true}"), "{'a':{'x':{'y':1}}}",
          "{'a':{'x':{'y':1}}}" },
        { OBJECT("'a':{'type':'object','x-kubernetes-embedded-resource':true}"),
          "{'a':{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'},'spec':1}}",
          "{'a':{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'}}} unknown field 'a.spec'" },
        { OBJECT("'a':{'type':'object','x-kubernetes-embedded-resource':true,"
                 "'x-kubernetes-preserve-unknown-fields':true}"),
          "{'a':{'kind':'K','metadata':{'name':'p','no':1},'spec':1}}",
          "{'a':{'kind':'K','metadata':{'name':'p'},'spec':1}} unknown field 'a.metadata.no'" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(custom_schema_freep) struct custom_schema *s = compiled(rows[i].schema);
        cleanup(json_decrefpp) json_t *tree = quoted(rows[i].tree), *problems = json_array();
        struct text t = TEXT_EMPTY;
        cleanup(freep) char *text = NULL;
        const json_t *item;
        size_t k;

        custom_prune(tree, custom_schema_root(s), problems);
        text = printed(tree);
        text_puts(&t, text);
        json_array_foreach (problems, k, item)
            text_fmt(&t, " %s", json_string_value(item));
        for (char *p = t.data; *p != '\0'; p++)
            *p = *p == '"' ? '\'' : *p;
        check_trial(&rows[i], i, text_take(&t));
    }
}

TEST(custom_tree, fills_what_is_absent)
{
    static const struct trial rows[] = {
        { OBJECT("'a':{'type':'string','default':'x'}"), "{}", "{'a':'x'}" },
        { OBJECT("'a':{'type':'string','default':'x'}"), "{'a':'y'}", "{'a':'y'}" },
        { OBJECT("'a':{'type':'string','default':'x'}"), "{'a':null}", "{'a':'x'}" },
        { OBJECT("'a':{'type':'string','nullable':true,'default':'x'}"), "{'a':null}",
          "{'a':null}" },
        { OBJECT("'a':{'type':'string'}"), "{'a':null}", "{}" },
        { OBJECT("'a':" OBJECT("'b':{'type':'integer','default':0}")), "{}", "{}" },
        { OBJECT("'a':" OBJECT("'b':{'type':'integer','default':0}")), "{'a':{}}",
          "{'a':{'b':0}}" },
        { OBJECT("'a':{'type':'object','default':{},'properties':{'b':{'type':'boolean','default':"
                 "false}}}"),
          "{}", "{'a':{'b':false}}" },
        { OBJECT("'a':{'type':'array','items':" OBJECT("'b':{'type':'integer','default':7}") "}"),
          "{'a':[{},{'b':1}]}", "{'a':[{'b':7},{'b':1}]}" },
        { OBJECT("'a':{'type':'object','additionalProperties':" OBJECT(
              "'b':{'type':'integer','default':7}") "}"),
          "{'a':{'k':{}}}", "{'a':{'k':{'b':7}}}" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(custom_schema_freep) struct custom_schema *s = compiled(rows[i].schema);
        cleanup(json_decrefpp) json_t *tree = quoted(rows[i].tree), *again = NULL;

        custom_default(tree, custom_schema_root(s));
        again = json_deep_copy(tree);
        custom_default(again, custom_schema_root(s));
        CHECK(json_equal(tree, again));
        check_trial(&rows[i], i, printed(tree));
    }
}

TEST(custom_tree, says_what_is_wrong_as_kubernetes_does)
{
    static const struct trial rows[] = {
        { OBJECT("'a':{'type':'integer'}"), "{'a':'x'}",
          "a: Invalid value: 'string': a in body must be of type integer: 'string'" },
        { OBJECT("'a':{'type':'integer'}"), "{'a':1.5}",
          "a: Invalid value: 'number': a in body must be of type integer: 'number'" },
        { OBJECT("'a':{'type':'integer'}"), "{'a':2.0}", "" },
        { OBJECT("'a':{'type':'array','items':{'type':'string'}}"), "{'a':['x',null]}",
          "a[1]: Invalid value: 'null': a[1] in body must be of type string: 'null'" },
        { OBJECT("'a':{'x-kubernetes-int-or-string':true}"), "{'a':true}",
          "a: Invalid value: 'boolean': a in body must be of type integer,string: 'boolean'" },
        { OBJECT("'a':{'x-kubernetes-int-or-string':true,'anyOf':[{'type':'integer'},"
                 "{'type':'string'}],'pattern':'^[0-9]+%?$'}"),
          "{'a':'x'}", "a: Invalid value: 'x': a in body should match '^[0-9]+%?$'" },
        { "{'type':'object','required':['a'],'properties':{'a':{'type':'string'}}}", "{}",
          "a: Required value" },
        { OBJECT("'a':{'type':'string','enum':['x','y']}"), "{'a':'z'}",
          "a: Unsupported value: 'z': supported values: 'x', 'y'" },
        { OBJECT("'a':{'type':'string','maxLength':2}"), "{'a':'xyz'}",
          "a: Too long: may not be more than 2 bytes" },
        { OBJECT("'a':{'type':'string','minLength':2}"), "{'a':'x'}",
          "a: Invalid value: 'x': a in body should be at least 2 chars long" },
        { OBJECT("'a':{'type':'integer','minimum':1}"), "{'a':0}",
          "a: Invalid value: 0: a in body should be greater than or equal to 1" },
        { OBJECT("'a':{'type':'integer','maximum':10,'exclusiveMaximum':true}"), "{'a':10}",
          "a: Invalid value: 10: a in body should be less than 10" },
        { OBJECT("'a':{'type':'number','multipleOf':0.5}"), "{'a':0.7}",
          "a: Invalid value: 0.7: a in body should be a multiple of 0.5" },
        { OBJECT("'a':{'type':'array','minItems':1,'items':{'type':'string'}}"), "{'a':[]}",
          "a: Invalid value: []: a in body should have at least 1 items" },
        { OBJECT("'a':{'type':'array','maxItems':1,'items':{'type':'string'}}"), "{'a':['x','y']}",
          "a: Too many: 2: must have at most 1 items" },
        { OBJECT("'a':{'type':'string','format':'date-time'}"), "{'a':'now'}",
          "a: Invalid value: 'now': a in body must be of type date-time: 'now'" },
        { OBJECT("'a':{'type':'string','format':'something'}"), "{'a':'now'}", "" },
        { OBJECT("'a':{'type':'integer','format':'int32'}"), "{'a':3000000000}", "" },
        { OBJECT(
              "'a':{'type':'object','oneOf':[{'required':['x']},{'required':['y']}],'properties':"
              "{'x':{'type':'string'},'y':{'type':'string'}}}"),
          "{'a':{}}",
          "<nil>: Invalid value: '': 'a' must validate one and only one schema (oneOf). Found none "
          "valid" },
        { OBJECT(
              "'a':{'type':'object','oneOf':[{'required':['x']},{'required':['y']}],'properties':"
              "{'x':{'type':'string'},'y':{'type':'string'}}}"),
          "{'a':{'x':'1','y':'2'}}",
          "<nil>: Invalid value: '': 'a' must validate one and only one schema (oneOf). Found 2 "
          "valid alternatives" },
        { OBJECT("'a':{'type':'string','not':{'enum':['x']}}"), "{'a':'x'}",
          "<nil>: Invalid value: '': 'a' must not validate the schema (not)" },
        { OBJECT("'a':{'type':'string','allOf':[{'minLength':1},{'maxLength':1}]}"), "{'a':'xx'}",
          "a: Too long: may not be more than 1 bytes" },
        { OBJECT("'a':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}}"),
          "{'a':['x','y','x']}", "a[2]: Duplicate value: 'x'" },
        { OBJECT("'a':{'type':'object','x-kubernetes-embedded-resource':true,"
                 "'x-kubernetes-preserve-unknown-fields':true}"),
          "{'a':{'kind':'Pod'}}", "a.apiVersion: Required value: must not be empty" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        cleanup(custom_schema_freep) struct custom_schema *s = compiled(rows[i].schema);
        cleanup(json_decrefpp) json_t *tree = quoted(rows[i].tree);
        struct field_errors e = FIELD_ERRORS_EMPTY;
        char *text;

        custom_check(&e, custom_schema_root(s), tree, NULL);
        text = mem_str(text_str(&e.text));
        for (char *p = text; *p != '\0'; p++)
            *p = *p == '"' ? '\'' : *p;
        check_trial(&rows[i], i, text);
        field_errors_fini(&e);
    }
}

TEST(custom_tree, does_not_judge_again_what_did_not_change)
{
    cleanup(custom_schema_freep) struct custom_schema *s = compiled(
        OBJECT("'a':{'type':'string','maxLength':1},'b':{'type':'string','maxLength':1}"));
    cleanup(json_decrefpp) json_t *old = quoted("{'a':'long','b':'x'}");
    cleanup(json_decrefpp) json_t *now = quoted("{'a':'long','b':'also long'}");
    struct field_errors e = FIELD_ERRORS_EMPTY;

    custom_check(&e, custom_schema_root(s), now, old);
    CHECK_STR(text_str(&e.text), "b: Too long: may not be more than 1 bytes");
    field_errors_fini(&e);
}

TEST(custom_tree, bounds_schemas)
{
    cleanup(json_decrefpp) json_t *openapi = json_pack("{s:s}", "type", "object");
    struct custom_schema *s = NULL;
    struct err err = ERR_EMPTY;

    for (int i = 0; i < CUSTOM_DEPTH_MAX + 1; i++)
        openapi = json_pack("{s:s, s:{s:o}}", "type", "object", "properties", "a", openapi);
    CHECK_INT(custom_schema_new(&s, openapi, &err), ERR_LIMIT);
    CHECK_STR(err.text, "the schema nests deeper than 100");
}
