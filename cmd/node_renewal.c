#include "cmd/node_renewal.h"

#include "api/conditions.h"
#include "api/csr.h"
#include "base/bits.h"
#include "base/cert_life.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/work.h"

#include <string.h>

#define RENEWAL_PATH        "/apis/certificates.k8s.io/v1/certificatesigningrequests"
/* The wall clock may jump: it is looked at at least so often. */
#define RENEWAL_LOOK_MS     (3600LL * 1000)
#define RENEWAL_LEAST_MS    100
#define RENEWAL_POLL_MS     500
#define RENEWAL_POLLS       120 /* then it is asked anew */
#define RENEWAL_BACKOFF_MS  1000
#define RENEWAL_BACKOFF_MAX (600LL * 1000)
#define RENEWAL_SAY_MS      (24LL * 3600 * 1000)

/*  RESTING -> ASKING -> WAITING (-> WAITING ...) -> SAVING -> RESTING */
struct node_renewal {
    uv_loop_t *loop; /* borrowed */
    struct node_renewal_opts opts;
    struct timer *timer;
    bool serving;         /* which of the two is being renewed */
    char *key_pem, *name; /* owned: of the request under way */
    unsigned polls;
    int64_t backoff_ms, said_ms;
    struct client_call *call; /* NULL: none under way */
    struct identity fresh;    /* the worker's while saving */
    bool saving, closed;
};

static void renewal_forget(struct node_renewal *r)
{
    free(STEAL(r->key_pem));
    free(STEAL(r->name));
    r->polls = 0;
}

/* When the earlier of the two is due; the client certificate first when both are. */
static int64_t renewal_due_ms(struct node_renewal *r)
{
    struct cert_life client = { .renew_ms = 0 }, serving = { .renew_ms = 0 };
    struct err err = ERR_EMPTY;

    cert_life_read(&client, r->opts.id->client.cert_pem, &err);
    cert_life_read(&serving, r->opts.id->serving.cert_pem, &err);
    r->serving = serving.renew_ms < client.renew_ms && client.renew_ms > clock_wall_ms();
    return r->serving ? serving.renew_ms : client.renew_ms;
}

static void renewal_rest(struct node_renewal *r)
{
    int64_t wait_ms = renewal_due_ms(r) - clock_wall_ms();

    r->backoff_ms = RENEWAL_BACKOFF_MS;
    if (wait_ms > RENEWAL_LOOK_MS)
        wait_ms = RENEWAL_LOOK_MS;
    timer_start(r->timer, wait_ms < RENEWAL_LEAST_MS ? RENEWAL_LEAST_MS : wait_ms);
}

static bool renewal_is_over(const struct node_renewal *r)
{
    struct err err = ERR_EMPTY;
    struct cert_life life;

    return cert_life_read(&life, r->opts.id->client.cert_pem, &err) == 0 &&
           life.expiry_ms <= clock_wall_ms();
}

static void renewal_fail(struct node_renewal *r, const struct err *err)
{
    renewal_forget(r);
    if (!renewal_is_over(r)) {
        log_warn("certificate not renewed, tried again",
                 KV("which", "%s", r->serving ? "serving" : "client"),
                 KV("in_ms", "%lld", (long long)r->backoff_ms), KV_ERR(err));
    } else if (r->said_ms == 0 || clock_mono_ms() - r->said_ms > RENEWAL_SAY_MS) {
        r->said_ms = clock_mono_ms();
        log_error(IDENTITY_EXPIRED);
    }
    timer_start(r->timer, r->backoff_ms);
    r->backoff_ms = r->backoff_ms * 2 < RENEWAL_BACKOFF_MAX ? r->backoff_ms * 2
                                                            : RENEWAL_BACKOFF_MAX;
}

/* --- keeping --- */

static int renewal_on_save(void *arg, struct err *err)
{
    struct node_renewal *r = arg;

    return identity_save(&r->fresh, r->opts.data_dir, err);
}

/* Only the pair: others hold on to the names beside it. */
static void renewal_take(struct node_renewal *r)
{
    struct tls_pair *now = r->serving ? &r->opts.id->serving : &r->opts.id->client;
    struct tls_pair *fresh = r->serving ? &r->fresh.serving : &r->fresh.client;
    struct tls_pair old = *now;

    *now = *fresh;
    *fresh = (struct tls_pair)TLS_PAIR_EMPTY;
    r->opts.on_renewed(r->opts.arg);
    tls_pair_fini(&old);
}

static void renewal_on_saved(void *arg, int rc, const struct err *err)
{
    struct node_renewal *r = arg;

    r->saving = false;
    if (rc == 0 && !r->closed) {
        log_info("certificate renewed", KV("which", "%s", r->serving ? "serving" : "client"));
        renewal_take(r);
    }
    identity_fini(&r->fresh);
    renewal_forget(r);
    if (r->closed)
        free(r);
    else if (rc < 0)
        renewal_fail(r, err);
    else
        renewal_rest(r);
}

static void renewal_save(struct node_renewal *r, const char *cert_pem)
{
    struct tls_pair *pair;

    identity_copy(&r->fresh, r->opts.id);
    pair = r->serving ? &r->fresh.serving : &r->fresh.client;
    tls_pair_fini(pair);
    pair->cert_pem = mem_str(cert_pem);
    pair->key_pem = STEAL(r->key_pem);
    r->saving = true;
    work_submit(r->loop, renewal_on_save, renewal_on_saved, r);
}

/* --- waiting --- */

/* Why there will be no certificate; NULL: it may still come. */
static const char *renewal_refusal(const json_t *status)
{
    static const char *const ends[] = { "Denied", "Failed" };

    for (size_t i = 0; i < N_ELEMENTS(ends); i++)
        if (condition_get(status, ends[i]) != NULL)
            return json_str_or(condition_get(status, ends[i]), "message", ends[i]);
    return NULL;
}

static void renewal_look(struct node_renewal *r, const json_t *body)
{
    const json_t *status = json_object_get(body, "status");
    const char *encoded = json_str_or(status, "certificate", "");
    const char *refusal = renewal_refusal(status);
    cleanup(text_fini) struct text pem = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    struct cert_life life;
    size_t bad;

    if (refusal != NULL) {
        err_set(&err, ERR_FORBIDDEN, "%s", refusal);
        renewal_fail(r, &err);
    } else if (encoded[0] == '\0' && ++r->polls < RENEWAL_POLLS) {
        timer_start(r->timer, RENEWAL_POLL_MS);
    } else if (encoded[0] == '\0') {
        err_set(&err, ERR_TIMEOUT, "%s was not signed", r->name);
        renewal_fail(r, &err);
    } else if (!bits_unbase64(&pem, encoded, strlen(encoded), &bad) ||
               cert_life_read(&life, text_str(&pem), &err) < 0) {
        err_set(&err, ERR_PROTOCOL, "%s has no certificate in it", r->name);
        renewal_fail(r, &err);
    } else {
        renewal_save(r, text_str(&pem));
    }
}

static void renewal_on_answer(void *arg, int rc, int status, const json_t *body,
                              const struct err *err)
{
    struct node_renewal *r = arg;

    (void)status;
    r->call = NULL;
    if (rc < 0) {
        renewal_fail(r, err);
        return;
    }
    if (r->name == NULL)
        r->name = mem_str(json_str_or(body, "metadata.name", ""));
    renewal_look(r, body);
}

/* --- asking --- */

static int renewal_make(struct node_renewal *r, char **ret_csr_pem, struct err *err)
{
    cleanup(freep) char *cn = mem_fmt("system:node:%s", r->opts.id->node_name);
    const char *orgs[] = { "system:nodes", NULL };
    const char *dns[] = { r->opts.id->node_name, NULL };
    const char *ips[] = { r->opts.node_ip, NULL };
    struct tls_spec spec = { .cn = cn, .orgs = orgs };

    if (r->serving) {
        spec.dns = dns;
        spec.ips = ips;
    }
    return tls_csr_make(&r->key_pem, ret_csr_pem, &spec, err);
}

static json_t *renewal_request(const struct node_renewal *r, const char *csr_pem)
{
    cleanup(text_fini) struct text encoded = TEXT_EMPTY;

    bits_base64(&encoded, csr_pem, strlen(csr_pem));
    return json_pack("{s:s, s:s, s:{s:s}, s:{s:s, s:s, s:[s,s]}}", "apiVersion",
                     "certificates.k8s.io/v1", "kind", "CertificateSigningRequest", "metadata",
                     "generateName", "csr-", "spec", "request", text_str(&encoded), "signerName",
                     r->serving ? CSR_SERVING : CSR_CLIENT_KUBELET, "usages", "digital signature",
                     r->serving ? "server auth" : "client auth");
}

static void renewal_ask(struct node_renewal *r)
{
    cleanup(freep) char *csr_pem = NULL;
    cleanup(json_decrefpp) json_t *request = NULL;
    struct err err = ERR_EMPTY;

    if (renewal_make(r, &csr_pem, &err) < 0) {
        renewal_fail(r, &err);
        return;
    }
    request = renewal_request(r, csr_pem);
    r->call = client_call(r->opts.client, "POST", RENEWAL_PATH, "application/json", request,
                          renewal_on_answer, r);
}

static void renewal_on_time(void *arg)
{
    struct node_renewal *r = arg;
    cleanup(freep) char *path = NULL;

    if (r->name != NULL) {
        path = mem_fmt(RENEWAL_PATH "/%s", r->name);
        r->call = client_call(r->opts.client, "GET", path, NULL, NULL, renewal_on_answer, r);
    } else if (renewal_due_ms(r) <= clock_wall_ms()) {
        renewal_ask(r);
    } else {
        renewal_rest(r);
    }
}

/* --- life --- */

struct node_renewal *node_renewal_new(uv_loop_t *loop, const struct node_renewal_opts *opts)
{
    struct node_renewal *r = MEM_NEW(struct node_renewal);

    r->loop = loop;
    r->opts = *opts;
    r->timer = timer_new(loop, renewal_on_time, r);
    renewal_rest(r);
    return r;
}

struct node_renewal *node_renewal_close(struct node_renewal *r)
{
    if (r == NULL)
        return NULL;
    r->closed = true;
    r->timer = timer_close(r->timer);
    if (r->call != NULL)
        client_call_cancel(STEAL(r->call));
    renewal_forget(r);
    if (!r->saving)
        free(r);
    return NULL;
}
