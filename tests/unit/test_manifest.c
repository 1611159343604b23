/* layer: client */
#include "base/file.h"
#include "base/mem.h"
#include "client/manifest.h"
#include "tests/lib/test.h"

#include <string.h>

/* "a,b,!" : names of the objects, "!" for one that could not be read. */
static void check_names(const struct manifest *m, const char *want)
{
    cleanup(text_fini) struct text have = TEXT_EMPTY;

    for (size_t i = 0; i < m->n; i++)
        text_fmt(&have, "%s%s", i > 0 ? "," : "",
                 m->objects[i].tree == NULL
                     ? "!"
                     : json_str_or(m->objects[i].tree, "metadata.name", "?"));
    CHECK_STR(text_str(&have), want);
}

static void check_parse(const char *data, const char *want)
{
    cleanup(manifest_fini) struct manifest m = { .n = 0 };

    manifest_parse(&m, "f", data, strlen(data));
    check_names(&m, want);
}

TEST(manifest, documents_and_lists_are_taken_apart)
{
    check_parse("", "");
    check_parse("# nothing\n---\n---\n", "");
    check_parse("metadata: {name: a}\n---\nmetadata: {name: b}\n", "a,b");
    check_parse("kind: List\nitems:\n- metadata: {name: a}\n- kind: PodList\n  items:\n"
                "  - metadata: {name: b}\n",
                "a,b");
    check_parse("kind: FooList\nmetadata: {name: x}\n", "x"); /* a kind that only sounds like one */
    check_parse("- 1\n", "!");
}

TEST(manifest, json_values_may_stand_one_behind_the_other)
{
    check_parse("{\"metadata\":{\"name\":\"a}\\\"{\"}}\n {\"metadata\":{\"name\":\"b\"}}",
                "a}\"{,b");
    check_parse("{\"metadata\":{\"name\":\"a\"}}\n---\n{\"metadata\":{\"name\":\"b\"}}\n", "a,b");
    check_parse("{metadata: {name: flow}}", "flow"); /* YAML that begins like JSON */
}

TEST(manifest, one_broken_document_leaves_the_others)
{
    cleanup(manifest_fini) struct manifest m = { .n = 0 };
    static const char data[] = "metadata: {name: a}\n---\nx: [\n---\nmetadata: {name: c}\n";

    manifest_parse(&m, "f", data, strlen(data));
    check_names(&m, "a,!,c");
    CHECK(str_starts(m.objects[1].err->text, "document that starts at line 2: yaml: line"));
}

TEST(manifest, directories_give_their_manifests_in_order)
{
    cleanup(manifest_fini) struct manifest m = { .n = 0 };
    struct err err = ERR_EMPTY;
    static const char *const files[][2] = { { "b.yaml", "metadata: {name: b}" },
                                            { "a.json", "{\"metadata\":{\"name\":\"a\"}}" },
                                            { "c.txt", "metadata: {name: c}" },
                                            { "d.yml", "metadata: {name: d}" } };

    for (size_t i = 0; i < N_ELEMENTS(files); i++)
        CHECK_INT(
            file_write_fast(test_path(files[i][0]), files[i][1], strlen(files[i][1]), 0600, &err),
            0);
    manifest_read(&m, test_dir(), false);
    check_names(&m, "a,b,d");
    manifest_read(&m, test_path("absent.yaml"), false);
    check_names(&m, "a,b,d,!");
}
