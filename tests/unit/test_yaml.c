/* layer: base */
#include "base/mem.h"
#include "base/yaml.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

static void check_reads(const char *yaml, const char *json)
{
    cleanup(json_decrefpp) json_t *docs = NULL;
    cleanup(freep) char *printed = NULL;
    struct err err = ERR_EMPTY;

    if (yaml_parse(&docs, yaml, strlen(yaml), &err) < 0) {
        print_error("%s\n%s\n", yaml, err.text);
        CHECK(!"parses");
    }
    printed = json_print(docs, NULL);
    CHECK_STR(printed, json);
}

static void check_refused(const char *yaml, const char *message)
{
    json_t *docs = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(yaml_parse(&docs, yaml, strlen(yaml), &err), ERR_BAD_REQUEST);
    CHECK_STR(err.text, message);
    CHECK(docs == NULL);
}

TEST(yaml, reads_a_manifest)
{
    check_reads("apiVersion: v1\n"
                "kind: Pod\n"
                "metadata:\n"
                "  name: web # a comment\n"
                "spec:\n"
                "  containers:\n"
                "  - name: c\n"
                "    args: [\"-p\", '80', --x=1]\n"
                "    command:\n"
                "    - sh\n"
                "    - |\n"
                "      echo a\n"
                "      echo b\n"
                "  nodeSelector: {}\n",
                "[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\"},"
                "\"spec\":{\"containers\":[{\"name\":\"c\",\"args\":[\"-p\",\"80\",\"--x=1\"],"
                "\"command\":[\"sh\",\"echo a\\necho b\\n\"]}],\"nodeSelector\":{}}}]");
}

TEST(yaml, skips_empty_documents)
{
    check_reads("", "[]");
    check_reads("# nothing\n", "[]");
    check_reads("---\n---\na: 1\n---\n# no\n---\nb: 2\n...\n", "[{\"a\":1},{\"b\":2}]");
}

TEST(yaml, words_mean_what_kubectl_takes_them_for)
{
    static const struct {
        const char *word, *json;
    } rows[] = {
        { "true", "true" },
        { "yes", "true" },
        { "On", "true" },
        { "y", "true" },
        { "off", "false" },
        { "No", "false" },
        { "~", "null" },
        { "Null", "null" },
        { "tRue", "\"tRue\"" },
        { "12", "12" },
        { "-12", "-12" },
        { "+12", "12" },
        { "1_000", "1000" },
        { "0777", "511" },
        { "0o777", "511" },
        { "0x1F", "31" },
        { "0b101", "5" },
        { "-0b101", "-5" },
        { "08", "8" },
        { "0", "0" },
        { "1.5", "1.5" },
        { "1.0", "1" },
        { "1e3", "1000" },
        { ".5", "0.5" },
        { "5.", "5" },
        { "1e", "\"1e\"" },
        { "0x", "\"0x\"" },
        { "1:30", "\"1:30\"" },
        { "1.2.3", "\"1.2.3\"" },
        { "2024-01-02", "\"2024-01-02\"" },
        { "2024-01-02T03:04:05Z", "\"2024-01-02T03:04:05Z\"" },
        { "9223372036854775807", "9223372036854775807" },
        { "18446744073709551616", "18446744073709552000" },
        { "111111111111111111111111120111101", "1.1111111111111112e+32" },
        { "'12'", "\"12\"" },
        { "\"true\"", "\"true\"" },
        { "!!str 12", "\"12\"" },
        { "!!int 12", "12" },
        { "!!int '12'", "12" },
        { "!!float 12", "12" },
        { "! 12", "\"12\"" },
        { "!local 12", "\"12\"" },
        { "!!binary aGVsbG8=", "\"hello\"" },
        { "1Gi", "\"1Gi\"" },
        { "100m", "\"100m\"" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        char yaml[100], json[100];

        snprintf(yaml, sizeof(yaml), "v: %s\n", rows[i].word);
        snprintf(json, sizeof(json), "[{\"v\":%s}]", rows[i].json);
        check_reads(yaml, json);
    }
    check_reads("v:\n- \n", "[{\"v\":[null]}]");
}

TEST(yaml, keys_become_strings)
{
    check_reads("1: a\ntrue: b\n1.5: c\n'2': d\n",
                "[{\"1\":\"a\",\"true\":\"b\",\"1.5\":\"c\",\"2\":\"d\"}]");
    check_refused("? [a]\n: 1\n", "yaml: line 1, column 3: unsupported map key");
    check_refused("~: 1\n", "yaml: line 1, column 1: unsupported map key");
}

TEST(yaml, anchors_are_copied)
{
    check_reads("a: &x {k: [1, 2]}\nb: *x\nc: &y hey\nd: *y\n",
                "[{\"a\":{\"k\":[1,2]},\"b\":{\"k\":[1,2]},\"c\":\"hey\",\"d\":\"hey\"}]");
    check_reads("- &a 1\n- *a\n- &a 2\n- *a\n", "[[1,1,2,2]]");
    check_reads("&k key: 1\nother: *k\n", "[{\"key\":1,\"other\":\"key\"}]");
}

TEST(yaml, copies_share_nothing)
{
    static const char yaml[] = "a: &x {k: {v: 1}}\nb: *x\nc:\n  <<: *x\n";
    cleanup(json_decrefpp) json_t *docs = NULL;
    cleanup(freep) char *printed = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(yaml_parse(&docs, yaml, strlen(yaml), &err), 0);
    json_put_int(json_array_get(docs, 0), "b.k.v", 2);
    json_put_int(json_array_get(docs, 0), "c.k.v", 3);
    printed = json_print(docs, NULL);
    CHECK_STR(printed,
              "[{\"a\":{\"k\":{\"v\":1}},\"b\":{\"k\":{\"v\":2}},\"c\":{\"k\":{\"v\":3}}}]");
}

TEST(yaml, merge_keys_fill_what_is_missing)
{
    check_reads("base: &b {a: 1, b: 2}\nuse:\n  b: 3\n  <<: *b\n  c: 4\n",
                "[{\"base\":{\"a\":1,\"b\":2},\"use\":{\"b\":3,\"c\":4,\"a\":1}}]");
    check_reads("- &a {x: 1}\n- &b {x: 2, z: 2}\n- <<: [*a, *b]\n",
                "[[{\"x\":1},{\"x\":2,\"z\":2},{\"x\":1,\"z\":2}]]");
    check_reads("'<<': 1\n", "[{\"<<\":1}]");
    check_refused(
        "<<: 1\n",
        "yaml: line 1, column 5: map merge requires map or sequence of maps as the value");
}

TEST(yaml, refusals_tell_line_and_column)
{
    check_refused("a: 1\nb: 2\na: 3\n", "yaml: line 3, column 1: key \"a\" already set in map");
    check_refused("a: *x\n", "yaml: line 1, column 4: unknown anchor 'x' referenced");
    check_refused("a: &x [*x]\n", "yaml: line 1, column 8: anchor 'x' value contains itself");
    check_refused("a: b: c\n",
                  "yaml: line 1, column 5: mapping values are not allowed in this context");
    check_refused("a: .inf\n", "yaml: line 1, column 4: .inf has no form in JSON");
    check_refused("a: !!int x\n", "yaml: line 1, column 4: cannot decode !!str `x` as a !!int");
    check_refused("a: !!binary '*'\n",
                  "yaml: line 1, column 4: !!binary value is not base64 of text");
}

TEST(yaml, anchors_do_not_explode)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *docs = NULL;

    text_puts(&t, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        text_fmt(&t, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            text_fmt(&t, "%s*a%d", k ? ", " : "", i - 1);
        text_puts(&t, "]\n");
    }
    CHECK_INT(yaml_parse(&docs, t.data, t.len, &err), ERR_BAD_REQUEST);
    CHECK(strstr(err.text, "more than 1000000 nodes"));
}

TEST(yaml, aliases_cannot_nest_without_bound)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    json_t *docs = NULL;

    text_puts(&t, "- &a0 [x]\n");
    for (int i = 1; i < 600; i++)
        text_fmt(&t, "- &a%d [*a%d]\n", i, i - 1);
    CHECK_INT(yaml_parse(&docs, t.data, t.len, &err), ERR_BAD_REQUEST);
    CHECK(strstr(err.text, "exceeded max depth"));
}

TEST(yaml, prints_what_reads_back)
{
    static const char *const strings[] = {
        "",
        "a",
        "true",
        "y",
        "null",
        "~",
        "12",
        "1.5",
        "0x1F",
        "1e3",
        "1:30",
        "2024-01-02",
        " a",
        "a ",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "- a",
        "-",
        "--",
        "-a",
        "--- a",
        "...",
        "? a",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "'",
        "\"",
        "it's",
        "say \"x\"",
        "%a",
        "@a",
        "`a",
        "[a",
        "{a",
        "a,b",
        "a\nb",
        "a\nb\n",
        "a\n\n",
        "\na",
        " a\nb",
        "a\n b\n",
        "a\tb",
        "\t",
        "a\r\nb",
        "\x01",
        "\xc3\xa4",
        "\xc2\x85",
        "\xe2\x80\xa8",
        "\xef\xbb\xbfx",
        "<<",
        "=",
        ".inf",
        "+.5",
        "10.0.0.1",
        "v1.2.3",
        "a\nb \nc",
        "#\n#",
        "---\na",
        "\\",
        "\xf0\x9f\x98\x80\n\xf0\x9f\x98\x80",
    };
    cleanup(json_decrefpp) json_t *tree = json_pack("{s:[],s:{},s:[[i,[i]],{s:i,s:[i]},[]]}", "e",
                                                    "o", "l", 1, 2, "b", 1, "a", 2);
    cleanup(json_decrefpp) json_t *docs = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK(tree != NULL);
    for (size_t i = 0; i < N_ELEMENTS(strings); i++) {
        char key[16];

        snprintf(key, sizeof(key), "s%zu", i);
        json_object_set_new(tree, key, json_string(strings[i]));
        json_object_set_new(tree, strings[i], json_integer((json_int_t)i));
    }
    yaml_print(&t, tree);
    if (yaml_parse(&docs, t.data, t.len, &err) < 0)
        print_error("%s\n%s\n", err.text, t.data);
    CHECK_INT(json_array_size(docs), 1);
    for (size_t i = 0; i < N_ELEMENTS(strings); i++) {
        char key[16];

        snprintf(key, sizeof(key), "s%zu", i);
        CHECK_STR(json_str(json_array_get(docs, 0), key), strings[i]);
    }
    CHECK(json_equal(json_array_get(docs, 0), tree));
}

TEST(yaml, prints_as_kubectl_lays_out)
{
    static const char json[] =
        "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"},{\"port\":81}],\"ip\":\"10.0.0.1\"},"
        "\"data\":{\"f\":\"a\\nb\\n\",\"n\":\"12\",\"q\":\"a: "
        "b\",\"t\":\"2026-11-21T17:58:27Z\"},\"empty\":{},\"none\":[]}";
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(json_parse(&tree, json, strlen(json), NULL, &err), 0);
    yaml_print(&t, tree);
    CHECK_STR(t.data, "data:\n"
                      "  f: |\n"
                      "    a\n"
                      "    b\n"
                      "  \"n\": \"12\"\n"
                      "  q: 'a: b'\n"
                      "  t: \"2026-11-21T17:58:27Z\"\n"
                      "empty: {}\n"
                      "none: []\n"
                      "spec:\n"
                      "  ip: 10.0.0.1\n"
                      "  ports:\n"
                      "  - name: http\n"
                      "    port: 80\n"
                      "  - port: 81\n");
}
