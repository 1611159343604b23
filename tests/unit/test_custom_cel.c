/* layer: api */
#include "api/custom_cel.h"

#include "api/custom_tree.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

static json_t *parsed(const char *text)
{
    cleanup(freep) char *quoted = mem_str(text);
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    for (char *p = quoted; *p != '\0'; p++)
        if (*p == '`')
            *p = '"';
    CHECK_INT(json_parse(&tree, quoted, strlen(quoted), NULL, &err), 0);
    return tree;
}

/* Texts are written with ` for ". */
static const char schema_text[] =
    "{`type`:`object`,`properties`:{"
    "`spec`:{`type`:`object`,`properties`:{"
    "`min`:{`type`:`integer`},`max`:{`type`:`integer`},"
    "`name`:{`type`:`string`,`x-kubernetes-validations`:[{`rule`:`self == oldSelf`,`message`:`name "
    "is immutable`}]},"
    "`size`:{`x-kubernetes-int-or-string`:true},"
    "`memory`:{`type`:`string`},"
    "`a-b`:{`type`:`string`},`until`:{`type`:`string`,`format`:`date-time`},"
    "`ports`:{`type`:`array`,`x-kubernetes-list-type`:`map`,`x-kubernetes-list-map-keys`:[`port`],`"
    "items`:{"
    "`type`:`object`,`required`:[`port`],`properties`:{`port`:{`type`:`integer`},`proto`:{`type`:`"
    "string`}},"
    "`x-kubernetes-validations`:[{`rule`:`self.port > 0 && self.port < 65536`}]}},"
    "`tags`:{`type`:`object`,`additionalProperties`:{`type`:`string`}}},"
    "`x-kubernetes-validations`:["
    "{`rule`:`!has(self.min) || !has(self.max) || self.min <= self.max`,`messageExpression`:`'min "
    "%d is above max %d'.format([self.min, self.max])`,`fieldPath`:`.min`},"
    "{`rule`:`!has(self.a__dash__b) || self.a__dash__b != "
    "'no'`,`reason`:`FieldValueForbidden`,`message`:`not no`},"
    "{`rule`:`!has(self.memory) || quantity(self.memory).isLessThan(quantity('2Gi'))`},"
    "{`rule`:`!has(self.size) || (type(self.size) == int ? self.size < 10 : "
    "self.size.endsWith('%'))`},"
    "{`rule`:`!has(self.until) || self.until < timestamp('2030-01-01T00:00:00Z')`},"
    "{`rule`:`!has(self.tags) || self.tags.all(k, k.startsWith('x-') || self.tags[k].size() < 4)`},"
    "{`rule`:`oldSelf.hasValue() || !has(self.tags) || self.tags.size() < "
    "3`,`optionalOldSelf`:true}]}},"
    "`x-kubernetes-validations`:[{`rule`:`self.metadata.name.size() < 8`}]}";

struct row {
    const char *value, *old, *want;
};

static char *checked(const struct custom_schema *schema, const char *value, const char *old)
{
    struct field_errors e = FIELD_ERRORS_EMPTY;
    cleanup(json_decrefpp) json_t *tree = parsed(value);
    cleanup(json_decrefpp) json_t *before = old != NULL ? parsed(old) : NULL;
    struct text t = TEXT_EMPTY;

    custom_check(&e, custom_schema_root(schema), tree, before);
    if (e.n > 0)
        field_errors_text(&e, &t);
    field_errors_fini(&e);
    return text_take(&t);
}

static void check_rows(const struct row *rows, size_t n)
{
    cleanup(json_decrefpp) json_t *openapi = parsed(schema_text);
    cleanup(custom_schema_freep) struct custom_schema *schema = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(custom_schema_new(&schema, openapi, &err), 0);
    for (size_t i = 0; i < n; i++) {
        char *have = checked(schema, rows[i].value, rows[i].old);

        for (char *p = have; *p != '\0'; p++)
            if (*p == '"')
                *p = '`';
        CHECK_STR(have, rows[i].want);
        free(have);
    }
}

TEST(custom_cel, rules_of_objects)
{
    static const struct row rows[] = {
        { "{`metadata`:{`name`:`x`},`spec`:{`min`:1,`max`:2}}", NULL, "" },
        { "{`metadata`:{`name`:`x`},`spec`:{`min`:3,`max`:2}}", NULL,
          "spec.min: Invalid value: `object`: min 3 is above max 2" },
        { "{`metadata`:{`name`:`x`},`spec`:{`a-b`:`no`}}", NULL, "spec: Forbidden: not no" },
        { "{`metadata`:{`name`:`x`},`spec`:{`memory`:`3Gi`}}", NULL,
          "spec: Invalid value: `object`: failed rule: !has(self.memory) || "
          "quantity(self.memory).isLessThan(quantity('2Gi'))" },
        { "{`metadata`:{`name`:`x`},`spec`:{`memory`:`lots`}}", NULL,
          "spec: Invalid value: `object`: quantities must match the regular expression "
          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' evaluating rule: !has(self.memory) || "
          "quantity(self.memory).isLessThan(quantity('2Gi'))" },
        { "{`metadata`:{`name`:`x`},`spec`:{`size`:5}}", NULL, "" },
        { "{`metadata`:{`name`:`x`},`spec`:{`size`:`5%`}}", NULL, "" },
        { "{`metadata`:{`name`:`x`},`spec`:{`size`:50}}", NULL,
          "spec: Invalid value: `object`: failed rule: !has(self.size) || (type(self.size) == int "
          "? self.size < "
          "10 : self.size.endsWith('%'))" },
        { "{`metadata`:{`name`:`x`},`spec`:{`until`:`2031-01-01T00:00:00Z`}}", NULL,
          "spec: Invalid value: `object`: failed rule: !has(self.until) || self.until < "
          "timestamp('2030-01-01T00:00:00Z')" },
        { "{`metadata`:{`name`:`x`},`spec`:{`ports`:[{`port`:80},{`port`:70000}]}}", NULL,
          "spec.ports[1]: Invalid value: `object`: failed rule: self.port > 0 && self.port < "
          "65536" },
        { "{`metadata`:{`name`:`x`},`spec`:{`tags`:{`x-a`:`12345`,`b`:`123`}}}", NULL, "" },
        { "{`metadata`:{`name`:`x`},`spec`:{`tags`:{`b`:`1234`}}}", NULL,
          "spec: Invalid value: `object`: failed rule: !has(self.tags) || self.tags.all(k, "
          "k.startsWith('x-') || "
          "self.tags[k].size() < 4)" },
        { "{`metadata`:{`name`:`much-too-long`},`spec`:{}}", NULL,
          "<nil>: Invalid value: `object`: failed rule: self.metadata.name.size() < 8" },
        /* what is wrong for the schema is told first, and alone */
        { "{`metadata`:{`name`:`x`},`spec`:{`min`:`a`}}", NULL,
          "[spec.min: Invalid value: `string`: spec.min in body must be of type integer: `string`, "
          "<nil>: "
          "Invalid value: `null`: some validation rules were not checked because the object was "
          "invalid; "
          "correct the existing errors to complete validation]" },
    };
    check_rows(rows, N_ELEMENTS(rows));
}

TEST(custom_cel, rules_of_changes)
{
    static const struct row rows[] = {
        { "{`metadata`:{`name`:`x`},`spec`:{`name`:`b`}}", NULL, "" }, /* nothing to compare with */
        { "{`metadata`:{`name`:`x`},`spec`:{`name`:`b`}}",
          "{`metadata`:{`name`:`x`},`spec`:{`name`:`a`}}",
          "spec.name: Invalid value: `string`: name is immutable" },
        /* what did not change is not judged again */
        { "{`metadata`:{`name`:`x`},`spec`:{`min`:3,`max`:2},`more`:1}",
          "{`metadata`:{`name`:`x`},`spec`:{`min`:3,`max`:2}}", "" },
        { "{`metadata`:{`name`:`x`},`spec`:{`tags`:{`a`:`1`,`b`:`1`,`c`:`1`}}}", NULL,
          "spec: Invalid value: `object`: failed rule: oldSelf.hasValue() || !has(self.tags) || "
          "self.tags.size() < 3" },
        { "{`metadata`:{`name`:`x`},`spec`:{`tags`:{`a`:`1`,`b`:`1`,`c`:`1`}}}",
          "{`metadata`:{`name`:`x`},`spec`:{}}", "" },
    };
    check_rows(rows, N_ELEMENTS(rows));
}

/* Rules for a root of one string field "s"; what a definition is told of them. */
static char *reported(const char *rules)
{
    cleanup(freep) char *text = mem_fmt("{`type`:`object`,`properties`:{`s`:{`type`:`string`}},"
                                        "`x-kubernetes-validations`:%s}",
                                        rules);
    cleanup(json_decrefpp) json_t *openapi = parsed(text);
    cleanup(custom_schema_freep) struct custom_schema *schema = NULL;
    struct field_errors e = FIELD_ERRORS_EMPTY;
    struct err err = ERR_EMPTY;
    struct text t = TEXT_EMPTY;

    CHECK_INT(custom_schema_new(&schema, openapi, &err), 0);
    custom_cel_report(&e, "x", custom_node_rule(custom_schema_root(schema), CUSTOM_RULE_CEL)->cel);
    if (e.n > 0)
        field_errors_text(&e, &t);
    field_errors_fini(&e);
    return text_take(&t);
}

TEST(custom_cel, definitions_are_told_what_does_not_compile)
{
    static const struct {
        const char *rules, *want;
    } rows[] = {
        { "[{`rule`:`self.s == 'a'`}]", "" },
        { "[{`rule`:`self.t == 'a'`}]",
          "x[0].rule: Invalid value: apiextensions.ValidationRule{Rule:\"self.t == 'a'\", "
          "Message:\"\", "
          "MessageExpression:\"\", Reason:(*apiextensions.FieldValueErrorReason)(nil), "
          "FieldPath:\"\", "
          "OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:5: undefined field "
          "'t'\n"
          " | self.t == 'a'\n | ....^" },
        { "[{`rule`:`self.s`}]",
          "x[0].rule: Invalid value: apiextensions.ValidationRule{Rule:\"self.s\", Message:\"\", "
          "MessageExpression:\"\", Reason:(*apiextensions.FieldValueErrorReason)(nil), "
          "FieldPath:\"\", "
          "OptionalOldSelf:(*bool)(nil)}: cel expression must evaluate to a bool" },
        { "[{}]", "x[0].rule: Required value: rule is not specified" },
        { "[{`rule`:`true`,`reason`:`Nope`}]",
          "x[0].reason: Unsupported value: \"Nope\": supported values: \"FieldValueDuplicate\", "
          "\"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char *have = reported(rows[i].rules);

        CHECK_STR(have, rows[i].want);
        free(have);
    }
}

TEST(custom_cel, kubernetes_own_functions)
{
    static const char *const rules[] = {
        "isQuantity('1Gi') && !isQuantity('x') && quantity('1.5k').asInteger() == 1500",
        "quantity('1').add(quantity('500m')).compareTo(quantity('1500m')) == 0",
        "quantity('2').sub(1) == quantity('1') && quantity('-1').sign() == -1",
        "isURL('https://h:80/p') && !isURL('h') && url('/a/b?x=1').getEscapedPath() == '/a/b'",
        "url('https://h:80/p?a=1&a=2&b=x+y').getQuery()['a'] == ['1', '2']",
        "url('https://[::1]:80/').getHostname() == '::1' && url('https://h/').getHost() == 'h'",
        "url('https://h:8/').getPort() == '8' && url('https://h/').getScheme() == 'https'",
        "isIP('10.0.0.1') && !isIP('10.0.0.256') && isIP('fe80::1') && !isIP('::ffff:1.2.3.4')",
        "ip('127.0.0.1').isLoopback() && ip('10.0.0.1').isGlobalUnicast() && ip('::1').family() == "
        "6",
        "ip.isCanonical('fe80::1') && !ip.isCanonical('FE80::1')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && "
        "!cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && "
        "cidr('10.1.2.3/8').masked().prefixLength() == 8",
        "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8' && string(cidr('10.1.2.3/8').ip()) == "
        "'10.1.2.3'",
        "'k8s-1 k8s-22'.find('[0-9]{2,}') == '22' && 'abc'.find('z') == ''",
        "'a1b22c'.findAll('[0-9]+') == ['1', '22'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
    };

    for (size_t i = 0; i < N_ELEMENTS(rules); i++) {
        cleanup(json_decrefpp) json_t *value = json_pack("{s:s}", "s", "a");
        cleanup(json_decrefpp) json_t *openapi = json_pack(
            "{s:s, s:[{s:s}], s:{s:{s:s}}}", "type", "object", "x-kubernetes-validations", "rule",
            rules[i], "properties", "s", "type", "string");
        cleanup(custom_schema_freep) struct custom_schema *schema = NULL;
        struct field_errors e = FIELD_ERRORS_EMPTY;
        struct err err = ERR_EMPTY;

        CHECK_INT(custom_schema_new(&schema, openapi, &err), 0);
        custom_check(&e, custom_schema_root(schema), value, NULL);
        CHECK_STR(e.n > 0 ? text_str(&e.text) : "", "");
        field_errors_fini(&e);
    }
}
