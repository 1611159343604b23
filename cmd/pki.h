/* pki: the cluster's keys and certificates on the control VM's disk.
 *
 * Made at first start below DATA/pki, mode 0600; renewed at start when less than 60 days are left or the
 * server's names changed.  The CA and the ServiceAccount key are never replaced silently.
 */
#ifndef CMD_PKI_H
#define CMD_PKI_H

#include "base/err.h"
#include "base/tls.h"

struct pki {
    struct tls_pair ca;
    struct tls_pair server;      /* serving certificate of the API */
    struct tls_pair admin;       /* system:masters, for people */
    struct tls_pair node_client; /* how the server shows itself to nodes */
    struct tls_pair entry;       /* the entry proxy */
    char *sa_key_pem;            /* signs ServiceAccount tokens */
    char *ca_hash;               /* hex SHA-256 of the CA's public key */
};
void pki_fini(struct pki *p);

struct pki_names { /* what the serving certificate is for */
    const char *advertise_ip, *service_ip, *domain;
};
int pki_load(struct pki *ret, const char *data_dir, const struct pki_names *names, struct err *err);

#endif
