/* layer: storage */
#include "storage/store_snapshot.h"
#include "tests/unit/store_fixture.h"

/* "ns/name=value,..." of the pods at @revision; "too old" when it can not be told. */
static char *shown(struct fixture *f, struct store_snapshot_opts opts)
{
    struct store_snapshot snapshot;
    struct text t = TEXT_EMPTY;

    opts.bucket = "pods";
    if (store_snapshot_take(&snapshot, f->s, &opts) == STORE_TOO_OLD) {
        text_puts(&t, "too old");
        return text_take(&t);
    }
    for (size_t i = 0; i < snapshot.n; i++) {
        cleanup(json_decrefpp) json_t *tree = object_tree(snapshot.objects[i]);

        text_fmt(&t, "%s%s/%s=%s", i > 0 ? "," : "", snapshot.objects[i]->ns,
                 snapshot.objects[i]->name, json_str_or(tree, "spec.value", "?"));
    }
    if (snapshot.has_more)
        text_puts(&t, "+");
    if (opts.count_rest)
        text_fmt(&t, "%zu", snapshot.n_rest);
    store_snapshot_fini(&snapshot);
    store_snapshot_fini(&snapshot);
    return text_take(&t);
}

#define SHOWS(text, ...)                                                                    \
    do {                                                                                    \
        cleanup(freep) char *got_ = shown(&f, (struct store_snapshot_opts){ __VA_ARGS__ }); \
        CHECK_STR(got_, text);                                                              \
    } while (0)

static uint64_t settled(struct fixture *f)
{
    fixture_settle(f);
    return store_revision(f->s);
}

TEST(store_snapshot, shows_what_was_there_before_changes)
{
    struct fixture f = { 0 };
    uint64_t first, second;

    fixture_up(&f);
    CREATE(.ns = "a", .name = "x", .value = "1");
    CREATE(.ns = "b", .name = "y", .value = "1");
    first = settled(&f);
    DELETE(.ns = "a", .name = "x");
    UPDATE(.ns = "b", .name = "y", .value = "2");
    CREATE(.ns = "b", .name = "z", .value = "2");
    second = settled(&f);
    CREATE(.ns = "a", .name = "x", .value = "3");
    UPDATE(.ns = "b", .name = "y", .value = "3");
    DELETE(.ns = "b", .name = "z");
    SHOWS("a/x=3,b/y=3", .revision = settled(&f));
    SHOWS("b/y=2,b/z=2", .revision = second);
    SHOWS("a/x=1,b/y=1", .revision = first);
    SHOWS("b/y=1", .revision = first, .ns = "b");
    SHOWS("", .revision = first, .ns = "c");
    fixture_down(&f);
}

TEST(store_snapshot, goes_on_where_a_page_ended)
{
    struct fixture f = { 0 };
    uint64_t revision;

    fixture_up(&f);
    for (int i = 0; i < 5; i++)
        CREATE(.ns = "n", .name = (char[]){ (char)('a' + i), 0 }, .value = "1");
    revision = settled(&f);
    SHOWS("n/a=1,n/b=1+3", .revision = revision, .max = 2, .count_rest = true);
    DELETE(.ns = "n", .name = "b"); /* the one that ended the page */
    DELETE(.ns = "n", .name = "c");
    CREATE(.ns = "n", .name = "cc", .value = "1");
    fixture_settle(&f);
    SHOWS("n/c=1,n/d=1+1", .revision = revision, .after_ns = "n", .after_name = "b", .max = 2,
          .count_rest = true);
    SHOWS("n/c=1,n/d=1+", .revision = revision, .after_ns = "n", .after_name = "b", .max = 2);
    SHOWS("n/e=1", .revision = revision, .after_ns = "n", .after_name = "d", .max = 2);
    SHOWS("n/cc=1,n/d=1+1", .revision = store_revision(f.s), .after_ns = "n", .after_name = "b",
          .max = 2, .count_rest = true);
    fixture_down(&f);
}

TEST(store_snapshot, is_too_old_once_the_ring_forgot_a_change_of_its_bucket)
{
    struct fixture f = { .opts = { .ring_changes = 4 } };
    uint64_t revision;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    revision = settled(&f);
    for (int i = 0; i < 8; i++) {
        CREATE(.bucket = "nodes", .name = (char[]){ (char)('a' + i), 0 }, .value = "1");
        fixture_settle(&f);
    }
    SHOWS("/a=1", .revision = revision); /* others' changes change nothing */
    for (int i = 0; i < 4; i++) {
        UPDATE(.name = "a", .value = "2");
        fixture_settle(&f);
    }
    SHOWS("/a=1", .revision = revision);
    UPDATE(.name = "a", .value = "3");
    fixture_settle(&f);
    SHOWS("too old", .revision = revision);
    fixture_down(&f);
}

TEST(store_snapshot, is_too_old_when_a_restart_forgot_what_was_there)
{
    struct fixture f = { 0 };
    uint64_t first, second;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    first = settled(&f);
    CREATE(.name = "b", .value = "1");
    second = settled(&f);
    UPDATE(.name = "a", .value = "2");
    fixture_settle(&f);
    fixture_restart(&f);
    SHOWS("too old", .revision = first);
    SHOWS("too old", .revision = second);
    SHOWS("/a=2,/b=1", .revision = store_revision(f.s));
    fixture_down(&f);
}

TEST(store_snapshot, keeps_what_it_references)
{
    struct fixture f = { .opts = { .ring_changes = 1 } };
    struct store_snapshot snapshot;

    fixture_up(&f);
    CREATE(.name = "a", .value = "1");
    fixture_settle(&f);
    CHECK_INT(store_snapshot_take(&snapshot, f.s,
                                  &(struct store_snapshot_opts){ .bucket = "pods",
                                                                 .revision = store_revision(f.s) }),
              0);
    for (int i = 0; i < 3; i++) {
        UPDATE(.name = "a", .value = "2");
        fixture_settle(&f);
    }
    CHECK(value_is(snapshot.objects[0], "1"));
    store_snapshot_fini(&snapshot);
    fixture_down(&f);
}

/* Random writes; each revision's whole state is remembered as text and must be seen again. */
TEST(store_snapshot, shows_every_state_of_a_random_life)
{
    enum { STEPS = 300 };
    struct fixture f = { 0 };
    static char *states[STEPS + 64];
    uint64_t revisions[STEPS];
    unsigned seed = 7;

    fixture_up(&f);
    for (int i = 0; i < STEPS; i++) {
        char name[2] = { 0 }, value[16];

        seed = seed * 1103515245u + 12345u;
        name[0] = (char)('a' + (seed >> 16) % 8);
        snprintf(value, sizeof(value), "%d", i);
        if (store_latest(f.s, "pods", "n", name) == NULL)
            CREATE(.ns = "n", .name = name, .value = value, .lazy = (seed >> 24) % 8 == 0);
        else if ((seed >> 20) % 3 == 0)
            DELETE(.ns = "n", .name = name);
        else
            UPDATE(.ns = "n", .name = name, .value = value);
        revisions[i] = settled(&f);
        states[i] = shown(&f, (struct store_snapshot_opts){ .revision = revisions[i] });
    }
    for (int i = 0; i < STEPS; i++) {
        SHOWS(states[i], .revision = revisions[i]);
        free(states[i]);
    }
    fixture_down(&f);
}
