#include "api/csr_signer.h"

#include "api/csr.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define CSR_SIGNER_RETRY_MS 10000
#define CSR_SIGNER_AT_ONCE  32 /* signatures per turn of the loop: a millisecond each */

struct csr_signer {
    struct registry *registry; /* borrowed */
    const struct tls_pair *ca; /* borrowed */
    int64_t max_seconds;
    struct timer *timer; /* owned */
    struct store_cursor *cursor;
    bool walk; /* all of them are to be looked at again */
    bool closed;
    size_t n_writes; /* under way; they hold the memory */
};

static void csr_signer_settle(struct csr_signer *s)
{
    if (s->closed && s->n_writes == 0)
        free(s);
}

static void csr_signer_on_wake(void *arg)
{
    struct csr_signer *s = arg;

    timer_start(s->timer, 0);
}

/* --- one request --- */

static void csr_signer_on_written(void *arg, const struct registry_answer *answer)
{
    struct csr_signer *s = arg;

    s->n_writes--;
    /* Changed or deleted meanwhile: its newest state comes by itself. */
    if (answer->http >= 400 && answer->http != 404 && answer->http != 409 && !s->closed) {
        log_warn("certificate not stored",
                 KV("why", "%s", json_str_or(answer->body, "message", "unknown error")));
        s->walk = true;
        timer_start(s->timer, CSR_SIGNER_RETRY_MS);
    }
    csr_signer_settle(s);
}

static void csr_signer_write(struct csr_signer *s, const struct object *o, json_t *tree)
{
    const struct registry_request req = { .verb = REGISTRY_UPDATE,
                                          .resource = schema_bucket(CSR_BUCKET),
                                          .sub = "status",
                                          .ns = "",
                                          .name = o->name,
                                          .body = tree,
                                          .user = &registry_itself,
                                          .grace_seconds = -1 };

    s->n_writes++;
    registry_write(s->registry, &req, csr_signer_on_written, s);
}

static void csr_signer_put_failure(json_t *tree, const struct err *why)
{
    char now[CLOCK_TEXT_MAX];

    clock_print(now, clock_wall_ms());
    json_array_append_new(json_at(tree, "status.conditions"),
                          json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "Failed", "status", "True",
                                    "reason", "SignerValidationFailure", "message", why->text,
                                    "lastUpdateTime", now));
}

/* True: something was done about it. */
static bool csr_signer_look(struct csr_signer *s, const struct object *o)
{
    cleanup(json_decrefpp) json_t *tree = object_tree(o);
    cleanup(freep) char *pem = NULL;
    cleanup(text_fini) struct text encoded = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    if (!csr_is_due(tree))
        return false;
    rc = csr_check(tree, &err);
    if (rc == CSR_FOREIGN)
        return false;
    if (rc < 0) {
        csr_signer_put_failure(tree, &err);
    } else if (csr_issue(&pem, tree, s->ca, s->max_seconds, &err) < 0) {
        log_warn("certificate not signed", KV("request", "%s", o->name), KV_ERR(&err));
        return true;
    } else {
        bits_base64(&encoded, pem, strlen(pem));
        json_put_str(tree, "status.certificate", text_str(&encoded));
        log_info("certificate signed", KV("request", "%s", o->name),
                 KV("signer", "%s", json_str_or(tree, "spec.signerName", "")),
                 KV("user", "%s", json_str_or(tree, "spec.username", "")));
    }
    csr_signer_write(s, o, tree);
    return true;
}

/* --- all of them --- */

/* Writes may not change what is being walked: who is due is noted first. */
static void csr_signer_walk(struct csr_signer *s)
{
    struct store *store = registry_store(s->registry);
    const struct object **due = NULL;
    const struct object *o;
    struct store_iter it;
    size_t n = 0;

    s->walk = false;
    s->cursor = store_cursor_free(s->cursor);
    if (store_cursor_new(&s->cursor, store, CSR_BUCKET, store_revision(store), csr_signer_on_wake,
                         s) != 0) {
        s->walk = true;
        timer_start(s->timer, CSR_SIGNER_RETRY_MS);
        return;
    }
    store_iter_init(&it, store, CSR_BUCKET, NULL, NULL, NULL);
    while ((o = store_iter_next(&it)) != NULL) {
        due = mem_grow(due, n + 1, sizeof(const struct object *));
        due[n++] = object_ref(o);
    }
    for (size_t i = 0; i < n; i++) {
        csr_signer_look(s, due[i]);
        object_unref(due[i]);
    }
    free(due);
}

static void csr_signer_on_time(void *arg)
{
    struct csr_signer *s = arg;
    struct store_change change;
    int rc = 0;

    if (s->walk)
        csr_signer_walk(s);
    for (int done = 0; s->cursor != NULL && done < CSR_SIGNER_AT_ONCE;) {
        rc = store_cursor_next(s->cursor, &change);
        if (rc != 1)
            break;
        if (change.type != STORE_DELETED) {
            cleanup(object_unrefp) struct object *o = object_ref(change.object);

            done += csr_signer_look(s, o);
        }
    }
    if (rc == STORE_TOO_OLD)
        s->walk = true;
    if (rc != 0)
        timer_start(s->timer, 0);
}

/* --- life --- */

struct csr_signer *csr_signer_new(uv_loop_t *loop, struct registry *registry,
                                  const struct tls_pair *ca, int64_t max_seconds)
{
    struct csr_signer *s = MEM_NEW(struct csr_signer);

    s->registry = registry;
    s->ca = ca;
    s->max_seconds = max_seconds;
    s->timer = timer_new(loop, csr_signer_on_time, s);
    s->walk = true;
    timer_start(s->timer, 0);
    return s;
}

struct csr_signer *csr_signer_close(struct csr_signer *s)
{
    if (s == NULL)
        return NULL;
    assert(!s->closed);
    s->closed = true;
    s->cursor = store_cursor_free(s->cursor);
    s->timer = timer_close(s->timer);
    csr_signer_settle(s);
    return NULL;
}
