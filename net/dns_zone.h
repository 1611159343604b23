/* dns_zone: the cluster's names out of Services and EndpointSlices.  Pure.
 *
 * Kubernetes DNS specification 1.1: A of Services, A and hostnames of headless ones, SRV of
 * named ports, CNAME of ExternalName, PTR.  Built whole, then only read.
 */
#ifndef NET_DNS_ZONE_H
#define NET_DNS_ZONE_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dns_record_type { DNS_A, DNS_SRV, DNS_CNAME, DNS_PTR, DNS_TXT };

struct dns_record {
    enum dns_record_type type;
    char *data; /* owned: as in a zone file: "10.0.0.1", "0 100 80 web.x.", "web.x." */
};

struct dns_name {
    struct dns_record *records; /* owned; may be empty: the name exists, without data */
    size_t n;
};

struct dns_zone;

/* @services and @slices are arrays of trees. */
struct dns_zone *dns_zone_new(const json_t *services, const json_t *slices, const char *domain);
struct dns_zone *dns_zone_free(struct dns_zone *z);

/* @name in lower case without trailing dot; NULL when it does not exist.  Names of pods
 * (a-b-c-d.ns.pod.DOMAIN) are computed into @scratch. */
struct dns_name_scratch {
    struct dns_name name;
    struct dns_record record;
    char data[32];
};
const struct dns_name *dns_zone_find(const struct dns_zone *z, const char *name,
                                     struct dns_name_scratch *scratch);
/* Whether @name is ours to answer, existing or not. */
bool dns_zone_holds(const struct dns_zone *z, const char *name);
const char *dns_zone_domain(const struct dns_zone *z);

#endif
