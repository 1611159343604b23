#include "net/nft.h"

#include "base/child.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/nft_canary.h"

#include <stdlib.h>

struct nft {
    uv_loop_t *loop;
    struct nft_opts opts;
    struct timer *timer;       /* of settling, or until the next try */
    struct nft_canary *canary; /* NULL without a table to watch */
    struct child *child;       /* under way, or NULL */
    char *applying;            /* owned: what it carries out */
    char *applied;             /* owned: what holds; NULL = not known */
    bool is_dirty;             /* changed while the child was under way */
};

static void nft_run(void *arg);

static void nft_try_again(struct nft *n, const struct err *err)
{
    log_warn("rules not set", KV("of", "%s", n->opts.what), KV_ERR(err));
    timer_start(n->timer, NFT_RETRY_MS);
}

static void nft_on_end(void *arg, int rc, const struct child_result *result UNUSED,
                       const struct err *err)
{
    struct nft *n = arg;

    n->child = NULL;
    if (rc < 0) {
        free(STEAL(n->applying));
        nft_try_again(n, err);
        return;
    }
    free(n->applied);
    n->applied = STEAL(n->applying);
    if (n->canary != NULL)
        nft_canary_watch(n->canary, n->applied);
    if (n->is_dirty)
        nft_run(n);
}

static void nft_run(void *arg)
{
    static const char *const argv[] = { "nft", "-f", "-", NULL };
    struct nft *n = arg;
    struct child_spec spec = { .argv = argv, .deadline_ms = NFT_MS };
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    n->is_dirty = n->child != NULL;
    if (n->is_dirty)
        return;
    rc = n->opts.print(n->opts.arg, &t, &err);
    if (rc < 0)
        nft_try_again(n, &err);
    if (rc <= 0 || str_eq(n->applied, text_str(&t)))
        return;
    spec.input = t.data;
    spec.input_len = t.len;
    n->child = child_run(n->loop, &spec, nft_on_end, n);
    n->applying = text_take(&t);
}

static void nft_on_lost(void *arg)
{
    struct nft *n = arg;

    free(STEAL(n->applied));
    nft_run(n);
}

struct nft *nft_new(uv_loop_t *loop, const struct nft_opts *opts)
{
    struct nft *n = MEM_NEW(struct nft);

    n->loop = loop;
    n->opts = *opts;
    n->timer = timer_new(loop, nft_run, n);
    if (opts->table != NULL)
        n->canary = nft_canary_new(loop, opts->table, nft_on_lost, n);
    return n;
}

void nft_changed(struct nft *n)
{
    if (!timer_active(n->timer))
        timer_start(n->timer, n->opts.settle_ms);
}

struct nft *nft_close(struct nft *n)
{
    if (n == NULL)
        return NULL;
    if (n->child != NULL)
        child_cancel(n->child);
    timer_close(n->timer);
    nft_canary_close(n->canary);
    free(n->applying);
    free(n->applied);
    free(n);
    return NULL;
}
