#include "net/entry_certs.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

/* Certificates of our own making for hosts; others are shown the entry's. */
#define ENTRY_CERTS_MAX_MADE 1000
#define ENTRY_CERTS_MAX_FILE (64 * 1024)
#define ENTRY_CERTS_DAYS     825 /* more is refused by some browsers */
#define ENTRY_CERTS_LEFT_MS  (30 * 24 * 3600 * (int64_t)1000)

struct entry_certs {
    char *dir;           /* owned; NULL: nothing is kept */
    struct tls_pair ca;  /* signs what is made here */
    struct tls_pair own; /* for everybody else */
    struct map *pairs;   /* "ns/secret" to struct tls_pair, owned */
    struct map *made;    /* host to struct tls_pair, owned */
    char *shown;         /* owned: hash of what is shown now; NULL before the first */
};

static void entry_certs_free_pair(void *value)
{
    tls_pair_fini(value);
    free(value);
}

/* --- files: the key, then the certificate --- */

static char *entry_certs_path(const struct entry_certs *c, const char *name)
{
    char *path = mem_fmt("%s/%s.pem", c->dir, name);

    for (char *p = path + strlen(c->dir) + 1; *p != '\0'; p++)
        if (*p == '*' || *p == '/')
            *p = '_';
    return path;
}

static bool entry_certs_read(const struct entry_certs *c, const char *name, struct tls_pair *ret)
{
    cleanup(freep) char *path = c->dir != NULL ? entry_certs_path(c, name) : NULL;
    cleanup(text_fini) struct text whole = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    const char *cert;
    int64_t until;

    if (path == NULL || file_read(&whole, path, ENTRY_CERTS_MAX_FILE, &err) < 0)
        return false;
    cert = strstr(text_str(&whole), "-----BEGIN CERTIFICATE");
    if (cert == NULL || tls_cert_expiry(&until, cert, &err) < 0 ||
        until < clock_wall_ms() + ENTRY_CERTS_LEFT_MS)
        return false;
    ret->key_pem = mem_strn(whole.data, (size_t)(cert - whole.data));
    ret->cert_pem = mem_str(cert);
    return true;
}

/* Without a disk it lasts as long as we do. */
static void entry_certs_keep(const struct entry_certs *c, const char *name,
                             const struct tls_pair *pair)
{
    cleanup(freep) char *path = c->dir != NULL ? entry_certs_path(c, name) : NULL;
    cleanup(freep) char *whole = mem_fmt("%s%s", pair->key_pem, pair->cert_pem);
    struct err err = ERR_EMPTY;

    if (path != NULL && file_write_fast(path, whole, strlen(whole), 0600, &err) < 0)
        log_warn("certificate not kept", KV("path", "%s", path), KV_ERR(&err));
}

/* --- making --- */

static int entry_certs_issue(struct entry_certs *c, const char *name, const struct tls_spec *spec,
                             struct tls_pair *ret, struct err *err)
{
    int rc = 0;

    if (entry_certs_read(c, name, ret))
        return 0;
    rc = tls_issue(ret, &c->ca, spec, err);
    if (rc == 0)
        entry_certs_keep(c, name, ret);
    return rc;
}

/* The CA has no host name's name. */
static int entry_certs_begin(struct entry_certs *c, const char *ip, struct err *err)
{
    const char *const ips[] = { ip, NULL };
    const char *const names[] = { "localhost", NULL };
    struct tls_spec spec = {
        .cn = "mkube entry", .dns = names, .ips = ips, .is_server = true, .days = ENTRY_CERTS_DAYS
    };
    cleanup(freep) char *own = mem_fmt("entry-%s", ip);
    int rc = c->dir != NULL ? file_mkdirs(c->dir, 0700, err) : 0;

    if (rc == 0 && !entry_certs_read(c, "_ca", &c->ca)) {
        rc = tls_ca_make(&c->ca, "mkube entry (self-signed)", err);
        if (rc == 0)
            entry_certs_keep(c, "_ca", &c->ca);
    }
    return rc == 0 ? entry_certs_issue(c, own, &spec, &c->own, err) : rc;
}

int entry_certs_new(struct entry_certs **ret, const char *dir, const char *ip, struct err *err)
{
    struct entry_certs *c = MEM_NEW(struct entry_certs);
    int rc;

    c->dir = mem_str(dir);
    c->pairs = map_new(entry_certs_free_pair);
    c->made = map_new(entry_certs_free_pair);
    rc = entry_certs_begin(c, ip, err);
    if (rc < 0) {
        entry_certs_free(c);
        return err_wrap(err, rc, "make the entry's own certificate");
    }
    *ret = c;
    return 0;
}

struct entry_certs *entry_certs_free(struct entry_certs *c)
{
    if (c == NULL)
        return NULL;
    tls_pair_fini(&c->ca);
    tls_pair_fini(&c->own);
    map_free(c->pairs);
    map_free(c->made);
    free(c->dir);
    free(c->shown);
    free(c);
    return NULL;
}

/* For a host whose Ingress wants TLS and has no Secret for it; NULL: the entry's will do. */
static const struct tls_pair *entry_certs_made(struct entry_certs *c, const char *host)
{
    const char *const names[] = { host, NULL };
    struct tls_spec spec = { .cn = strlen(host) <= 64
                                       ? host
                                       : "mkube entry", /* RFC 5280: ub-common-name */
                             .dns = names,
                             .is_server = true,
                             .days = ENTRY_CERTS_DAYS };
    struct tls_pair *pair = map_get(c->made, host);
    struct err err = ERR_EMPTY;

    if (pair != NULL || host[0] == '\0' || map_len(c->made) >= ENTRY_CERTS_MAX_MADE)
        return pair;
    pair = MEM_NEW(struct tls_pair);
    if (entry_certs_issue(c, host, &spec, pair, &err) < 0) {
        log_warn("no certificate made", KV("host", "%s", host), KV_ERR(&err));
        free(pair);
        return NULL;
    }
    map_put(c->made, host, pair);
    return pair;
}

/* --- Secrets --- */

static char *entry_certs_pem(const json_t *tree, const char *key)
{
    const json_t *value = json_object_get(json_object_get(tree, "data"), key);
    struct text pem = TEXT_EMPTY;
    size_t bad;

    if (json_is_string(value) &&
        bits_unbase64(&pem, json_string_value(value), json_string_length(value), &bad))
        return text_take(&pem);
    text_fini(&pem);
    return NULL;
}

void entry_certs_secret(struct entry_certs *c, const char *ns, const char *name, const json_t *tree)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", ns, name);
    struct tls_pair *pair;

    if (tree == NULL || !str_eq(json_str(tree, "type"), "kubernetes.io/tls")) {
        map_del(c->pairs, key);
        return;
    }
    pair = MEM_NEW(struct tls_pair);
    pair->cert_pem = entry_certs_pem(tree, "tls.crt");
    pair->key_pem = entry_certs_pem(tree, "tls.key");
    if (pair->cert_pem != NULL && pair->key_pem != NULL) {
        map_put(c->pairs, key, pair);
    } else {
        map_del(c->pairs, key);
        entry_certs_free_pair(pair);
    }
}

/* --- all of them --- */

/* Calls @fn for each host that wants TLS; the first claim of a host wins. */
struct entry_certs_walk {
    struct entry_certs *certs;
    struct map *seen;
    void (*fn)(void *arg, const char *host, const struct tls_pair *pair);
    void *arg;
};

static void entry_certs_host(struct entry_certs_walk *w, const struct entry_ingress *in,
                             const char *secret, const char *host)
{
    cleanup(freep) char *key = mem_fmt("%s/%s", in->who.ns, secret);
    const struct tls_pair *pair = secret[0] != '\0' ? map_get(w->certs->pairs, key) : NULL;

    if (map_get(w->seen, host) != NULL)
        return;
    if (pair == NULL)
        pair = entry_certs_made(w->certs, host);
    if (pair == NULL)
        return;
    map_put(w->seen, host, w);
    w->fn(w->arg, host, pair);
}

/* A tls section without hosts is for those of the rules. */
static void entry_certs_rules(struct entry_certs_walk *w, const struct entry_ingress *in,
                              const char *secret)
{
    for (size_t r = 0; r < in->n_rules; r++)
        if (in->rules[r].host[0] != '\0')
            entry_certs_host(w, in, secret, in->rules[r].host);
}

static void entry_certs_each(struct entry_certs *c, const struct entry_facts *facts,
                             void (*fn)(void *arg, const char *host, const struct tls_pair *pair),
                             void *arg)
{
    const struct entry_ingress **list = entry_facts_claimed(facts);
    struct entry_certs_walk w = { .certs = c, .seen = map_new(NULL), .fn = fn, .arg = arg };

    for (size_t i = 0; list[i] != NULL; i++) {
        for (size_t t = 0; t < list[i]->n_tls; t++) {
            const struct entry_tls *tls = &list[i]->tls[t];

            for (size_t h = 0; h < tls->n_hosts; h++)
                entry_certs_host(&w, list[i], tls->secret, tls->hosts[h]);
            if (tls->n_hosts == 0)
                entry_certs_rules(&w, list[i], tls->secret);
        }
        /* The certificate's ARN is in Amazon. */
        if (list[i]->is_alb && list[i]->policy.force_ssl_redirect)
            entry_certs_rules(&w, list[i], "");
    }
    map_free(w.seen);
    free(list);
}

static void entry_certs_hash(void *arg, const char *host, const struct tls_pair *pair)
{
    bits_sha256_add(arg, host, strlen(host) + 1);
    bits_sha256_add(arg, pair->cert_pem, strlen(pair->cert_pem) + 1);
    bits_sha256_add(arg, pair->key_pem, strlen(pair->key_pem) + 1);
}

static void entry_certs_add(void *arg, const char *host, const struct tls_pair *pair)
{
    struct err err = ERR_EMPTY;

    if (tls_server_add(arg, host, pair, &err) < 0)
        log_warn("certificate not usable", KV("host", "%s", host), KV_ERR(&err));
}

struct tls_server *entry_certs_server(struct entry_certs *c, const struct entry_facts *facts)
{
    struct bits_sha256 *hash = bits_sha256_new();
    struct tls_server *server = NULL;
    struct err err = ERR_EMPTY;
    char hex[BITS_SHA256_HEX];

    entry_certs_each(c, facts, entry_certs_hash, hash);
    bits_sha256_done(hash, hex);
    if (str_eq(hex, c->shown))
        return NULL;
    if (tls_server_new(&server, &c->own, NULL, &err) < 0) {
        log_error("certificates not taken over", KV_ERR(&err));
        return NULL;
    }
    entry_certs_each(c, facts, entry_certs_add, server);
    free(c->shown);
    c->shown = mem_str(hex);
    return server;
}
