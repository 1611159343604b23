#include "storage/sqlite_load.h"

#include "base/mem.h"
#include "storage/sqlite_file.h"

#include <string.h>

struct sqlite_reader {
    const struct backend_load *load;
    struct seal *seal;
    struct sqlite_loaded found;
    struct text open; /* the row's JSON, when it was sealed */
};

/* A damaged row may hold NULL where the schema forbids it; "" is refused further up. */
static const char *sqlite_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text ? text : "";
}

static void sqlite_reader_saw(struct sqlite_reader *r, uint64_t revision)
{
    if (r->found.last < revision)
        r->found.last = revision;
}

/* The JSON in @column, borrowed until the next row. */
static int sqlite_read_json(struct sqlite_reader *r, sqlite3_stmt *row, int column,
                            const struct seal_place *place, const char **ret, size_t *ret_len,
                            struct err *err)
{
    const void *data = sqlite3_column_blob(row, column);
    size_t len = (size_t)sqlite3_column_bytes(row, column);
    int rc;

    if (data == NULL || !seal_is_sealed(data, len)) {
        *ret = sqlite_text(row, column);
        *ret_len = (size_t)sqlite3_column_bytes(row, column);
        return 0;
    }
    if (r->seal == NULL)
        return err_set(err, ERR_CORRUPT, "it holds sealed records and no key was given");
    rc = seal_open(r->seal, &r->open, place, data, len, err);
    *ret = text_str(&r->open);
    *ret_len = r->open.len;
    return rc;
}

static int sqlite_read_object(struct sqlite_reader *r, sqlite3_stmt *row, struct err *err)
{
    const struct seal_place place = { .table = 'o',
                                      .bucket = sqlite_text(row, 0),
                                      .ns = sqlite_text(row, 3),
                                      .name = sqlite_text(row, 4),
                                      .revision = (uint64_t)sqlite3_column_int64(row, 1) };
    const char *json;
    size_t len;
    int rc = sqlite_read_json(r, row, 2, &place, &json, &len, err);

    if (rc < 0)
        return rc;
    sqlite_reader_saw(r, place.revision);
    return r->load->on_object(r->load->arg, place.bucket, place.revision, json, len, err);
}

static int sqlite_read_change(struct sqlite_reader *r, sqlite3_stmt *row, struct err *err)
{
    const struct seal_place place = { .table = 'c',
                                      .bucket = sqlite_text(row, 0),
                                      .ns = "",
                                      .name = "",
                                      .revision = (uint64_t)sqlite3_column_int64(row, 1) };
    int type = sqlite3_column_int(row, 3);
    const char *json;
    size_t len;
    int rc;

    if (type < STORE_ADDED || type > STORE_DELETED)
        return err_set(err, ERR_CORRUPT, "a change of unknown type %d", type);
    rc = sqlite_read_json(r, row, 2, &place, &json, &len, err);
    if (rc < 0)
        return rc;
    sqlite_reader_saw(r, place.revision);
    return r->load->on_change(r->load->arg, place.bucket, place.revision,
                              (enum store_change_type)type, json, len, err);
}

static int sqlite_read_forgotten(struct sqlite_reader *r, sqlite3_stmt *row, struct err *err)
{
    uint64_t revision = (uint64_t)sqlite3_column_int64(row, 1);

    (void)err;
    sqlite_reader_saw(r, revision);
    r->load->on_forgotten(r->load->arg, sqlite_text(row, 0), revision);
    return 0;
}

static int sqlite_read_meta(struct sqlite_reader *r, sqlite3_stmt *row, struct err *err)
{
    r->found.ceiling = (uint64_t)sqlite3_column_int64(row, 0);
    r->found.floor = (uint64_t)sqlite3_column_int64(row, 1);
    if (r->found.ceiling < r->found.last)
        return err_set(err, ERR_CORRUPT, "revisions are above the ceiling");
    return 0;
}

/* In the order of struct backend_load; meta last, when the newest revision is known. */
static const struct {
    const char *sql;
    int (*read)(struct sqlite_reader *r, sqlite3_stmt *row, struct err *err);
} sqlite_tables[] = {
    { "SELECT bucket, revision, json, ns, name FROM objects", sqlite_read_object },
    { "SELECT bucket, revision, json, type FROM changes ORDER BY revision", sqlite_read_change },
    { "SELECT bucket, revision FROM forgotten", sqlite_read_forgotten },
    { "SELECT ceiling, floor FROM meta", sqlite_read_meta },
};

static int sqlite_read_table(struct sqlite_reader *r, sqlite3 *db, const char *path, size_t table,
                             struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = 0, code;

    code = sqlite3_prepare_v2(db, sqlite_tables[table].sql, -1, &stmt, NULL);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(stmt);
        if (code != SQLITE_ROW)
            break;
        rc = sqlite_tables[table].read(r, stmt, err);
        if (rc < 0)
            break;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = sqlite_file_err(err, db, path);
    else if (rc == ERR_CORRUPT)
        sqlite_file_damaged(err, path);
    sqlite3_finalize(stmt);
    return rc;
}

int sqlite_load_tables(struct sqlite_loaded *ret, sqlite3 *db, const char *path, struct seal *seal,
                       const struct backend_load *load, struct err *err)
{
    struct sqlite_reader reader = { .load = load, .seal = seal, .open = TEXT_EMPTY };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < N_ELEMENTS(sqlite_tables); i++)
        rc = sqlite_read_table(&reader, db, path, i, err);
    if (reader.open.cap > 0)
        explicit_bzero(reader.open.data, reader.open.cap);
    text_fini(&reader.open);
    *ret = reader.found;
    return rc;
}
