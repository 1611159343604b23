/* layer: net */
/* Any packet: an answer that can be read, or none. */
#include "net/dns_message.h"

#include <assert.h>
#include <ldns/ldns.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dns_zone *fuzz_zone(void)
{
    json_t *services = json_pack("[{s:{s:s,s:s},s:{s:s,s:[{s:s,s:i}]}},{s:{s:s,s:s},s:{s:s,s:s}}]",
                                 "metadata", "name", "w", "namespace", "d", "spec", "clusterIP",
                                 "10.96.0.5", "ports", "name", "h", "port", 80, "metadata", "name",
                                 "e", "namespace", "d", "spec", "type", "ExternalName",
                                 "externalName", "x.org");
    struct dns_zone *z = dns_zone_new(services, NULL, "c.l");

    json_decref(services);
    return z;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_zone *zone;
    uint8_t *reply = NULL;
    size_t len = 0;
    enum dns_verdict verdict;

    if (zone == NULL)
        zone = fuzz_zone();
    verdict = dns_answer(&reply, &len, zone, data, size, true);
    if (verdict == DNS_ANSWERED) {
        ldns_pkt *pkt = NULL;

        assert(len <= DNS_UDP_MAX);
        assert(ldns_wire2pkt(&pkt, reply, len) == LDNS_STATUS_OK);
        ldns_pkt_free(pkt);
        free(reply);
    } else if (verdict == DNS_FOLLOW) {
        uint8_t *joined = NULL;
        size_t joined_len;

        /* The resolvers may say whatever they like: here, the question itself or the packet. */
        if (dns_follow(&joined, &joined_len, zone, data, size, reply, len, true))
            free(joined);
        joined = NULL;
        if (dns_follow(&joined, &joined_len, zone, data, size, data, size, false))
            free(joined);
        free(reply);
    }
    reply = NULL;
    if (dns_failure(&reply, &len, data, size))
        free(reply);
    return 0;
}
