/* layer: storage */
#include "tests/unit/store_fixture.h"

/* --- against a naive model --- */

#define MODEL_KEYS 12

struct model {
    struct fixture f;
    uint64_t random;
    char visible[MODEL_KEYS][24], latest[MODEL_KEYS][24]; /* "" = absent */
    struct told told;
    struct store_cursor *cursor;
    char followed[MODEL_KEYS][24]; /* what the cursor's changes add up to */
};

static unsigned model_random(struct model *m, unsigned n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->random >> 33) % n;
}

static bool model_is_lazy(unsigned key)
{
    return key % 3 == 0;
}

static void model_name(unsigned key, char name[8])
{
    snprintf(name, 8, "k%02u", key);
}

static void model_write(struct model *m, unsigned step)
{
    unsigned key = model_random(m, MODEL_KEYS), verb = model_random(m, 3);
    struct fixture *f = &m->f;
    char name[8], value[24];
    bool there = m->latest[key][0];
    int want, have;

    model_name(key, name);
    snprintf(value, sizeof(value), "v%u", step);
    want = verb == STORE_CREATE ? (there ? STORE_EXISTS : STORE_OK)
           : there              ? STORE_OK
                                : STORE_ABSENT;
    have = put(f, (struct put){ .verb = verb,
                                .name = name,
                                .lazy = model_is_lazy(key),
                                .told = &m->told,
                                .value = verb == STORE_DELETE ? NULL : value });
    CHECK_INT(have, want);
    if (have == STORE_OK)
        snprintf(m->latest[key], 24, "%s", verb == STORE_DELETE ? "" : value);
}

static void model_follow(struct model *m)
{
    struct store_change change;
    int rc;

    while ((rc = store_cursor_next(m->cursor, &change)) == 1) {
        unsigned key = (unsigned)strtoul(change.object->name + 1, NULL, 10);
        cleanup(json_decrefpp) json_t *tree = object_tree(change.object);

        CHECK((change.type == STORE_ADDED) == (m->followed[key][0] == '\0'));
        CHECK((change.before != NULL) == (change.type != STORE_ADDED));
        snprintf(m->followed[key], 24, "%s",
                 change.type == STORE_DELETED ? "" : json_str(tree, "spec.value"));
    }
    CHECK_INT(rc, 0);
}

/* The store, the cursor's sum and the iterator tell the same as the model. */
static void model_check(struct model *m)
{
    struct store_iter it;
    const struct object *o;
    size_t n = 0, count = 0;
    char name[8];

    model_follow(m);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        const char *latest = m->latest[key][0] ? m->latest[key] : NULL;
        const struct object *visible;

        model_name(key, name);
        visible = store_get(m->f.s, "pods", "", name);
        CHECK(value_is(store_latest(m->f.s, "pods", "", name), latest));
        CHECK(value_is(visible, m->followed[key][0] ? m->followed[key] : NULL));
        n += visible != NULL;
    }
    store_iter_init(&it, m->f.s, "pods", NULL, NULL, NULL);
    name[0] = '\0';
    while ((o = store_iter_next(&it))) {
        CHECK(strcmp(name, o->name) < 0);
        snprintf(name, sizeof(name), "%s", o->name);
        count++;
    }
    CHECK_INT(count, n);
    CHECK_INT(store_count(m->f.s, "pods"), n);
}

static void model_take_over(struct model *m)
{
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        char name[8];
        const struct object *o;

        model_name(key, name);
        o = store_get(m->f.s, "pods", "", name);
        m->latest[key][0] = '\0';
        if (o) {
            cleanup(json_decrefpp) json_t *tree = object_tree(o);

            snprintf(m->latest[key], 24, "%s", json_str(tree, "spec.value"));
        }
        memcpy(m->followed[key], m->latest[key], 24);
    }
}

/* A failed batch takes back all that was pending: the model follows. */
static void model_notice_failures(struct model *m)
{
    if (m->told.failures == 0)
        return;
    m->told.failures = 0;
    model_follow(m);
    model_take_over(m);
}

static void model_settle(struct model *m)
{
    backend_memory_fail(m->f.m, 1, 0, ERR_IO); /* no fault is armed any more */
    fixture_settle(&m->f);
    model_notice_failures(m);
    model_check(m);
}

/* Durable keys must come back exactly; lazy ones may fall back after a power cut. */
static void model_restart(struct model *m, bool power_cut)
{
    char before[MODEL_KEYS][24];
    uint64_t shown;

    model_settle(m);
    shown = store_revision(m->f.s);
    memcpy(before, m->latest, sizeof(before));
    m->cursor = store_cursor_free(m->cursor);
    if (power_cut)
        fixture_crash(&m->f);
    else
        fixture_restart(&m->f);
    model_take_over(m);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if (!power_cut || !model_is_lazy(key))
            CHECK_STR(m->latest[key], before[key]);
    }
    CHECK(store_revision(m->f.s) >= shown);
    m->cursor = follow(&m->f, "pods", store_revision(m->f.s));
}

static void model_step(struct model *m, unsigned step)
{
    switch (model_random(m, 40)) {
    case 0: model_restart(m, false); break;
    case 1: model_restart(m, true); break;
    case 2: backend_memory_flush(m->f.m); break;
    case 3: backend_memory_fail(m->f.m, 1 + model_random(m, 3), 1, ERR_IO); break;
    case 4:
    case 5:
    case 6:
    case 7: backend_memory_step(m->f.m); break;
    default: model_write(m, step);
    }
    model_notice_failures(m);
    model_check(m);
}

TEST_TIMED(store, behaves_like_a_naive_model, 60)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct model m = { .random = seed };

        fixture_up(&m.f);
        m.cursor = follow(&m.f, "pods", store_revision(m.f.s));
        for (unsigned step = 0; step < 500; step++)
            model_step(&m, step);
        model_settle(&m);
        store_cursor_free(m.cursor);
        fixture_down(&m.f);
    }
}
