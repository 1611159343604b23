/* layer: cel */
#include "cel/cel.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

/* An object of Kubernetes' kind: fields that are declared, of declared types. */
static const struct cel_type *field_of_spec(const struct cel_type *t, const char *name,
                                            const char **ret_key)
{
    static const struct cel_type strings = { .kind = CEL_LIST, .elem = &cel_types[CEL_STRING] };
    static const struct cel_type set = { .kind = CEL_LIST,
                                         .elem = &cel_types[CEL_STRING],
                                         .unordered = true };
    static const struct cel_type map = { .kind = CEL_MAP,
                                         .key = &cel_types[CEL_STRING],
                                         .elem = &cel_types[CEL_STRING] };
    const struct {
        const char *name;
        const struct cel_type *type;
    } fields[] = { { "replicas", CEL_TYPE_OF(CEL_INT) },
                   { "ratio", CEL_TYPE_OF(CEL_DOUBLE) },
                   { "name", CEL_TYPE_OF(CEL_STRING) },
                   { "names", &strings },
                   { "set", &set },
                   { "labels", &map },
                   { "since", CEL_TYPE_OF(CEL_TIMESTAMP) },
                   { "wait", CEL_TYPE_OF(CEL_DURATION) },
                   { "data", CEL_TYPE_OF(CEL_BYTES) },
                   { "port", CEL_TYPE_OF(CEL_DYN) },
                   { "inner", t } };

    for (size_t i = 0; i < N_ELEMENTS(fields); i++)
        if (str_eq(name, fields[i].name)) {
            *ret_key = fields[i].name;
            return fields[i].type;
        }
    return NULL;
}

static const struct cel_type spec_type = { .kind = CEL_OBJECT,
                                           .name = "Spec",
                                           .field = field_of_spec };

static const struct cel_var vars[] = { { "self", &spec_type }, { "d", &cel_types[CEL_DYN] } };
static const struct cel_env env = { .vars = vars, .n_vars = N_ELEMENTS(vars) };

static const char self_json[] =
    "{\"replicas\":3,\"ratio\":2,\"name\":\"web\",\"names\":[\"b\",\"a\"],\"set\":[\"x\",\"y\"],"
    "\"labels\":{\"app\":\"web\",\"a.b/"
    "c\":\"1\"},\"since\":\"2024-02-29T12:30:00Z\",\"wait\":\"1h30m\","
    "\"data\":\"aGk=\",\"port\":\"http\",\"inner\":{\"replicas\":1}}";
static const char dyn_json[] =
    "{\"n\":1,\"f\":1.5,\"s\":\"t\",\"l\":[1,2,3],\"m\":{\"k\":null},\"e\":[]}";

/* What @text gives, as JSON or "error: ..."; the caller's. */
static char *ran(const char *text, uint64_t budget)
{
    cleanup(cel_program_freep) struct cel_program *p = NULL;
    cleanup(cel_context_freep) struct cel_context *c = cel_context_new(budget);
    cleanup(json_decrefpp) json_t *self = NULL, *d = NULL, *out = NULL;
    struct err err = ERR_EMPTY;
    struct cel_value values[2], ret;

    if (cel_compile(&p, text, &env, &err) < 0)
        return mem_fmt("compile: %s", err.text);
    CHECK_INT(json_parse(&self, self_json, strlen(self_json), NULL, &err), 0);
    CHECK_INT(json_parse(&d, dyn_json, strlen(dyn_json), NULL, &err), 0);
    values[0] = cel_tree(c, self, &spec_type);
    values[1] = cel_tree(c, d, NULL);
    if (cel_run(&ret, p, c, values, &err) < 0)
        return mem_fmt("error: %s", err.text);
    out = cel_to_json(c, ret);
    return out != NULL ? json_dumps(out, JSON_COMPACT | JSON_ENCODE_ANY) : mem_str("no JSON");
}

struct row {
    const char *text, *want;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *have = ran(rows[i].text, 1000000);

        if (!str_eq(have, rows[i].want))
            print_error("%s\n", rows[i].text);
        CHECK_STR(have, rows[i].want);
        free(have);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, N_ELEMENTS(rows))

TEST(cel, literals_and_operators)
{
    static const struct row rows[] = {
        { "1 + 2 * 3 - 4 / 2", "5" },
        { "(1 + 2) * 3 % 4", "1" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "9223372036854775807 + 1", "error: integer overflow" },
        { "5u - 6u", "error: integer overflow" },
        { "7 / 0", "error: division by zero" },
        { "0x1F", "31" },
        { "1.5e3 + .5", "1500.5" },
        { "'a' + \"b\" + r'\\n' + '''c\nd'''", "\"ab\\\\nc\\nd\"" },
        { "'\\u00e9\\x41\\101'.size()", "3" },
        { "b'\\xff\\x00'.size()", "2" },
        { "true && !false || false", "true" },
        { "1 < 2 && 2 >= 2 && 'a' != 'b'", "true" },
        { "1 == 1 ? 'y' : 'n'", "\"y\"" },
        { "2 in [1, 2] && 'k' in {'k': 1}", "true" },
        { "[1] + [2, 3]", "[1,2,3]" },
        { "{'a': 1}['a'] + [4, 5][1]", "6" },
        { "1 < 1.5 && 2u > 1", "true" },
        { "[1, 2] == [1, 2] && {'a': [1]} == {'a': [1]}", "true" },
        { "1 // a remark\n + 1", "2" },
        { "type(1) == int && type('') == string && type([]) == list", "true" },
        { "null == null", "true" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, errors_are_absorbed_where_they_do_not_matter)
{
    static const struct row rows[] = {
        { "d.none || true", "true" },
        { "1 / 0 == 1 && false", "false" },
        { "d.none || false", "error: no such key: none" },
        { "[1, 0].exists(x, 1 / x == 1)", "true" },
        { "[0, 1].all(x, 1 / x == 2)", "false" },
        { "[1, 0].all(x, 1 / x == 1)", "error: division by zero" },
        { "d.l[7]", "error: index out of bounds: 7" },
        { "d.l['a']", "error: no such overload: _[_]" },
        { "d.n + d.s", "error: no such overload: _+_" },
        { "d.s.missing", "error: no such key: missing" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, fields_and_macros)
{
    static const struct row rows[] = {
        { "self.replicas > 2 && self.inner.replicas == 1", "true" },
        { "has(self.inner.name)", "false" },
        { "has(self.name) && has(d.m.k) && !has(d.m.z)", "true" },
        { "self.inner.name", "error: no such key: name" },
        { "self.ratio / 4.0", "0.5" },
        { "self.labels['a.b/c']", "\"1\"" },
        { "self.labels.app", "\"web\"" },
        { "self.names.all(n, n.size() == 1)", "true" },
        { "self.names.exists_one(n, n == 'a')", "true" },
        { "self.names.map(n, n + '!')", "[\"b!\",\"a!\"]" },
        { "d.l.map(x, x > 1, x * 2)", "[4,6]" },
        { "d.l.filter(x, x != 2)", "[1,3]" },
        { "self.labels.all(k, k.startsWith('a'))", "true" },
        { "self.set == ['y', 'x'] && self.names != ['a', 'b']", "true" },
        { "cel.bind(x, self.replicas, x * x)", "9" },
        { "d.l.exists(x, d.l.all(y, x >= y))", "true" },
        { "string(self.data) + string(self.since) + string(self.wait)",
          "\"hi2024-02-29T12:30:00Z5400s\"" },
        { "self.port == 'http' || self.port == 80", "true" },
        { "d.m.k == null", "true" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, optional_values)
{
    static const struct row rows[] = {
        { "self.?name.orValue('none')", "\"web\"" },
        { "d.?none.orValue('none')", "\"none\"" },
        { "d.?none.more.orValue(3)", "3" },
        { "d.l[?9].hasValue()", "false" },
        { "optional.of(1).optMap(x, x + 1).value()", "2" },
        { "optional.none().optMap(x, x).hasValue()", "false" },
        { "[?optional.of(1), ?optional.none()]", "[1]" },
        { "{?'a': optional.none(), 'b': 1}", "{\"b\":1}" },
        { "optional.ofNonZeroValue('').or(optional.of('x')).value()", "\"x\"" },
        { "optional.none().value()", "error: optional.none() dereference" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, functions_of_texts)
{
    static const struct row rows[] = {
        { "'abc'.matches('^a.c$') && matches('abc', 'b')", "true" },
        { "'abc'.matches('(')", "error: error parsing regexp: missing closing ): `(`" },
        { "'h\u00e9llo'.charAt(1) + 'h\u00e9llo'.substring(2, 4)", "\"\u00e9ll\"" },
        { "'hello'.indexOf('l') + 'hello'.lastIndexOf('l')", "5" },
        { "'hello'.indexOf('l', 3)", "3" },
        { "'hello'.indexOf('z')", "-1" },
        { "'abc'.substring(4)", "error: index out of range: 4" },
        { "'a,b,c'.split(',')", "[\"a\",\"b\",\"c\"]" },
        { "'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]" },
        { "'abc'.split('')", "[\"a\",\"b\",\"c\"]" },
        { "['a', 'b'].join('-') + ['c'].join()", "\"a-bc\"" },
        { "'aXbX'.replace('X', '1') + 'aXbX'.replace('X', '1', 1)", "\"a1b1a1bX\"" },
        { "' \t x '.trim() + 'AbC'.lowerAscii() + 'AbC'.upperAscii()", "\"xabcABC\"" },
        { "'abc'.reverse()", "\"cba\"" },
        { "strings.quote('a\"b\\n')", "\"\\\"a\\\\\\\"b\\\\n\\\"\"" },
        { "'%d of %s, %.2f %x%%'.format([3, ['a', 'b'], 2.0, 255])", "\"3 of [a, b], 2.00 ff%\"" },
        { "'%d'.format(['x'])",
          "error: error during formatting: the argument is of another type: %d" },
        { "'%s %s'.format([1])", "error: index 1 out of range" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, conversions_times_and_lists)
{
    static const struct row rows[] = {
        { "int('42') + int(2.9) + int(3u)", "47" },
        { "int('x')", "error: strconv.ParseInt: parsing \"x\": invalid syntax" },
        { "double('1.5') + double(1)", "2.5" },
        { "string(1.0) + string(0.1) + string(1e25) + string(true)", "\"10.11e+25true\"" },
        { "uint(-1)", "error: unsigned integer overflow" },
        { "bool('True')", "true" },
        { "timestamp('2024-02-29T23:30:00.5+01:00')", "\"2024-02-29T22:30:00.5Z\"" },
        { "timestamp('2023-02-29T00:00:00Z')",
          "error: invalid timestamp: \"2023-02-29T00:00:00Z\"" },
        { "self.since.getFullYear() + self.since.getMonth()", "2025" },
        { "self.since.getDayOfYear() + self.since.getDayOfWeek()", "63" },
        { "self.since.getHours('+02:00')", "14" },
        { "self.since + duration('90m')", "\"2024-02-29T14:00:00Z\"" },
        { "timestamp('2024-01-01T00:00:01Z') - timestamp('2024-01-01T00:00:00.5Z')", "\"0.5s\"" },
        { "duration('-1.5s') < duration('0s') && self.wait.getMinutes() == 90", "true" },
        { "duration('1x')", "error: invalid duration: \"1x\"" },
        { "[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && [3, 1].max() == 3",
          "true" },
        { "['a', 'b', 'a'].lastIndexOf('a')", "2" },
        { "sets.contains([1, 2], [2]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], "
          "[2])",
          "true" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, what_does_not_compile)
{
    static const struct row rows[] = {
        { "self.x", "compile: ERROR: <input>:1:5: undefined field 'x'\n | self.x\n | ....^" },
        { "nobody",
          "compile: ERROR: <input>:1:1: undeclared reference to 'nobody' (in container '')\n"
          " | nobody\n | ^" },
        { "1 + 'a'",
          "compile: ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, "
          "string)'\n | 1 + 'a'\n | ..^" },
        { "self.name.size(1)",
          "compile: ERROR: <input>:1:15: found no matching overload for 'size' applied to "
          "'string.(int)'\n | self.name.size(1)\n | ..............^" },
        { "self.name.nope()",
          "compile: ERROR: <input>:1:15: undeclared reference to 'nope' (in container '')"
          "\n | self.name.nope()\n | ..............^" },
        { "self.replicas && true",
          "compile: ERROR: <input>:1:5: expected type 'bool' but found 'int'\n"
          " | self.replicas && true\n | ....^" },
        { "1 +", "compile: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting an "
                 "expression\n | 1 +\n | ...^" },
        { "'abc", "compile: ERROR: <input>:1:1: Syntax error: token recognition error: the text "
                  "has no end\n"
                  " | 'abc\n | ^" },
        { "[1, 'a']",
          "compile: ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n"
          " | ....^" },
        { "self.replicas.all(x, true)",
          "compile: ERROR: <input>:1:5: expression of type 'int' cannot be range of a "
          "comprehension (must "
          "be list, map, or dynamic)\n | self.replicas.all(x, true)\n | ....^" },
        { "has(self)",
          "compile: ERROR: <input>:1:4: invalid argument to has() macro\n | has(self)\n | ...^" },
        { "1 2", "compile: ERROR: <input>:1:3: Syntax error: mismatched input '2' expecting "
                 "<EOF>\n | 1 2\n"
                 " | ..^" },
        { "for", "compile: ERROR: <input>:1:1: reserved identifier: for\n | for\n | ^" },
    };

    CHECK_ROWS(rows);
}

TEST(cel, depth_and_budget_are_bounded)
{
    struct text deep = TEXT_EMPTY;
    char *have;

    for (int i = 0; i < 5000; i++)
        text_putc(&deep, '(');
    have = ran(text_str(&deep), 1000);
    CHECK(strstr(have, "recursion limit exceeded") != NULL);
    free(have);
    text_clear(&deep);
    text_puts(&deep, "1");
    for (int i = 0; i < 5000; i++)
        text_puts(&deep, "+1");
    have = ran(text_str(&deep), 1000000);
    CHECK(strstr(have, "recursion limit exceeded") != NULL);
    free(have);
    text_fini(&deep);
    have = ran("d.l.all(a, d.l.all(b, d.l.all(c, d.l.all(e, a + b + c + e > 0))))", 300);
    CHECK_STR(have, "error: operation cancelled: actual cost limit exceeded");
    free(have);
}

TEST(cel, a_program_knows_which_variables_it_reads)
{
    cleanup(cel_program_freep) struct cel_program *p = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(cel_compile(&p, "d.l.all(self, self > 0)", &env, &err), 0);
    CHECK(cel_program_uses(p, "d"));
    CHECK(!cel_program_uses(p, "self")); /* the macro's own hides it */
    CHECK(cel_program_type(p)->kind == CEL_BOOL);
}
