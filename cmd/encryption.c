#include "cmd/encryption.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "storage/backend.h"
#include "storage/seal.h"

#include <string.h>

#define ENCRYPTION_RETRY_MS 60000

struct encryption {
    struct seal *seal;             /* the backend's worker has it while resealing */
    struct store_backend *backend; /* borrowed; NULL once stopped */
    struct timer *retry;
    bool busy, rotates;
    char key[SEAL_ID_HEX]; /* what is known between two runs */
    unsigned n_keys;
    struct err last; /* why the last run failed */
};

static void encryption_note(struct encryption *e)
{
    seal_active_id(e->seal, e->key);
    e->n_keys = seal_n_keys(e->seal);
}

static void encryption_on_done(void *arg, int rc, const struct err *err)
{
    struct encryption *e = arg;
    bool rotated = e->rotates;

    e->busy = e->rotates = false;
    encryption_note(e);
    e->last = rc < 0 ? *err : (struct err)ERR_EMPTY;
    if (rc == 0 && rotated)
        log_info("Secrets are sealed with a new key", KV("key", "%s", e->key));
    if (rc == 0 || rc == ERR_CANCELED || e->backend == NULL)
        return;
    log_warn("not all Secrets are under the newest key, tried again in a minute", KV_ERR(err));
    timer_start(e->retry, ENCRYPTION_RETRY_MS);
}

static void encryption_begin(struct encryption *e, bool rotate)
{
    timer_stop(e->retry);
    e->busy = true;
    e->rotates = rotate;
    backend_sqlite_reseal(e->backend, rotate, encryption_on_done, e);
}

static void encryption_on_retry(void *arg)
{
    struct encryption *e = arg;

    if (!e->busy)
        encryption_begin(e, false);
}

int encryption_rotate(struct encryption *e, struct err *err)
{
    if (e->backend == NULL)
        return err_set(err, ERR_UNAVAILABLE, "the server is shutting down");
    if (e->busy)
        return err_set(err, ERR_CONFLICT, "Secrets are being rewritten already");
    encryption_begin(e, true);
    return 0;
}

json_t *encryption_status(const struct encryption *e)
{
    json_t *status = json_pack("{s:s, s:s, s:i, s:b}", "file", seal_path(e->seal), "key", e->key,
                               "keys", (int)e->n_keys, "rotating", e->busy);

    if (e->last.code != 0)
        json_put_str(status, "error", e->last.text);
    return status;
}

/* The first key is made only after the store was read: if Secrets are sealed and the key file is
 * gone, it is the old one that is needed. */
int encryption_open(struct encryption **ret, struct store **ret_store, uv_loop_t *loop,
                    const char *data_dir, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/state.db", data_dir);
    cleanup(freep) char *keys = mem_fmt("%s/pki/secrets.key", data_dir);
    struct store_opts opts = { 0 };
    struct encryption *e = MEM_NEW(struct encryption);
    struct store_backend *backend;
    int rc;

    *ret = e;
    rc = seal_new(&e->seal, keys, err);
    if (rc == 0)
        rc = backend_sqlite_open(&backend, loop, path, err);
    if (rc < 0)
        return rc;
    backend_sqlite_seal(backend, e->seal);
    rc = store_open(ret_store, backend, &opts, err);
    if (rc == ERR_NOT_FOUND) /* of the key: data that is refused */
        rc = err->code = ERR_CORRUPT;
    if (rc == 0)
        rc = seal_ensure(e->seal, err);
    if (rc < 0)
        return rc;
    e->backend = backend;
    e->retry = timer_new(loop, encryption_on_retry, e);
    encryption_note(e);
    encryption_begin(e, false);
    return 0;
}

void encryption_stop(struct encryption *e)
{
    if (e == NULL)
        return;
    e->backend = NULL;
    e->retry = timer_close(e->retry);
}

struct encryption *encryption_free(struct encryption *e)
{
    if (e != NULL)
        seal_free(e->seal);
    free(e);
    return NULL;
}
