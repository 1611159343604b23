/* layer: client */
#include "base/mem.h"
#include "client/columns.h"
#include "client/sort.h"
#include "client/template.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

static const char template_list[] =
    "{'items':[{'metadata':{'name':'a','labels':{'app':'x'}},'n':10,'size':'1Gi'},"
    "{'metadata':{'name':'b'},'n':9,'size':'200Mi','tags':['u','v']}]}";

static void check_template(const char *text, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = quoted(template_list);
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct template *t = NULL;
    struct err err = ERR_EMPTY;

    if (template_new(&t, text, &err) < 0)
        text_puts(&have, err.text);
    else
        template_print(&have, t, tree);
    CHECK_STR(text_str(&have), want);
    template_free(t);
}

TEST(template, prints_text_paths_and_ranges)
{
    check_template("{.items[0].metadata.name}", "a");
    check_template("{.items[*].metadata.name}", "a b");
    check_template("names: {$.items[1].n}!", "names: 9!");
    check_template("{range .items[*]}{.metadata.name}{'\\t'}{.n}{\"\\n\"}{end}", "a\t10\nb\t9\n");
    check_template("{range .items[*]}{@.n},{end}", "10,9,");
    check_template("{.items[0].metadata.labels}", "{\"app\":\"x\"}");
    check_template("{.items[?(@.n>9)].metadata.name}", "a");
    check_template("{.nothing}", "");
}

TEST(template, refuses_what_does_not_close)
{
    check_template("{.items", "unclosed action");
    check_template("{range .items[*]}x", "unterminated range");
    check_template("{end}", "not in range, nothing to end");
}

static void check_sort(const char *path, const char *want)
{
    cleanup(json_decrefpp) json_t *tree = quoted(template_list);
    cleanup(text_fini) struct text have = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const json_t *item;
    size_t i;

    if (sort_by(json_at(tree, "items"), path, NULL, &err) < 0)
        text_puts(&have, err.text);
    else
        json_array_foreach (json_at(tree, "items"), i, item)
            text_puts(&have, json_str(item, "metadata.name"));
    CHECK_STR(text_str(&have), want);
}

TEST(sort, numbers_quantities_and_what_is_absent)
{
    check_sort(".n", "ba");
    check_sort("{.size}", "ba");
    check_sort("metadata.name", "ab");
    check_sort(".metadata.labels.app", "ba");
    check_sort(".x", "couldn't find any field with path \".x\" in the list of objects");
    CHECK(sort_natural("x2", "x10") < 0);
    CHECK(sort_natural("x10", "x10a") < 0);
    CHECK_INT(sort_natural("x", "x"), 0);
}

TEST(columns, of_ones_own)
{
    cleanup(json_decrefpp) json_t *tree = quoted(template_list);
    cleanup(json_decrefpp) json_t *table = NULL;
    cleanup(freep) char *cells = NULL;
    struct columns *c = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(columns_new(&c, "NAME:.metadata.name,T:.tags[*],M:.metadata.labels", &err), 0);
    table = columns_table(c, json_at(tree, "items"));
    cells = json_print(json_at(table, "rows"), NULL);
    CHECK_STR(cells, "[{\"cells\":[\"a\",\"<none>\",\"map[app:x]\"]},"
                     "{\"cells\":[\"b\",\"u,v\",\"<none>\"]}]");
    c = columns_free(c);
    CHECK_INT(columns_new(&c, "NAME", &err), ERR_INVALID);
    CHECK_STR(err.text, "unexpected custom-columns spec: NAME, expected <header>:<json-path-expr>");
}
