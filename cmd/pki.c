#include "cmd/pki.h"

#include "base/cert_life.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

#define PKI_FILE_MAX (64 * 1024)
#define PKI_DAYS     365

void pki_fini(struct pki *p)
{
    tls_pair_fini(&p->ca);
    tls_pair_fini(&p->server);
    tls_pair_fini(&p->admin);
    tls_pair_fini(&p->node_client);
    tls_pair_fini(&p->entry);
    tls_pair_fini(&p->front_ca);
    free(p->sa_key_pem);
    json_decref(p->sa_old_keys);
    free(p->ca_hash);
    memset(p, 0, sizeof(*p));
}

static char *pki_path(const char *dir, const char *name, const char *suffix)
{
    return mem_fmt("%s/%s%s", dir, name, suffix);
}

/* 0: read.  Positive 1: not there. */
static int pki_read(char **ret, const char *dir, const char *name, const char *suffix,
                    struct err *err)
{
    cleanup(freep) char *path = pki_path(dir, name, suffix);
    struct text t = TEXT_EMPTY;
    int rc = file_read(&t, path, PKI_FILE_MAX, err);

    if (rc < 0) {
        text_fini(&t);
        return rc == ERR_NOT_FOUND ? 1 : rc;
    }
    *ret = text_take(&t);
    return 0;
}

static int pki_write(const char *dir, const char *name, const char *suffix, const char *data,
                     struct err *err)
{
    cleanup(freep) char *path = pki_path(dir, name, suffix);

    return file_write_atomic(path, data, strlen(data), 0600, err);
}

static int pki_read_pair(struct tls_pair *ret, const char *dir, const char *name, struct err *err)
{
    int rc = pki_read(&ret->key_pem, dir, name, ".key", err);

    return rc == 0 ? pki_read(&ret->cert_pem, dir, name, ".crt", err) : rc;
}

/* The key first: a certificate without its key would look whole and be of no use. */
static int pki_write_pair(const struct tls_pair *p, const char *dir, const char *name,
                          struct err *err)
{
    int rc = pki_write(dir, name, ".key", p->key_pem, err);

    return rc == 0 ? pki_write(dir, name, ".crt", p->cert_pem, err) : rc;
}

static int pki_missing(const char *name, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "%s.key is missing: restore it from the backup", name);
}

static int pki_load_authority(struct tls_pair *ret, const char *dir, const char *name,
                              const char *cn, bool must_exist, struct err *err)
{
    int rc = pki_read_pair(ret, dir, name, err);

    if (rc == 1 && must_exist)
        return pki_missing(name, err);
    if (rc == 1) {
        tls_pair_fini(ret);
        rc = tls_ca_make(ret, cn, err);
        if (rc == 0)
            rc = pki_write_pair(ret, dir, name, err);
    }
    return rc;
}

static int pki_load_ca(struct pki *p, const char *dir, bool must_exist, struct err *err)
{
    int rc = pki_load_authority(&p->ca, dir, "ca", "mkube", must_exist, err);
    cleanup(freep) char *hash = NULL;

    if (rc == 0)
        rc = pki_load_authority(&p->front_ca, dir, "front-proxy-ca", "mkube front proxy", false,
                                err);
    if (rc == 0)
        rc = tls_cert_hash(&hash, p->ca.cert_pem, err);
    if (rc == 0)
        p->ca_hash = mem_str(str_starts(hash, "sha256:") ? hash + 7 : hash);
    return rc;
}

static int pki_load_old_keys(struct pki *p, const char *dir, struct err *err)
{
    cleanup(freep) char *text = NULL;
    int rc = pki_read(&text, dir, "sa", ".old", err);

    if (rc != 0)
        return rc == 1 ? 0 : rc;
    return json_parse(&p->sa_old_keys, text, strlen(text), NULL, err);
}

static int pki_load_sa(struct pki *p, const char *dir, bool must_exist, struct err *err)
{
    int rc = pki_load_old_keys(p, dir, err);

    if (rc == 0)
        rc = pki_read(&p->sa_key_pem, dir, "sa", ".key", err);
    if (rc != 1)
        return rc;
    if (must_exist)
        return pki_missing("sa", err);
    rc = tls_key_new(&p->sa_key_pem, err);
    return rc == 0 ? pki_write(dir, "sa", ".key", p->sa_key_pem, err) : rc;
}

/* The old ones first: cut off in between, the key that signs stands in both, which does no harm. */
int pki_store_token_key(struct pki *p, const char *data_dir, const char *key_pem,
                        const json_t *old_keys, struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/pki", data_dir);
    cleanup(freep) char *text = json_print(old_keys, NULL);
    int rc = pki_write(dir, "sa", ".old", text, err);

    if (rc == 0)
        rc = pki_write(dir, "sa", ".key", key_pem, err);
    if (rc < 0)
        return rc;
    free(p->sa_key_pem);
    p->sa_key_pem = mem_str(key_pem);
    json_decref(p->sa_old_keys);
    p->sa_old_keys = json_deep_copy(old_keys);
    return 0;
}

/* Everything the certificate depends on, as one line beside it: a change makes a new one. */
static char *pki_recipe(const struct tls_spec *spec)
{
    struct text t = TEXT_EMPTY;
    const char *const *lists[] = { spec->orgs, spec->dns, spec->ips };

    text_puts(&t, spec->cn);
    for (size_t l = 0; l < N_ELEMENTS(lists); l++) {
        text_putc(&t, '|');
        for (size_t i = 0; lists[l] != NULL && lists[l][i] != NULL; i++)
            text_fmt(&t, "%s ", lists[l][i]);
    }
    if (spec->seconds > 0)
        text_fmt(&t, "|%lld", (long long)spec->seconds);
    return text_take(&t);
}

static bool pki_is_good(const struct tls_pair *p, const char *recipe, const char *have)
{
    struct err err = ERR_EMPTY;
    struct cert_life life;

    return str_eq(recipe, have) && cert_life_read(&life, p->cert_pem, &err) == 0 &&
           clock_wall_ms() < life.renew_ms;
}

static int pki_load_pair(struct tls_pair *ret, const struct pki *p, const char *dir,
                         const char *name, const struct tls_spec *spec, struct err *err)
{
    cleanup(freep) char *recipe = pki_recipe(spec);
    cleanup(freep) char *have = NULL;
    int rc = pki_read_pair(ret, dir, name, err);

    if (rc < 0)
        return rc;
    if (rc == 0)
        rc = pki_read(&have, dir, name, ".recipe", err);
    if (rc < 0 || (rc == 0 && pki_is_good(ret, recipe, have)))
        return rc;
    tls_pair_fini(ret);
    rc = tls_issue(ret, &p->ca, spec, err);
    if (rc == 0)
        rc = pki_write_pair(ret, dir, name, err);
    return rc == 0 ? pki_write(dir, name, ".recipe", recipe, err) : rc;
}

static int pki_load_server(struct pki *p, const char *dir, const struct pki_names *names,
                           struct err *err)
{
    char host[256] = "localhost";
    cleanup(freep) char *full = mem_fmt("kubernetes.default.svc.%s", names->domain);
    const char *dns[] = {
        "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", full, host, NULL
    };
    const char *ips[] = { "127.0.0.1", names->advertise_ip, names->service_ip, NULL };
    struct tls_spec spec = { .cn = "kube-apiserver",
                             .dns = dns,
                             .ips = ips,
                             .is_server = true,
                             .days = PKI_DAYS,
                             .seconds = names->life_s };

    gethostname(host, sizeof(host) - 1);
    return pki_load_pair(&p->server, p, dir, "server", &spec, err);
}

static int pki_load_clients(struct pki *p, const char *dir, int64_t life_s, struct err *err)
{
    const char *masters[] = { "system:masters", NULL };
    const struct {
        struct tls_pair *pair;
        const char *name, *cn;
    } rows[] = {
        { &p->admin, "admin", "system:admin" },
        { &p->node_client, "node-client", "kube-apiserver-kubelet-client" },
        { &p->entry, "entry", "system:mkube:entry" },
    };
    int rc = 0;

    for (size_t i = 0; i < N_ELEMENTS(rows) && rc == 0; i++) {
        struct tls_spec spec = { .cn = rows[i].cn,
                                 .orgs = masters,
                                 .is_client = true,
                                 .days = PKI_DAYS,
                                 .seconds = life_s };

        rc = pki_load_pair(rows[i].pair, p, dir, rows[i].name, &spec, err);
    }
    return rc;
}

int pki_load(struct pki *ret, const char *data_dir, const struct pki_names *names, struct err *err)
{
    cleanup(freep) char *dir = mem_fmt("%s/pki", data_dir);
    int rc = file_mkdirs(dir, 0700, err);

    memset(ret, 0, sizeof(*ret));
    if (rc == 0)
        rc = pki_load_ca(ret, dir, names->must_exist, err);
    if (rc == 0)
        rc = pki_load_sa(ret, dir, names->must_exist, err);
    if (rc == 0)
        rc = pki_load_server(ret, dir, names, err);
    if (rc == 0)
        rc = pki_load_clients(ret, dir, names->life_s, err);
    if (rc < 0) {
        pki_fini(ret);
        return err_wrap(err, rc, "keys and certificates in %s", dir);
    }
    return 0;
}

bool pki_each(const struct pki *p, size_t i, const char **ret_name, const char **ret_cert_pem)
{
    const struct {
        const char *name, *cert_pem;
    } rows[] = {
        { "ca", p->ca.cert_pem },       { "server", p->server.cert_pem },
        { "admin", p->admin.cert_pem }, { "node-client", p->node_client.cert_pem },
        { "entry", p->entry.cert_pem },
    };

    if (i >= N_ELEMENTS(rows))
        return false;
    *ret_name = rows[i].name;
    *ret_cert_pem = rows[i].cert_pem;
    return true;
}

int64_t pki_renew_ms(const struct pki *p)
{
    const char *name, *pem;
    int64_t first_ms = INT64_MAX;

    /* The CA, which is the first, stays. */
    for (size_t i = 1; pki_each(p, i, &name, &pem); i++) {
        struct err err = ERR_EMPTY;
        struct cert_life life;

        if (cert_life_read(&life, pem, &err) == 0 && life.renew_ms < first_ms)
            first_ms = life.renew_ms;
    }
    return first_ms;
}
