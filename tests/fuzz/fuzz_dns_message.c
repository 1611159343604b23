/* layer: net */
/* Any packet: an answer that can be read, or none. */
#include "net/dns_message.h"

#include <assert.h>
#include <ldns/ldns.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dns_zone *fuzz_zone(void)
{
    json_t *services = json_pack("[{s:{s:s,s:s},s:{s:s,s:[{s:s,s:i}]}}]", "metadata", "name", "w",
                                 "namespace", "d", "spec", "clusterIP", "10.96.0.5", "ports",
                                 "name", "h", "port", 80);
    struct dns_zone *z = dns_zone_new(services, NULL, "c.l");

    json_decref(services);
    return z;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_zone *zone;
    uint8_t *reply = NULL;
    size_t len = 0;

    if (zone == NULL)
        zone = fuzz_zone();
    if (dns_answer(&reply, &len, zone, data, size, true) == DNS_ANSWERED) {
        ldns_pkt *pkt = NULL;

        assert(len <= DNS_UDP_MAX);
        assert(ldns_wire2pkt(&pkt, reply, len) == LDNS_STATUS_OK);
        ldns_pkt_free(pkt);
        free(reply);
    }
    if (dns_failure(&reply, &len, data, size))
        free(reply);
    return 0;
}
