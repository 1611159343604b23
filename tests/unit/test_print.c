/* layer: client */
#include "base/mem.h"
#include "client/print.h"
#include "tests/lib/test.h"

#include <string.h>

static const char columns[] =
    "'columnDefinitions':[{'name':'Name','priority':0},"
    "{'name':'Nominated Node','priority':1},{'name':'Age','priority':0}],";

/* One row; with ' for " */
static json_t *table_of(bool with_columns, const char *row)
{
    cleanup(freep) char *text = mem_fmt(
        "{'kind':'Table',%s'rows':[{'cells':%s,'object':{'metadata':{'namespace':'ns1'}}}]}",
        with_columns ? columns : "", row);
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    for (char *c = text; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    return tree;
}

static void add(struct print *p, bool with_columns, const char *row)
{
    cleanup(json_decrefpp) json_t *table = table_of(with_columns, row);

    CHECK_INT(print_table(p, table), 1);
}

static void check_flush(struct print *p, const char *want)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    print_flush(&t, p);
    CHECK_STR(text_str(&t), want);
}

TEST(print, columns_are_three_blanks_apart_and_six_wide)
{
    struct print *p = print_new(&(struct print_opts){ .wide = false });

    add(p, true, "['web','<none>','5s']");
    add(p, false, "['a','<none>',12]");
    check_flush(p, "NAME   AGE\nweb    5s\na      12\n");
    print_free(p);
}

TEST(print, a_watch_never_narrows_its_columns)
{
    struct print *p = print_new(&(struct print_opts){ .wide = true });

    add(p, true, "['a-long-name',null,'5s']");
    check_flush(p, "NAME          NOMINATED NODE   AGE\na-long-name   <none>           5s\n");
    add(p, false, "['b','n',true]");
    check_flush(p, "b             n                true\n");
    print_free(p);
}

TEST(print, namespaces_and_kinds_come_first)
{
    struct print *p = print_new(
        &(struct print_opts){ .namespaces = true, .kind = "pod", .no_headers = true });

    add(p, true, "['web','',true]");
    check_flush(p, "ns1   pod/web   true\n");
    print_free(p);
}

TEST(print, cells_show_their_first_line_and_no_escapes)
{
    struct print *p = print_new(&(struct print_opts){ .no_headers = true });

    add(p, true, "['a\\u001b[31m','','one\\ntwo']");
    add(p, true, "['\\u00e9\\u00e9\\u00e9\\u00e9','','x']");
    check_flush(p, "a^[[31m   one...\n\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9      x\n");
    print_free(p);
}

TEST(print, what_is_no_table_is_told)
{
    struct print *p = print_new(&(struct print_opts){ .wide = false });
    cleanup(json_decrefpp) json_t *list = json_pack("{s:s}", "kind", "PodList");
    cleanup(json_decrefpp) json_t *bare = table_of(false, "[]");

    CHECK_INT(print_table(p, list), -1);
    CHECK_INT(print_table(p, bare), -1); /* no columns yet */
    print_free(p);
}

TEST(print, names_carry_the_group)
{
    cleanup(json_decrefpp) json_t *o = json_pack("{s:s,s:s,s:{s:s}}", "apiVersion", "apps/v1",
                                                 "kind", "Deployment", "metadata", "name", "web");
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    print_name(&t, o);
    json_put_str(o, "apiVersion", "v1");
    text_putc(&t, ' ');
    print_name(&t, o);
    CHECK_STR(text_str(&t), "deployment.apps/web deployment/web");
}
