#include "storage/sqlite_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long to wait for a process that is just ending. */
#define SQLITE_FILE_BUSY_MS 250

/* Offsets in the header: https://www.sqlite.org/fileformat2.html, 1.3 */
#define SQLITE_HEADER_SIZE        100
#define SQLITE_HEADER_VERSION     60
#define SQLITE_HEADER_APPLICATION 68
static const char sqlite_magic[16] = "SQLite format 3";

enum sqlite_found {
    SQLITE_FOUND_NONE,
    SQLITE_FOUND_CLEAN,
    SQLITE_FOUND_UNCLEAN, /* a log is beside it: it was not closed */
};

/* --- errors --- */

int sqlite_file_err(struct err *err, sqlite3 *db, const char *path)
{
    int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    const char *text = db ? sqlite3_errmsg(db) : "out of memory";

    switch (code & 0xff) {
    case SQLITE_FULL: return err_set(err, ERR_NOSPACE, "%s: %s", path, text);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        err_set(err, ERR_CORRUPT, "%s", text);
        return sqlite_file_damaged(err, path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_UNAVAILABLE, "%s is in use by another process: stop that one first",
                       path);
    default: return err_set(err, ERR_IO, "%s: %s", path, text);
    }
}

int sqlite_file_damaged(struct err *err, const char *path)
{
    struct err why = *err;

    return err_set(
        err, ERR_CORRUPT,
        "%s is damaged: %s; restore a backup, or move it (and %s-wal) away to start empty", path,
        why.text, path);
}

static int sqlite_file_foreign(struct err *err, const char *path, const char *why)
{
    return err_set(err, ERR_CORRUPT, "%s %s: move it away, or name another file", path, why);
}

static int sqlite_file_newer(struct err *err, const char *path, unsigned version, unsigned ours)
{
    return err_set(err, ERR_CORRUPT,
                   "%s was written by a newer program (format %u, this one knows up to %u): "
                   "use that program, or restore a backup made before the upgrade",
                   path, version, ours);
}

int sqlite_file_exec(sqlite3 *db, const char *path, const char *sql, struct err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_file_err(err, db, path);
    return 0;
}

void sqlite_file_closep(sqlite3 **db)
{
    int rc = sqlite3_close(*db);

    assert(rc == SQLITE_OK); /* else a statement was not finalized */
    (void)rc;
    *db = NULL;
}

/* --- a look without SQLite, which could not promise to leave the file alone --- */

static uint32_t sqlite_header_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool sqlite_file_has_log(const char *path)
{
    cleanup(freep) char *wal = mem_fmt("%s-wal", path);
    struct stat st;

    return stat(wal, &st) == 0 && st.st_size > 0;
}

/* A log without its file would be played into a new one. */
static int sqlite_file_look_absent(const char *path, struct err *err)
{
    if (sqlite_file_has_log(path))
        return err_set(
            err, ERR_CORRUPT,
            "%s is missing but %s-wal is there: put it back, or remove that too to start "
            "empty",
            path, path);
    return SQLITE_FOUND_NONE;
}

static int sqlite_file_look_header(const char *path, const unsigned char *header,
                                   const struct sqlite_format *format, struct err *err)
{
    uint32_t version = sqlite_header_u32(header + SQLITE_HEADER_VERSION);

    if (memcmp(header, sqlite_magic, sizeof(sqlite_magic)) != 0)
        return sqlite_file_foreign(err, path, "is not a database");
    if (sqlite_header_u32(header + SQLITE_HEADER_APPLICATION) != format->application_id)
        return sqlite_file_foreign(err, path, "is the database of another program");
    if (version > format->n_steps)
        return sqlite_file_newer(err, path, version, format->n_steps);
    return sqlite_file_has_log(path) ? SQLITE_FOUND_UNCLEAN : SQLITE_FOUND_CLEAN;
}

/* Closes its descriptor before SQLite opens one: closing any drops a process's locks. */
static int sqlite_file_look(const char *path, const struct sqlite_format *format, struct err *err)
{
    unsigned char header[SQLITE_HEADER_SIZE];
    cleanup(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return sqlite_file_look_absent(path, err);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return sqlite_file_foreign(err, path, "is not a regular file");
    n = pread(fd, header, sizeof(header), 0);
    if (n < 0)
        return err_errno(err, errno, "%s", path);
    if (n == 0) {
        err_set(err, ERR_CORRUPT, "it is empty");
        return sqlite_file_damaged(err, path);
    }
    if ((size_t)n < sizeof(header))
        return sqlite_file_foreign(err, path, "is not a database");
    return sqlite_file_look_header(path, header, format, err);
}

/* --- versions --- */

static int sqlite_file_u32(sqlite3 *db, const char *path, const char *pragma, unsigned *ret,
                           struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL);

    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        *ret = (unsigned)sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
        return 0;
    }
    rc = sqlite_file_err(err, db, path);
    sqlite3_finalize(stmt);
    return rc;
}

/* One step and its number in one transaction: a power cut leaves the version before or after. */
static int sqlite_file_step(sqlite3 *db, const char *path, const struct sqlite_format *format,
                            unsigned from, struct err *err)
{
    cleanup(freep) char *sql = mem_fmt("BEGIN; %s; PRAGMA user_version = %u; COMMIT;",
                                       format->steps[from], from + 1);
    int rc = sqlite_file_exec(db, path, sql, err);

    if (rc < 0 && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc < 0 ? err_wrap(err, rc, "upgrade from format %u", from) : 0;
}

static int sqlite_file_upgrade(sqlite3 *db, const char *path, const struct sqlite_format *format,
                               unsigned version, struct err *err)
{
    for (; version < format->n_steps; version++) {
        int rc = sqlite_file_step(db, path, format, version, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- making --- */

static int sqlite_file_connect(sqlite3 **ret, const char *path, struct err *err)
{
    cleanup(sqlite_file_closep) sqlite3 *db = NULL;
    /* One thread at a time uses it, so that it needs no locks of its own. */
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return sqlite_file_err(err, db, path);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, SQLITE_FILE_BUSY_MS);
    *ret = STEAL(db);
    return 0;
}

static int sqlite_file_fill(const char *path, const struct sqlite_format *format, struct err *err)
{
    cleanup(sqlite_file_closep) sqlite3 *db = NULL;
    cleanup(freep) char *sql = mem_fmt("PRAGMA auto_vacuum = INCREMENTAL;"
                                       "PRAGMA application_id = %" PRIu32 ";",
                                       format->application_id);
    int rc = sqlite_file_connect(&db, path, err);

    if (rc < 0)
        return rc;
    rc = sqlite_file_exec(db, path, sql, err);
    return rc < 0 ? rc : sqlite_file_upgrade(db, path, format, 0, err);
}

/* Under another name until it is whole, so that a power cut leaves no half-made file behind that
 * would be refused ever after.  Only for root's eyes: Secrets are inside. */
static int sqlite_file_make(const char *path, const struct sqlite_format *format, struct err *err)
{
    cleanup(freep) char *fresh = mem_fmt("%s-new", path);
    cleanup(freep) char *journal = mem_fmt("%s-journal", fresh);
    cleanup(freep) char *dir = mem_str(path);
    cleanup(closep) int fd = -1;
    char *slash = strrchr(dir, '/');
    int rc;

    unlink(fresh);
    unlink(journal);
    fd = open(fresh, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(err, errno, "%s", fresh);
    rc = sqlite_file_fill(fresh, format, err);
    if (rc < 0) {
        unlink(fresh);
        return rc;
    }
    if (rename(fresh, path) < 0)
        return err_errno(err, errno, "rename %s to %s", fresh, path);
    if (slash == dir)
        slash++;
    if (slash)
        *slash = '\0';
    return file_sync_dir(slash ? dir : ".", err);
}

/* --- opening --- */

static int sqlite_file_check(sqlite3 *db, const char *path, struct err *err)
{
    sqlite3_stmt *stmt = NULL;
    const char *text = NULL;
    int rc = 0;

    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(stmt, 0);
    if (!text) {
        rc = sqlite_file_err(err, db, path);
    } else if (!str_eq(text, "ok")) {
        err_set(err, ERR_CORRUPT, "%s", text);
        rc = sqlite_file_damaged(err, path);
    }
    sqlite3_finalize(stmt);
    return rc;
}

/* The header may lag behind the log, so that versions are looked at again through SQLite. */
static int sqlite_file_admit(sqlite3 *db, const char *path, const struct sqlite_format *format,
                             bool unclean, struct err *err)
{
    unsigned version = 0;
    int rc;

    /* Exclusive before the first access: no shared memory file, and no second process. */
    rc = sqlite_file_exec(db, path, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;",
                          err);
    if (rc == 0)
        rc = sqlite_file_u32(db, path, "PRAGMA user_version", &version, err);
    if (rc < 0)
        return rc;
    if (version > format->n_steps)
        return sqlite_file_newer(err, path, version, format->n_steps);
    if (unclean || version < format->n_steps)
        rc = sqlite_file_check(db, path, err);
    return rc < 0 ? rc : sqlite_file_upgrade(db, path, format, version, err);
}

int sqlite_file_open(sqlite3 **ret, const char *path, const struct sqlite_format *format,
                     struct err *err)
{
    cleanup(sqlite_file_closep) sqlite3 *db = NULL;
    int found = sqlite_file_look(path, format, err);
    int rc = found < 0 ? found : 0;

    if (found == SQLITE_FOUND_NONE)
        rc = sqlite_file_make(path, format, err);
    if (rc == 0)
        rc = sqlite_file_connect(&db, path, err);
    if (rc < 0)
        return rc;
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = sqlite_file_admit(db, path, format, found == SQLITE_FOUND_UNCLEAN, err);
    if (rc == 0)
        rc = sqlite_file_exec(db, path,
                              "PRAGMA journal_mode = WAL;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA wal_autocheckpoint = 1000;"
                              "PRAGMA journal_size_limit = 8388608;"
                              "PRAGMA cache_size = -1024;"
                              "PRAGMA temp_store = MEMORY;"
                              "PRAGMA secure_delete = FAST;"
                              "PRAGMA cell_size_check = ON;"
                              "PRAGMA trusted_schema = OFF;",
                              err);
    if (rc < 0)
        return rc;
    *ret = STEAL(db);
    return 0;
}

void sqlite_file_accept(sqlite3 *db)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}
