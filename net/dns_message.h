/* dns_message: one question out of a packet, one answer into a packet (ldns).  Pure. */
#ifndef NET_DNS_MESSAGE_H
#define NET_DNS_MESSAGE_H

#include "net/dns_zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_UDP_MAX 4096

enum dns_verdict {
    DNS_ANSWERED, /* *ret holds the reply */
    DNS_FORWARD,  /* not ours: ask the node's resolvers */
    DNS_FOLLOW,   /* an ExternalName leads out: *ret holds what to ask them, for dns_follow */
    DNS_DROP,     /* not a question: no reply at all */
};

/* Answers @query from @zone.  @udp: cut to what the client takes, with the TC bit (RFC 1035
 * section 4.2.1, RFC 6891 section 6.2.5).  *ret is malloc'ed. */
enum dns_verdict dns_answer(uint8_t **ret, size_t *ret_len, const struct dns_zone *zone,
                            const uint8_t *query, size_t len, bool udp);
/* The reply to @query when @said came back to the question of DNS_FOLLOW: our CNAMEs, then what
 * stands behind them.  False when @said is no reply to that, or the zone leads elsewhere by now. */
bool dns_follow(uint8_t **ret, size_t *ret_len, const struct dns_zone *zone, const uint8_t *query,
                size_t len, const uint8_t *said, size_t said_len, bool udp);
/* "Server failure" for @query, when nobody answered; false if it is no question. */
bool dns_failure(uint8_t **ret, size_t *ret_len, const uint8_t *query, size_t len);

#endif
