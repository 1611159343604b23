#include "net/entry_certs.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

struct entry_certs {
    struct tls_pair own; /* for everybody else */
    struct map *pairs;   /* "ns/secret" to struct tls_pair, owned */
    char *shown;         /* owned: hash of what is shown now; NULL before the first */
};

static void entry_certs_free_pair(void *value)
{
    tls_pair_fini(value);
    free(value);
}

int entry_certs_new(struct entry_certs **ret, const char *ip, struct err *err)
{
    cleanup(tls_pair_fini) struct tls_pair ca = TLS_PAIR_EMPTY;
    const char *const ips[] = { ip, NULL };
    const char *const names[] = { "localhost", NULL };
    struct tls_spec spec = {
        .cn = "mkube entry", .dns = names, .ips = ips, .is_server = true, .days = 3650
    };
    struct tls_pair own = TLS_PAIR_EMPTY;
    struct entry_certs *c;
    int rc = tls_ca_make(&ca, "mkube entry (self-signed)", err);

    if (rc == 0)
        rc = tls_issue(&own, &ca, &spec, err);
    if (rc < 0)
        return err_wrap(err, rc, "make the entry's own certificate");
    c = MEM_NEW(struct entry_certs);
    c->own = own;
    c->pairs = map_new(entry_certs_free_pair);
    *ret = c;
    return 0;
}

struct entry_certs *entry_certs_free(struct entry_certs *c)
{
    if (c == NULL)
        return NULL;
    tls_pair_fini(&c->own);
    map_free(c->pairs);
    free(c->shown);
    free(c);
    return NULL;
}

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

/* Calls @fn for each host with a Secret that is there; the first claim of a host wins. */
typedef void (*entry_certs_fn)(void *arg, const char *host, const struct tls_pair *pair);
static void entry_certs_each(struct entry_certs *c, const struct entry_facts *facts,
                             entry_certs_fn fn, void *arg)
{
    const struct entry_ingress **list = entry_facts_claimed(facts);
    struct map *seen = map_new(NULL);

    for (size_t i = 0; list[i] != NULL; i++)
        for (size_t t = 0; t < list[i]->n_tls; t++) {
            const struct entry_tls *tls = &list[i]->tls[t];
            cleanup(freep) char *key = mem_fmt("%s/%s", list[i]->who.ns, tls->secret);
            const struct tls_pair *pair = map_get(c->pairs, key);

            for (size_t h = 0; pair != NULL && h < tls->n_hosts; h++) {
                if (map_get(seen, tls->hosts[h]) != NULL)
                    continue;
                map_put(seen, tls->hosts[h], c);
                fn(arg, tls->hosts[h], pair);
            }
        }
    map_free(seen);
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
