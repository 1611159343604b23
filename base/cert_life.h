/* cert_life: from when to when a certificate is good, and when to replace it.
 *
 * As the kubelet does, some time between 70 and 90 percent of its life; which one follows
 * from the certificate, so that a fleet does not renew at once and a restart changes nothing.
 */
#ifndef BASE_CERT_LIFE_H
#define BASE_CERT_LIFE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct cert_life {     /* wall clock */
    int64_t issued_ms; /* ours are dated back by a day: this is when they were made */
    int64_t renew_ms;
    int64_t expiry_ms;
};
int cert_life_read(struct cert_life *ret, const char *cert_pem, struct err *err);

#endif
