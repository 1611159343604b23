#include "storage/backend.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"
#include "storage/sqlite_file.h"
#include "storage/sqlite_load.h"
#include "storage/sqlite_reseal.h"

#include <assert.h>
#include <string.h>

/* Heartbeats and Events may lose this much with the power; an idle cluster writes a few pages
 * this often. */
#define SQLITE_LAZY_FLUSH_MS 60000
/* Old changes are removed in portions, so that not every commit touches both ends of the table. */
#define SQLITE_TRIM_CHANGES  256
#define SQLITE_TRIM_BYTES    (4u << 20)
/* Given back to the file system once so many, and half of the file, are unused. */
#define SQLITE_FREE_PAGES    1024

static const char *const sqlite_steps[] = {
    /* 0 -> 1 */
    "CREATE TABLE objects ("
    "    bucket TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    "    revision INTEGER NOT NULL, json TEXT NOT NULL,"
    "    PRIMARY KEY (bucket, ns, name));"
    "CREATE TABLE changes ("
    "    revision INTEGER PRIMARY KEY, bucket TEXT NOT NULL,"
    "    type INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE TABLE forgotten ("
    "    bucket TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta ("
    "    id INTEGER PRIMARY KEY CHECK (id = 1),"
    "    ceiling INTEGER NOT NULL, floor INTEGER NOT NULL);"
    "INSERT INTO meta VALUES (1, 0, 0)",
    /* 1 -> 2: Secrets are sealed; 1 = nothing is left of plain ones */
    "ALTER TABLE meta ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0",
};

static const struct sqlite_format sqlite_format = {
    .application_id = 0x6d6b7562, /* "mkub" */
    .steps = sqlite_steps,
    .n_steps = N_ELEMENTS(sqlite_steps),
};

/* changes.type; they stand in files. */
_Static_assert(STORE_ADDED == 0 && STORE_MODIFIED == 1 && STORE_DELETED == 2, "on disk");

enum sqlite_sql {
    SQLITE_SQL_BEGIN,
    SQLITE_SQL_COMMIT,
    SQLITE_SQL_PUT,
    SQLITE_SQL_DELETE,
    SQLITE_SQL_CHANGE,
    SQLITE_SQL_FORGET,
    SQLITE_SQL_META,
    SQLITE_SQL_TRIM,
    SQLITE_SQL_UNUSED,
    SQLITE_N_SQL
};

static const char *const sqlite_sql[SQLITE_N_SQL] = {
    [SQLITE_SQL_BEGIN] = "BEGIN",
    [SQLITE_SQL_COMMIT] = "COMMIT",
    [SQLITE_SQL_PUT] = "INSERT INTO objects (bucket, ns, name, revision, json)"
                       " VALUES (?1, ?2, ?3, ?4, ?5)"
                       " ON CONFLICT DO UPDATE SET revision = ?4, json = ?5",
    [SQLITE_SQL_DELETE] = "DELETE FROM objects WHERE bucket = ?1 AND ns = ?2 AND name = ?3",
    [SQLITE_SQL_CHANGE] = "INSERT INTO changes (bucket, type, revision, json)"
                          " VALUES (?1, ?2, ?4, ?5)",
    [SQLITE_SQL_FORGET] = "INSERT INTO forgotten (bucket, revision) VALUES (?1, ?4)"
                          " ON CONFLICT DO UPDATE SET revision = ?4",
    [SQLITE_SQL_META] = "UPDATE meta SET ceiling = ?1, floor = ?2",
    [SQLITE_SQL_TRIM] = "DELETE FROM changes WHERE revision < ?1",
    [SQLITE_SQL_UNUSED] = "SELECT freelist_count, page_count"
                          " FROM pragma_freelist_count, pragma_page_count",
};

/* What the file holds beside rows; only a successful commit moves it. */
struct sqlite_meta {
    uint64_t ceiling, floor;
    uint64_t trimmed; /* no change before is in the file */
    size_t added;     /* bytes of changes since the last trim */
};

struct backend_sqlite {
    struct store_backend base;
    uv_loop_t *loop; /* borrowed */
    char *path;
    struct timer *flush_timer;
    /* The worker's while a batch is under way, else the loop's. */
    sqlite3 *db;
    sqlite3_stmt *stmts[SQLITE_N_SQL];
    struct sqlite_meta meta;
    bool full;          /* PRAGMA synchronous */
    struct seal *seal;  /* borrowed; NULL: nothing is sealed */
    struct text sealed; /* the record that is bound */

    /* Batches and steps of resealing take turns. */
    bool busy, was_batch;
    struct sqlite_reseal reseal;
    void (*reseal_done)(void *arg, int rc, const struct err *err); /* NULL: none under way */
    void *reseal_arg;
    const struct backend_batch *batch;
    void (*done)(void *arg, int rc, const struct err *err);
    void *done_arg;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- statements --- */

static int sqlite_fail(const struct backend_sqlite *b, struct err *err)
{
    return sqlite_file_err(err, b->db, b->path);
}

static int sqlite_prepare(struct backend_sqlite *b, struct err *err)
{
    for (int i = 0; i < SQLITE_N_SQL; i++) {
        if (sqlite3_prepare_v3(b->db, sqlite_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &b->stmts[i],
                               NULL) != SQLITE_OK)
            return sqlite_fail(b, err);
    }
    return 0;
}

/* Runs a statement that gives no rows. */
static int sqlite_run(struct backend_sqlite *b, enum sqlite_sql which, struct err *err)
{
    sqlite3_stmt *stmt = b->stmts[which];
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : sqlite_fail(b, err);

    sqlite3_reset(stmt);
    return rc;
}

/* Bound bytes are the object's, which outlives the batch and so the next binding. */
static void sqlite_bind_text(sqlite3_stmt *stmt, int at, const char *s, size_t len)
{
    int rc = sqlite3_bind_text64(stmt, at, s, len, SQLITE_STATIC, SQLITE_UTF8);

    assert(rc == SQLITE_OK);
    (void)rc;
}

static void sqlite_bind_int(sqlite3_stmt *stmt, int at, uint64_t value)
{
    int rc = sqlite3_bind_int64(stmt, at, (sqlite3_int64)value);

    assert(rc == SQLITE_OK);
    (void)rc;
}

/* --- writing, on the worker --- */

/* Text as it is, or sealed bytes; good until the next one is bound. */
static int sqlite_bind_json(struct backend_sqlite *b, sqlite3_stmt *stmt,
                            const struct seal_place *place, const struct object *o, struct err *err)
{
    int rc;

    if (b->seal == NULL || !str_eq(o->bucket, SEAL_BUCKET)) {
        sqlite_bind_text(stmt, 5, o->json, o->json_len);
        return 0;
    }
    rc = seal_close(b->seal, &b->sealed, place, o->json, o->json_len, err);
    if (rc == 0)
        sqlite3_bind_blob64(stmt, 5, b->sealed.data, b->sealed.len, SQLITE_STATIC);
    return rc;
}

static int sqlite_write_state(struct backend_sqlite *b, const struct backend_row *row,
                              struct err *err)
{
    const struct object *o = row->object;
    enum sqlite_sql which = row->type == STORE_DELETED ? SQLITE_SQL_DELETE : SQLITE_SQL_PUT;
    sqlite3_stmt *stmt = b->stmts[which];

    sqlite_bind_text(stmt, 1, o->bucket, strlen(o->bucket));
    sqlite_bind_text(stmt, 2, o->ns, strlen(o->ns));
    sqlite_bind_text(stmt, 3, o->name, strlen(o->name));
    if (which == SQLITE_SQL_PUT) {
        const struct seal_place place = { 'o', o->bucket, o->ns, o->name, row->revision };
        int rc = sqlite_bind_json(b, stmt, &place, o, err);

        if (rc < 0)
            return rc;
        sqlite_bind_int(stmt, 4, row->revision);
    }
    return sqlite_run(b, which, err);
}

static int sqlite_write_change(struct backend_sqlite *b, const struct backend_row *row,
                               struct err *err)
{
    const struct object *o = row->object;
    enum sqlite_sql which = row->lazy ? SQLITE_SQL_FORGET : SQLITE_SQL_CHANGE;
    sqlite3_stmt *stmt = b->stmts[which];

    sqlite_bind_text(stmt, 1, o->bucket, strlen(o->bucket));
    sqlite_bind_int(stmt, 4, row->revision);
    if (!row->lazy) {
        const struct seal_place place = { 'c', o->bucket, "", "", row->revision };
        int rc = sqlite_bind_json(b, stmt, &place, o, err);

        if (rc < 0)
            return rc;
        sqlite_bind_int(stmt, 2, row->type);
    }
    return sqlite_run(b, which, err);
}

/* A file that shrank much gives its unused end back, a piece at a time. */
static int sqlite_give_back(struct backend_sqlite *b, struct err *err)
{
    sqlite3_stmt *stmt = b->stmts[SQLITE_SQL_UNUSED];
    int64_t unused = 0, pages = 0;

    if (sqlite3_step(stmt) == SQLITE_ROW) {
        unused = sqlite3_column_int64(stmt, 0);
        pages = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    if (unused < SQLITE_FREE_PAGES || unused < pages / 2)
        return 0;
    return sqlite_file_exec(b->db, b->path, "PRAGMA incremental_vacuum(512)", err);
}

static int sqlite_trim(struct backend_sqlite *b, struct sqlite_meta *meta, uint64_t oldest,
                       struct err *err)
{
    bool many = oldest >= meta->trimmed + SQLITE_TRIM_CHANGES;
    int rc;

    if (oldest <= meta->trimmed || (!many && meta->added < SQLITE_TRIM_BYTES))
        return 0;
    sqlite_bind_int(b->stmts[SQLITE_SQL_TRIM], 1, oldest);
    rc = sqlite_run(b, SQLITE_SQL_TRIM, err);
    if (rc < 0)
        return rc;
    if (sqlite3_changes(b->db) > 0 && meta->floor < oldest - 1)
        meta->floor = oldest - 1;
    meta->trimmed = oldest;
    meta->added = 0;
    return sqlite_give_back(b, err);
}

static int sqlite_write_meta(struct backend_sqlite *b, const struct sqlite_meta *meta,
                             struct err *err)
{
    if (meta->ceiling == b->meta.ceiling && meta->floor == b->meta.floor)
        return 0;
    sqlite_bind_int(b->stmts[SQLITE_SQL_META], 1, meta->ceiling);
    sqlite_bind_int(b->stmts[SQLITE_SQL_META], 2, meta->floor);
    return sqlite_run(b, SQLITE_SQL_META, err);
}

static int sqlite_write_rows(struct backend_sqlite *b, struct sqlite_meta *meta, struct err *err)
{
    const struct backend_batch *batch = b->batch;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->n_rows; i++) {
        const struct backend_row *row = &batch->rows[i];

        rc = sqlite_write_state(b, row, err);
        if (rc == 0)
            rc = sqlite_write_change(b, row, err);
        meta->added += row->lazy ? 0 : row->object->json_len;
    }
    if (rc == 0)
        rc = sqlite_trim(b, meta, batch->oldest, err);
    meta->ceiling = batch->ceiling;
    if (meta->floor < batch->floor)
        meta->floor = batch->floor;
    return rc < 0 ? rc : sqlite_write_meta(b, meta, err);
}

/* In WAL mode NORMAL syncs at checkpoints only: a commit may be lost with the power, what was
 * synced before is not.  https://www.sqlite.org/pragma.html#pragma_synchronous */
static int sqlite_set_sync(struct backend_sqlite *b, bool full, struct err *err)
{
    int rc;

    if (b->full == full)
        return 0;
    rc = sqlite_file_exec(b->db, b->path,
                          full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
    if (rc == 0)
        b->full = full;
    return rc;
}

static int sqlite_on_write(void *arg, struct err *err)
{
    struct backend_sqlite *b = arg;
    struct sqlite_meta meta = b->meta;
    int rc = sqlite_set_sync(b, b->batch->sync, err);

    if (rc == 0)
        rc = sqlite_run(b, SQLITE_SQL_BEGIN, err);
    if (rc == 0)
        rc = sqlite_write_rows(b, &meta, err);
    if (rc == 0)
        rc = sqlite_run(b, SQLITE_SQL_COMMIT, err);
    if (rc == 0)
        b->meta = meta;
    else if (!sqlite3_get_autocommit(b->db)) /* some errors roll back by themselves */
        sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static void sqlite_turn(struct backend_sqlite *b);

static void sqlite_on_written(void *arg, int rc, const struct err *err)
{
    struct backend_sqlite *b = arg;

    b->batch = NULL;
    b->busy = false;
    b->was_batch = true;
    b->done(b->done_arg, rc, err);
    sqlite_turn(b);
}

static void sqlite_commit(struct store_backend *base, const struct backend_batch *batch,
                          void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
    struct backend_sqlite *b = container_of(base, struct backend_sqlite, base);

    assert(!b->batch);
    b->batch = batch;
    b->done = done;
    b->done_arg = arg;
    sqlite_turn(b);
}

/* --- resealing --- */

static int sqlite_on_reseal(void *arg, struct err *err)
{
    struct backend_sqlite *b = arg;
    int rc = sqlite_set_sync(b, true, err);

    return rc < 0 ? rc : sqlite_reseal_step(&b->reseal, err);
}

static void sqlite_end_reseal(struct backend_sqlite *b, int rc, const struct err *err)
{
    void (*done)(void *, int, const struct err *) = STEAL(b->reseal_done);

    sqlite_reseal_fini(&b->reseal);
    done(b->reseal_arg, rc, err);
}

static void sqlite_on_resealed(void *arg, int rc, const struct err *err)
{
    struct backend_sqlite *b = arg;

    b->busy = false;
    b->was_batch = false;
    if (rc <= 0)
        sqlite_end_reseal(b, rc, err);
    sqlite_turn(b);
}

void backend_sqlite_seal(struct store_backend *base, struct seal *seal)
{
    container_of(base, struct backend_sqlite, base)->seal = seal;
}

void backend_sqlite_reseal(struct store_backend *base, bool rotate,
                           void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
    struct backend_sqlite *b = container_of(base, struct backend_sqlite, base);

    assert(b->seal != NULL && b->reseal_done == NULL && b->on_closed == NULL);
    b->reseal = (struct sqlite_reseal){
        .db = b->db, .path = b->path, .seal = b->seal, .rotate = rotate
    };
    b->reseal_done = done;
    b->reseal_arg = arg;
    sqlite_turn(b);
}

/* --- loading --- */

static void sqlite_on_tick(void *arg)
{
    struct backend_sqlite *b = arg;

    timer_start(b->flush_timer, b->base.lazy_flush_ms);
    if (b->base.flush)
        b->base.flush(b->base.store);
}

static int sqlite_load(struct store_backend *base, const struct backend_load *load, struct err *err)
{
    struct backend_sqlite *b = container_of(base, struct backend_sqlite, base);
    struct sqlite_loaded found;
    int rc = sqlite_load_tables(&found, b->db, b->path, b->seal, load, err);

    if (rc == 0)
        rc = sqlite_prepare(b, err);
    if (rc < 0)
        return rc;
    load->on_revision(load->arg, found.last, found.ceiling, found.floor);
    b->meta.ceiling = found.ceiling;
    b->meta.floor = found.floor;
    sqlite_file_accept(b->db);
    sqlite3_db_release_memory(b->db);
    if (b->base.lazy_flush_ms > 0)
        timer_start(b->flush_timer, b->base.lazy_flush_ms);
    return 0;
}

/* --- life --- */

static void sqlite_defer(struct store_backend *base, void (*fn)(void *arg), void *arg)
{
    loop_defer(container_of(base, struct backend_sqlite, base)->loop, fn, arg);
}

static int sqlite_on_close(void *arg, struct err *err)
{
    struct backend_sqlite *b = arg;

    (void)err;
    for (int i = 0; i < SQLITE_N_SQL; i++)
        sqlite3_finalize(b->stmts[i]);
    sqlite_file_closep(&b->db); /* writes the log back: not a thing for the loop */
    return 0;
}

static void sqlite_on_closed(void *arg, int rc, const struct err *err)
{
    struct backend_sqlite *b = arg;
    void (*on_closed)(void *arg) = b->on_closed;
    void *on_closed_arg = b->on_closed_arg;

    (void)rc;
    (void)err;
    text_fini(&b->sealed);
    free(b->path);
    free(b);
    on_closed(on_closed_arg);
}

static void sqlite_close(struct store_backend *base, void (*on_closed)(void *arg), void *arg)
{
    struct backend_sqlite *b = container_of(base, struct backend_sqlite, base);

    assert(!b->batch && !b->on_closed);
    b->on_closed = on_closed;
    b->on_closed_arg = arg;
    b->flush_timer = timer_close(b->flush_timer);
    sqlite_turn(b);
}

/* Whatever waits for the file gets it when it is free.  Between two batches resealing may do a
 * step; closing does not wait for more than that. */
static void sqlite_turn(struct backend_sqlite *b)
{
    struct err err = ERR_EMPTY;

    if (b->busy)
        return;
    if (b->on_closed != NULL && b->reseal_done != NULL)
        sqlite_end_reseal(b, err_set(&err, ERR_CANCELED, "closed"), &err);
    b->busy = b->batch != NULL || b->reseal_done != NULL || b->on_closed != NULL;
    if (b->reseal_done != NULL && (b->batch == NULL || b->was_batch))
        work_submit(b->loop, sqlite_on_reseal, sqlite_on_resealed, b);
    else if (b->batch != NULL)
        work_submit(b->loop, sqlite_on_write, sqlite_on_written, b);
    else if (b->on_closed != NULL)
        work_submit(b->loop, sqlite_on_close, sqlite_on_closed, b);
}

int backend_sqlite_open(struct store_backend **ret, uv_loop_t *loop, const char *path,
                        struct err *err)
{
    sqlite3 *db = NULL;
    struct backend_sqlite *b;
    int rc = sqlite_file_open(&db, path, &sqlite_format, err);

    if (rc < 0)
        return rc;
    b = MEM_NEW(struct backend_sqlite);
    *b = (struct backend_sqlite){
        .base = { .load = sqlite_load,
                  .commit = sqlite_commit,
                  .defer = sqlite_defer,
                  .close = sqlite_close,
                  .lazy_flush_ms = SQLITE_LAZY_FLUSH_MS },
        .loop = loop,
        .path = mem_str(path),
        .db = db,
        .full = true,
    };
    b->flush_timer = timer_new(loop, sqlite_on_tick, b);
    *ret = &b->base;
    return 0;
}
