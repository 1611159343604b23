/* layer: api */
#include "api/jsonpath.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/lib/test.h"

#include <string.h>

static const char tree_text[] =
    "{\"spec\":{\"replicas\":3,\"list\":[1,2,3],\"none\":null},"
    "\"metadata\":{\"annotations\":{\"a.b/c\":\"x\",\"plain\":\"y\"}},"
    "\"status\":{\"conditions\":[{\"type\":\"Synced\",\"status\":\"Unknown\",\"n\":1},"
    "{\"type\":\"Ready\",\"status\":\"True\",\"n\":5}]}}";

static const char *found(const char *path)
{
    static char text[256];
    cleanup(json_decrefpp) json_t *tree = NULL;
    cleanup(freep) char *printed = NULL;
    struct jsonpath *p = NULL;
    struct err err = ERR_EMPTY;
    json_t *at;

    CHECK_INT(json_parse(&tree, tree_text, strlen(tree_text), NULL, &err), 0);
    if (jsonpath_new(&p, path, &err) < 0)
        return "refused";
    at = jsonpath_find(p, tree);
    printed = at != NULL ? json_print(at, NULL) : mem_str("");
    snprintf(text, sizeof(text), "%.250s", printed);
    jsonpath_free(p);
    return text;
}

TEST(jsonpath, finds_the_first_that_is_there)
{
    static const struct {
        const char *path, *want;
    } rows[] = {
        { ".spec.replicas", "3" },
        { ".spec.nothing", "" },
        { ".spec.none", "" },
        { ".spec.list[0]", "1" },
        { ".spec.list[-1]", "3" },
        { ".spec.list[-1:]", "3" },
        { ".spec.list[1:2]", "2" },
        { ".spec.list[:1]", "1" },
        { ".spec.list[*]", "1" },
        { ".spec.list[7]", "" },
        { ".spec.list[99999999999999999999]", "" },
        { ".spec.list[-99999999999999999999:]", "1" },
        { ".metadata.annotations['a.b/c']", "\"x\"" },
        { ".metadata.annotations[\"plain\"]", "\"y\"" },
        { ".metadata.annotations.a\\.b/c", "\"x\"" },
        { ".status.conditions[?(@.type==\"Ready\")].status", "\"True\"" },
        { ".status.conditions[?(@.type=='Ready')].status", "\"True\"" },
        { ".status.conditions[?(@.type!='Ready')].status", "\"Unknown\"" },
        { ".status.conditions[?(@.n > 3)].type", "\"Ready\"" },
        { ".status.conditions[?(@.n<=1)].type", "\"Synced\"" },
        { ".status.conditions[?(@.missing)].type", "" },
        { ".status.conditions[*].type", "\"Synced\"" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (!str_eq(found(rows[i].path), rows[i].want))
            test_failed(rows[i].path, found(rows[i].path), (int)i);
}

TEST(jsonpath, refuses_what_it_cannot_follow)
{
    static const char *const rows[] = { "",         "spec",     "..replicas",  ".spec[",
                                        ".spec['a", ".a[?(b)]", ".a[?(@.b==)", ".a[x]" };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        if (!str_eq(found(rows[i]), "refused"))
            test_failed(rows[i], found(rows[i]), (int)i);
}
