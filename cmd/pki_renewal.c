#include "cmd/pki_renewal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/work.h"

/* The wall clock may jump: it is looked at at least so often. */
#define RENEWAL_LOOK_MS  (3600LL * 1000)
#define RENEWAL_LEAST_MS 100
#define RENEWAL_RETRY_MS 60000

struct pki_renewal {
    uv_loop_t *loop; /* borrowed */
    struct pki_renewal_opts opts;
    struct timer *timer;
    struct pki fresh; /* the worker's while busy */
    bool busy, closed;
};

static void renewal_wait(struct pki_renewal *r, int64_t least_ms)
{
    int64_t wait_ms = pki_renew_ms(r->opts.pki) - clock_wall_ms();

    if (wait_ms > RENEWAL_LOOK_MS)
        wait_ms = RENEWAL_LOOK_MS;
    timer_start(r->timer, wait_ms < least_ms ? least_ms : wait_ms);
}

static int renewal_on_run(void *arg, struct err *err)
{
    struct pki_renewal *r = arg;

    return pki_load(&r->fresh, r->opts.data_dir, &r->opts.names, err);
}

/* The pairs alone: others hold on to what never changes. */
static void renewal_take(struct pki_renewal *r)
{
    static const size_t pairs[] = { offsetof(struct pki, server), offsetof(struct pki, admin),
                                    offsetof(struct pki, node_client),
                                    offsetof(struct pki, entry) };

    for (size_t i = 0; i < N_ELEMENTS(pairs); i++) {
        struct tls_pair *now = (struct tls_pair *)(void *)((char *)r->opts.pki + pairs[i]);
        struct tls_pair *fresh = (struct tls_pair *)(void *)((char *)&r->fresh + pairs[i]);
        struct tls_pair old = *now;

        *now = *fresh;
        *fresh = old;
    }
    log_info("certificates renewed");
    r->opts.on_renewed(r->opts.arg);
    pki_fini(&r->fresh);
}

static void renewal_on_done(void *arg, int rc, const struct err *err)
{
    struct pki_renewal *r = arg;

    r->busy = false;
    if (r->closed) {
        pki_fini(&r->fresh);
        free(r);
        return;
    }
    if (rc < 0)
        log_warn("certificates not renewed, tried again in a minute", KV_ERR(err));
    else
        renewal_take(r);
    renewal_wait(r, rc < 0 ? RENEWAL_RETRY_MS : RENEWAL_LEAST_MS);
}

static void renewal_on_time(void *arg)
{
    struct pki_renewal *r = arg;

    if (pki_renew_ms(r->opts.pki) > clock_wall_ms()) {
        renewal_wait(r, RENEWAL_LEAST_MS);
        return;
    }
    r->busy = true;
    work_submit(r->loop, renewal_on_run, renewal_on_done, r);
}

struct pki_renewal *pki_renewal_new(uv_loop_t *loop, const struct pki_renewal_opts *opts)
{
    struct pki_renewal *r = MEM_NEW(struct pki_renewal);

    r->loop = loop;
    r->opts = *opts;
    r->opts.names.must_exist = true;
    r->timer = timer_new(loop, renewal_on_time, r);
    renewal_wait(r, RENEWAL_LEAST_MS);
    return r;
}

struct pki_renewal *pki_renewal_close(struct pki_renewal *r)
{
    if (r == NULL)
        return NULL;
    r->closed = true;
    r->timer = timer_close(r->timer);
    if (!r->busy)
        free(r);
    return NULL;
}
