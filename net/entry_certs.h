/* entry_certs: which certificate the entry shows for which host.
 *
 * From Secrets of type kubernetes.io/tls that Ingresses name; hosts without one, and clients
 * that name no host, get a certificate of our own making.
 * Owner: entry.  Thread: loop.
 */
#ifndef NET_ENTRY_CERTS_H
#define NET_ENTRY_CERTS_H

#include "base/err.h"
#include "base/json.h"
#include "base/tls.h"
#include "net/entry_facts.h"

struct entry_certs;

/* Makes a CA, and a certificate for @ip; they and those for hosts are kept in @dir (NULL: not
 * kept), so that a browser's exception lasts. */
int entry_certs_new(struct entry_certs **ret, const char *dir, const char *ip, struct err *err);
struct entry_certs *entry_certs_free(struct entry_certs *c);
/* NULL @tree: the Secret is gone. */
void entry_certs_secret(struct entry_certs *c, const char *ns, const char *name,
                        const json_t *tree);
/* What to show from now on (the caller's reference); NULL: as before. */
struct tls_server *entry_certs_server(struct entry_certs *c, const struct entry_facts *facts);

#endif
