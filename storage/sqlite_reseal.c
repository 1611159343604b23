#include "storage/sqlite_reseal.h"

#include "base/mem.h"
#include "storage/sqlite_file.h"

#include <string.h>

/* Of one step: commits that wait meanwhile wait for so much. */
#define SQLITE_RESEAL_ROWS  64
#define SQLITE_RESEAL_BYTES (1u << 20)

void sqlite_reseal_fini(struct sqlite_reseal *r)
{
    text_fini(&r->ns);
    text_fini(&r->name);
}

static int sqlite_reseal_exec(struct sqlite_reseal *r, const char *sql, struct err *err)
{
    return sqlite_file_exec(r->db, r->path, sql, err);
}

static void sqlite_finalizep(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}

static int sqlite_reseal_prepare(struct sqlite_reseal *r, sqlite3_stmt **ret, const char *sql,
                                 struct err *err)
{
    if (sqlite3_prepare_v2(r->db, sql, -1, ret, NULL) != SQLITE_OK)
        return sqlite_file_err(err, r->db, r->path);
    return 0;
}

/* --- one record --- */

/* What there is of a record at @column, under the key of now; positive 1: it is already. */
static int sqlite_reseal_record(struct sqlite_reseal *r, struct text *ret,
                                const struct seal_place *place, sqlite3_stmt *row, int column,
                                struct err *err)
{
    const void *data = sqlite3_column_blob(row, column);
    size_t len = (size_t)sqlite3_column_bytes(row, column);
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    int rc;

    if (seal_is_current(r->seal, data, len))
        return 1;
    if (!seal_is_sealed(data, len))
        return seal_close(r->seal, ret, place, data, len, err);
    rc = seal_open(r->seal, &plain, place, data, len, err);
    if (rc == 0)
        rc = seal_close(r->seal, ret, place, plain.data, plain.len, err);
    if (plain.cap > 0)
        explicit_bzero(plain.data, plain.cap);
    return rc;
}

static int sqlite_reseal_write(struct sqlite_reseal *r, const char *sql, sqlite3_int64 row_id,
                               const struct text *sealed, struct err *err)
{
    cleanup(sqlite_finalizep) sqlite3_stmt *stmt = NULL;
    int rc = sqlite_reseal_prepare(r, &stmt, sql, err);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(stmt, 1, row_id);
    sqlite3_bind_blob64(stmt, 2, sealed->data, sealed->len, SQLITE_STATIC);
    return sqlite3_step(stmt) == SQLITE_DONE ? 0 : sqlite_file_err(err, r->db, r->path);
}

/* --- one row after the last one; positive 1: there is none --- */

static int sqlite_reseal_object(struct sqlite_reseal *r, size_t *bytes, struct err *err)
{
    static const char next[] = "SELECT rowid, ns, name, revision, json FROM objects"
                               " WHERE bucket = ?1 AND (ns, name) > (?2, ?3)"
                               " ORDER BY ns, name LIMIT 1";
    cleanup(sqlite_finalizep) sqlite3_stmt *row = NULL;
    cleanup(text_fini) struct text sealed = TEXT_EMPTY;
    struct seal_place place = { .table = 'o', .bucket = SEAL_BUCKET };
    int rc = sqlite_reseal_prepare(r, &row, next, err);
    int code;

    if (rc < 0)
        return rc;
    sqlite3_bind_text(row, 1, SEAL_BUCKET, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 2, text_str(&r->ns), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(row, 3, text_str(&r->name), -1, SQLITE_TRANSIENT);
    code = sqlite3_step(row);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? 1 : sqlite_file_err(err, r->db, r->path);
    text_clear(&r->ns);
    text_puts(&r->ns, (const char *)sqlite3_column_text(row, 1));
    text_clear(&r->name);
    text_puts(&r->name, (const char *)sqlite3_column_text(row, 2));
    place.ns = text_str(&r->ns);
    place.name = text_str(&r->name);
    place.revision = (uint64_t)sqlite3_column_int64(row, 3);
    rc = sqlite_reseal_record(r, &sealed, &place, row, 4, err);
    *bytes += sealed.len;
    if (rc == 0)
        rc = sqlite_reseal_write(r, "UPDATE objects SET json = ?2 WHERE rowid = ?1",
                                 sqlite3_column_int64(row, 0), &sealed, err);
    return rc < 0 ? rc : 0;
}

static int sqlite_reseal_change(struct sqlite_reseal *r, size_t *bytes, struct err *err)
{
    static const char next[] = "SELECT revision, json FROM changes"
                               " WHERE revision > ?1 AND bucket = ?2 ORDER BY revision LIMIT 1";
    cleanup(sqlite_finalizep) sqlite3_stmt *row = NULL;
    cleanup(text_fini) struct text sealed = TEXT_EMPTY;
    struct seal_place place = { .table = 'c', .bucket = SEAL_BUCKET, .ns = "", .name = "" };
    int rc = sqlite_reseal_prepare(r, &row, next, err);
    int code;

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(row, 1, (sqlite3_int64)r->revision);
    sqlite3_bind_text(row, 2, SEAL_BUCKET, -1, SQLITE_STATIC);
    code = sqlite3_step(row);
    if (code != SQLITE_ROW)
        return code == SQLITE_DONE ? 1 : sqlite_file_err(err, r->db, r->path);
    place.revision = r->revision = (uint64_t)sqlite3_column_int64(row, 0);
    rc = sqlite_reseal_record(r, &sealed, &place, row, 1, err);
    *bytes += sealed.len;
    if (rc == 0)
        rc = sqlite_reseal_write(r, "UPDATE changes SET json = ?2 WHERE revision = ?1",
                                 (sqlite3_int64)place.revision, &sealed, err);
    return rc < 0 ? rc : 0;
}

/* --- steps --- */

/* Positive 1: the table is through. */
static int sqlite_reseal_rows(struct sqlite_reseal *r,
                              int (*one)(struct sqlite_reseal *r, size_t *bytes, struct err *err),
                              struct err *err)
{
    size_t bytes = 0;
    int end = 0;
    /* What is overwritten is of use to who has an old key. */
    int rc = sqlite_reseal_exec(r, "PRAGMA secure_delete = ON; BEGIN", err);

    if (rc < 0)
        return rc;
    for (int i = 0; end == 0 && i < SQLITE_RESEAL_ROWS && bytes < SQLITE_RESEAL_BYTES; i++)
        end = one(r, &bytes, err);
    rc = end < 0 ? end : sqlite_reseal_exec(r, "COMMIT", err);
    if (rc < 0 && !sqlite3_get_autocommit(r->db))
        sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_exec(r->db, "PRAGMA secure_delete = FAST", NULL, NULL, NULL);
    return rc < 0 ? rc : end;
}

static int sqlite_reseal_key(struct sqlite_reseal *r, struct err *err)
{
    int rc = r->rotate ? seal_add_key(r->seal, err) : 0;

    return rc < 0 ? rc : 1;
}

/* Nothing to do is the usual case at start, and costs nothing then. */
static int sqlite_reseal_look(struct sqlite_reseal *r, struct err *err)
{
    cleanup(sqlite_finalizep) sqlite3_stmt *stmt = NULL;
    int rc = sqlite_reseal_prepare(r, &stmt, "SELECT sealed FROM meta", err);

    if (rc < 0)
        return rc;
    if (sqlite3_step(stmt) != SQLITE_ROW)
        return sqlite_file_err(err, r->db, r->path);
    r->swept = sqlite3_column_int(stmt, 0) != 0;
    if (r->swept && seal_n_keys(r->seal) == 1)
        r->phase = SQLITE_RESEAL_DONE - 1;
    return 1;
}

static int sqlite_reseal_objects(struct sqlite_reseal *r, struct err *err)
{
    return sqlite_reseal_rows(r, sqlite_reseal_object, err);
}

static int sqlite_reseal_changes(struct sqlite_reseal *r, struct err *err)
{
    return sqlite_reseal_rows(r, sqlite_reseal_change, err);
}

/* Made anew from what is in use.  The copy it goes through may be large: in a file, then. */
static int sqlite_reseal_sweep(struct sqlite_reseal *r, struct err *err)
{
    int rc = r->swept ? 0
                      : sqlite_reseal_exec(r,
                                           "PRAGMA temp_store = FILE; VACUUM;"
                                           "PRAGMA temp_store = MEMORY",
                                           err);

    sqlite3_exec(r->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    return rc < 0 ? rc : 1;
}

/* The log holds older pages until it is cut. */
static int sqlite_reseal_end(struct sqlite_reseal *r, struct err *err)
{
    int rc = 0;

    if (sqlite3_wal_checkpoint_v2(r->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        rc = sqlite_file_err(err, r->db, r->path);
    if (rc == 0 && !r->swept)
        rc = sqlite_reseal_exec(r, "UPDATE meta SET sealed = 1", err);
    if (rc == 0)
        rc = seal_drop_old(r->seal, err);
    return rc < 0 ? rc : 1;
}

int sqlite_reseal_step(struct sqlite_reseal *r, struct err *err)
{
    /* Each returns 1 when its phase is over. */
    static int (*const phases[SQLITE_RESEAL_DONE])(struct sqlite_reseal * r, struct err * err) = {
        [SQLITE_RESEAL_KEY] = sqlite_reseal_key,
        [SQLITE_RESEAL_LOOK] = sqlite_reseal_look,
        [SQLITE_RESEAL_OBJECTS] = sqlite_reseal_objects,
        [SQLITE_RESEAL_CHANGES] = sqlite_reseal_changes,
        [SQLITE_RESEAL_SWEEP] = sqlite_reseal_sweep,
        [SQLITE_RESEAL_END] = sqlite_reseal_end,
    };
    int rc = phases[r->phase](r, err);

    if (rc < 0)
        return rc;
    r->phase += rc == 1;
    return r->phase != SQLITE_RESEAL_DONE;
}
