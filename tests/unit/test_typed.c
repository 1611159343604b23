/* layer: api */
#include "api/field_set.h"
#include "api/typed.h"
#include "base/mem.h"
#include "tests/lib/quoted.h"
#include "tests/lib/test.h"

#include <string.h>

/* Containers without the paths of @fields (FieldsV1). */
static void check_removed(const char *tree, const char *fields, const char *want)
{
    cleanup(field_arena_freep) struct field_arena *arena = field_arena_new();
    cleanup(json_decrefpp) json_t *before = quoted(tree), *paths = quoted(fields);
    cleanup(json_decrefpp) json_t *after = NULL, *expected = quoted(want);
    struct typed_place place = typed_of_type(schema_type("core/v1.PodSpec"));
    const struct field_set *set = NULL;
    struct err err = ERR_EMPTY;

    CHECK_INT(field_set_parse(&set, arena, paths, &err), 0);
    after = typed_remove(&place, before, set);
    CHECK(json_equal(after, expected));
}

#define ITEM(name, more) "{'containers':[{'name':'" name "'" more "}]}"

TEST(typed, an_item_that_stays_keeps_its_keys)
{
    check_removed(ITEM("a", ",'image':'i'"),
                  "{'f:containers':{'k:{\\\"name\\\":\\\"a\\\"}':{'f:name':{}}}}",
                  ITEM("a", ",'image':'i'"));
    check_removed(ITEM("a", ",'image':'i'"),
                  "{'f:containers':{'k:{\\\"name\\\":\\\"a\\\"}':{'f:name':{},'f:image':{}}}}",
                  ITEM("a", ""));
    check_removed(ITEM("a", ",'image':'i'"),
                  "{'f:containers':{'k:{\\\"name\\\":\\\"a\\\"}':{'.':{}}}}",
                  "{'containers':null}");
}
