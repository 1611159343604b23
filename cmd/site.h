/* site: what the API tells of the process it runs in: health, figures, keys, certificates.
 *
 * Borrows all it looks at.  Owner: cmd/server.  Thread: loop.
 */
#ifndef CMD_SITE_H
#define CMD_SITE_H

#include "api/server.h"
#include "cmd/encryption.h"
#include "cmd/pki.h"
#include "controlplane/runner.h"

struct site { /* all borrowed; set as they come to be */
    const char *data_dir;
    struct encryption *encryption;
    const struct store *store;
    const struct runner *runner; /* NULL: not started, or ended */
    struct pki *pki;
};
/* For server_opts. */
struct server_site site_of_server(struct site *s);

#endif
