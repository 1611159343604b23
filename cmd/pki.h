/* pki: the cluster's keys and certificates on the control VM's disk.
 *
 * Made at first start below DATA/pki, mode 0600; renewed by pki_load when their time has come (base/cert_life)
 * or the server's names changed.  The CA and the ServiceAccount key are never replaced silently.
 */
#ifndef CMD_PKI_H
#define CMD_PKI_H

#include "base/err.h"
#include "base/json.h"
#include "base/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pki {
    struct tls_pair ca;
    struct tls_pair server;      /* serving certificate of the API */
    struct tls_pair admin;       /* system:masters, for people */
    struct tls_pair node_client; /* how the server shows itself to nodes */
    struct tls_pair entry;       /* the entry proxy */
    struct tls_pair front_ca;    /* by whose certificates aggregated APIs know the server */
    char *sa_key_pem;            /* signs ServiceAccount tokens */
    json_t *sa_old_keys;         /* those before it that still verify; NULL: none */
    char *ca_hash;               /* hex SHA-256 of the CA's public key */
};
void pki_fini(struct pki *p);

struct pki_names { /* what the serving certificate is for */
    const char *advertise_ip, *service_ip, *domain;
    int64_t life_s;  /* of certificates; 0 = a year */
    bool must_exist; /* the CA and the ServiceAccount key: missing ones are an error, not made */
};
/* Another key for ServiceAccount tokens, durable on return, and those before it; on failure all is as
 * it was. */
int pki_store_token_key(struct pki *p, const char *data_dir, const char *key_pem,
                        const json_t *old_keys, struct err *err);
/* Blocking.  Reads, and makes what is missing or due. */
int pki_load(struct pki *ret, const char *data_dir, const struct pki_names *names, struct err *err);
/* When the next of them is due, wall clock. */
int64_t pki_renew_ms(const struct pki *p);

/* Each certificate, the CA first: for (i = 0; pki_each(p, i, &name, &cert_pem); i++) */
bool pki_each(const struct pki *p, size_t i, const char **ret_name, const char **ret_cert_pem);

#endif
