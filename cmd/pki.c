#include "cmd/pki.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

#define PKI_FILE_MAX (64 * 1024)
#define PKI_DAYS     365
#define PKI_RENEW_MS (60LL * 24 * 3600 * 1000)

void pki_fini(struct pki *p)
{
    tls_pair_fini(&p->ca);
    tls_pair_fini(&p->server);
    tls_pair_fini(&p->admin);
    tls_pair_fini(&p->node_client);
    tls_pair_fini(&p->entry);
    free(p->sa_key_pem);
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

static int pki_load_ca(struct pki *p, const char *dir, struct err *err)
{
    int rc = pki_read_pair(&p->ca, dir, "ca", err);
    cleanup(freep) char *hash = NULL;

    if (rc == 1) {
        tls_pair_fini(&p->ca);
        rc = tls_ca_make(&p->ca, "mkube", err);
        if (rc == 0)
            rc = pki_write_pair(&p->ca, dir, "ca", err);
    }
    if (rc == 0)
        rc = tls_cert_hash(&hash, p->ca.cert_pem, err);
    if (rc == 0)
        p->ca_hash = mem_str(str_starts(hash, "sha256:") ? hash + 7 : hash);
    return rc;
}

static int pki_load_sa(struct pki *p, const char *dir, struct err *err)
{
    struct tls_pair pair = TLS_PAIR_EMPTY;
    int rc = pki_read(&p->sa_key_pem, dir, "sa", ".key", err);

    if (rc != 1)
        return rc;
    rc = tls_ca_make(&pair, "service-accounts", err);
    if (rc == 0)
        rc = pki_write(dir, "sa", ".key", pair.key_pem, err);
    if (rc == 0)
        p->sa_key_pem = STEAL(pair.key_pem);
    tls_pair_fini(&pair);
    return rc;
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
    return text_take(&t);
}

static bool pki_is_good(const struct tls_pair *p, const char *recipe, const char *have)
{
    struct err err = ERR_EMPTY;
    int64_t expiry_ms;

    return str_eq(recipe, have) && tls_cert_expiry(&expiry_ms, p->cert_pem, &err) == 0 &&
           expiry_ms - clock_wall_ms() > PKI_RENEW_MS;
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
    struct tls_spec spec = {
        .cn = "kube-apiserver", .dns = dns, .ips = ips, .is_server = true, .days = PKI_DAYS
    };

    gethostname(host, sizeof(host) - 1);
    return pki_load_pair(&p->server, p, dir, "server", &spec, err);
}

static int pki_load_clients(struct pki *p, const char *dir, struct err *err)
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
        struct tls_spec spec = {
            .cn = rows[i].cn, .orgs = masters, .is_client = true, .days = PKI_DAYS
        };

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
        rc = pki_load_ca(ret, dir, err);
    if (rc == 0)
        rc = pki_load_sa(ret, dir, err);
    if (rc == 0)
        rc = pki_load_server(ret, dir, names, err);
    if (rc == 0)
        rc = pki_load_clients(ret, dir, err);
    if (rc < 0) {
        pki_fini(ret);
        return err_wrap(err, rc, "keys and certificates in %s", dir);
    }
    return 0;
}
