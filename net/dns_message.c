#include "net/dns_message.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#define DNS_TTL          5
#define DNS_NEGATIVE_TTL 5
#define DNS_HOPS_MAX     8 /* ExternalNames that lead to each other */

static const struct {
    enum dns_record_type type;
    ldns_rr_type rr;
    const char *text;
} dns_types[] = {
    { DNS_A, LDNS_RR_TYPE_A, "A" },
    { DNS_SRV, LDNS_RR_TYPE_SRV, "SRV" },
    { DNS_CNAME, LDNS_RR_TYPE_CNAME, "CNAME" },
    { DNS_PTR, LDNS_RR_TYPE_PTR, "PTR" },
    { DNS_TXT, LDNS_RR_TYPE_TXT, "TXT" },
};

static void dns_pkt_freep(ldns_pkt **p)
{
    ldns_pkt_free(*p);
}

/* In place: lower case, no trailing dot. */
static char *dns_plain(char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;

    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    for (char *s = name; s != NULL && *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
    return name;
}

/* Owned by ldns: LDNS_FREE. */
static char *dns_question_name(const ldns_rr *question)
{
    return dns_plain(ldns_rdf2str(ldns_rr_owner(question)));
}

static ldns_pkt *dns_reply_to(const ldns_pkt *query)
{
    ldns_pkt *reply = ldns_pkt_new();
    ldns_rr_list *question = ldns_rr_list_clone(ldns_pkt_question(query));

    ldns_pkt_set_id(reply, ldns_pkt_id(query));
    ldns_pkt_set_qr(reply, true);
    ldns_pkt_set_opcode(reply, ldns_pkt_get_opcode(query));
    ldns_pkt_set_rd(reply, ldns_pkt_rd(query));
    ldns_pkt_set_ra(reply, true);
    if (ldns_pkt_edns(query)) /* RFC 6891 section 6.1.1: answered in kind */
        ldns_pkt_set_edns_udp_size(reply, DNS_UDP_MAX);
    ldns_pkt_push_rr_list(reply, LDNS_SECTION_QUESTION, question);
    ldns_rr_list_free(question);
    return reply;
}

static void dns_push(ldns_pkt *reply, ldns_pkt_section section, const char *name, const char *type,
                     const char *data, unsigned ttl)
{
    cleanup(freep) char *text = mem_fmt("%s. %u IN %s %s", name, ttl, type, data);
    ldns_rr *rr = NULL;

    if (ldns_rr_new_frm_str(&rr, text, ttl, NULL, NULL) == LDNS_STATUS_OK)
        ldns_pkt_push_rr(reply, section, rr);
}

static void dns_push_soa(ldns_pkt *reply, const char *domain)
{
    cleanup(freep) char *data = mem_fmt("ns.dns.%s. hostmaster.%s. 1 7200 1800 86400 %d", domain,
                                        domain, DNS_NEGATIVE_TTL);

    dns_push(reply, LDNS_SECTION_AUTHORITY, domain, "SOA", data, DNS_NEGATIVE_TTL);
}

/* Records of the asked type; a CNAME answers every type. */
static unsigned dns_push_records(ldns_pkt *reply, const char *name, const struct dns_name *found,
                                 ldns_rr_type wanted)
{
    unsigned n = 0;

    for (size_t i = 0; i < found->n; i++)
        for (size_t t = 0; t < N_ELEMENTS(dns_types); t++) {
            if (dns_types[t].type != found->records[i].type ||
                (dns_types[t].rr != wanted && wanted != LDNS_RR_TYPE_ANY &&
                 dns_types[t].type != DNS_CNAME))
                continue;
            dns_push(reply, LDNS_SECTION_ANSWER, name, dns_types[t].text, found->records[i].data,
                     DNS_TTL);
            n++;
        }
    return n;
}

/* Where the asked data are instead; NULL when they are here, or the CNAME itself was asked for. */
static const char *dns_leads_to(const struct dns_name *found, ldns_rr_type wanted)
{
    if (found == NULL || wanted == LDNS_RR_TYPE_CNAME || wanted == LDNS_RR_TYPE_ANY)
        return NULL;
    for (size_t i = 0; i < found->n; i++)
        if (found->records[i].type == DNS_CNAME)
            return found->records[i].data;
    return NULL;
}

/* Follows CNAMEs, as clients do not do it themselves (RFC 1034 section 4.3.2).  The name outside of
 * the cluster to which they lead, or NULL. */
static char *dns_fill(ldns_pkt *reply, const struct dns_zone *zone, const char *name,
                      ldns_rr_type wanted)
{
    cleanup(freep) char *at = mem_str(name);

    ldns_pkt_set_aa(reply, true);
    for (unsigned hops = 0; hops < DNS_HOPS_MAX; hops++) {
        struct dns_name_scratch scratch;
        const struct dns_name *found = dns_zone_find(zone, at, &scratch);
        const char *next = dns_leads_to(found, wanted);

        if (found == NULL)
            ldns_pkt_set_rcode(reply, LDNS_RCODE_NXDOMAIN);
        if (found == NULL || dns_push_records(reply, at, found, wanted) == 0)
            dns_push_soa(reply, dns_zone_domain(zone));
        if (next == NULL)
            return NULL;
        free(at);
        at = dns_plain(mem_str(next));
        if (!dns_zone_holds(zone, at)) {
            char *outside = at;

            at = NULL;
            return outside;
        }
    }
    ldns_pkt_set_rcode(reply, LDNS_RCODE_SERVFAIL);
    return NULL;
}

static bool dns_to_wire(uint8_t **ret, size_t *ret_len, const ldns_pkt *reply)
{
    uint8_t *wire = NULL;
    size_t len;

    if (ldns_pkt2wire(&wire, reply, &len) != LDNS_STATUS_OK)
        return false;
    *ret = wire;
    *ret_len = len;
    return true;
}

static size_t dns_udp_room(const ldns_pkt *query)
{
    size_t size = ldns_pkt_edns(query) ? ldns_pkt_edns_udp_size(query) : 512;

    return size < 512 ? 512 : size > DNS_UDP_MAX ? DNS_UDP_MAX : size;
}

/* Too long for UDP: an empty answer with TC, so that the client comes back over TCP. */
static bool dns_cut(uint8_t **ret, size_t *ret_len, const ldns_pkt *query)
{
    cleanup(dns_pkt_freep) ldns_pkt *reply = dns_reply_to(query);

    ldns_pkt_set_aa(reply, true);
    ldns_pkt_set_tc(reply, true);
    return dns_to_wire(ret, ret_len, reply);
}

static ldns_pkt *dns_read(const uint8_t *query, size_t len)
{
    ldns_pkt *pkt = NULL;

    if (ldns_wire2pkt(&pkt, query, len) != LDNS_STATUS_OK)
        return NULL;
    if (ldns_pkt_qr(pkt) || ldns_pkt_qdcount(pkt) != 1 ||
        ldns_pkt_get_opcode(pkt) != LDNS_PACKET_QUERY) {
        ldns_pkt_free(pkt);
        return NULL;
    }
    return pkt;
}

/* As it goes to this client: over UDP no longer than it takes. */
static bool dns_finish(uint8_t **ret, size_t *ret_len, const ldns_pkt *query, const ldns_pkt *reply,
                       bool udp)
{
    if (!dns_to_wire(ret, ret_len, reply))
        return false;
    if (!udp || *ret_len <= dns_udp_room(query))
        return true;
    free(*ret);
    return dns_cut(ret, ret_len, query);
}

/* The question of @query about another name. */
static bool dns_ask_outside(uint8_t **ret, size_t *ret_len, const ldns_pkt *query,
                            const char *outside)
{
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    ldns_rdf *owner = ldns_dname_new_frm_str(outside);
    cleanup(dns_pkt_freep) ldns_pkt *asked = NULL;

    if (owner == NULL)
        return false;
    asked = ldns_pkt_query_new(owner, ldns_rr_get_type(question), LDNS_RR_CLASS_IN, LDNS_RD);
    if (asked == NULL)
        return false;
    ldns_pkt_set_id(asked, ldns_pkt_id(query));
    if (ldns_pkt_edns(query))
        ldns_pkt_set_edns_udp_size(asked, DNS_UDP_MAX);
    return dns_to_wire(ret, ret_len, asked);
}

enum dns_verdict dns_answer(uint8_t **ret, size_t *ret_len, const struct dns_zone *zone,
                            const uint8_t *query, size_t len, bool udp)
{
    cleanup(dns_pkt_freep) ldns_pkt *pkt = dns_read(query, len);
    cleanup(dns_pkt_freep) ldns_pkt *reply = NULL;
    cleanup(freep) char *name = NULL;
    cleanup(freep) char *outside = NULL;
    const ldns_rr *question;

    if (pkt == NULL)
        return DNS_DROP;
    question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    name = dns_question_name(question);
    if (name == NULL)
        return DNS_DROP;
    if (!dns_zone_holds(zone, name))
        return DNS_FORWARD;
    reply = dns_reply_to(pkt);
    outside = dns_fill(reply, zone, name, ldns_rr_get_type(question));
    if (outside != NULL && dns_ask_outside(ret, ret_len, pkt, outside))
        return DNS_FOLLOW;
    return dns_finish(ret, ret_len, pkt, reply, udp) ? DNS_ANSWERED : DNS_DROP;
}

static bool dns_is_about(const ldns_pkt *pkt, const char *outside)
{
    cleanup(freep) char *name = NULL;

    if (ldns_pkt_qdcount(pkt) != 1)
        return false;
    name = dns_question_name(ldns_rr_list_rr(ldns_pkt_question(pkt), 0));
    return name != NULL && str_eq(name, outside);
}

static void dns_push_all(ldns_pkt *reply, ldns_pkt_section section, const ldns_rr_list *rrs)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(rrs); i++)
        ldns_pkt_push_rr(reply, section, ldns_rr_clone(ldns_rr_list_rr(rrs, i)));
}

bool dns_follow(uint8_t **ret, size_t *ret_len, const struct dns_zone *zone, const uint8_t *query,
                size_t len, const uint8_t *said, size_t said_len, bool udp)
{
    cleanup(dns_pkt_freep) ldns_pkt *pkt = dns_read(query, len);
    cleanup(dns_pkt_freep) ldns_pkt *heard = NULL;
    cleanup(dns_pkt_freep) ldns_pkt *reply = NULL;
    cleanup(freep) char *name = NULL;
    cleanup(freep) char *outside = NULL;
    const ldns_rr *question;

    if (pkt == NULL || ldns_wire2pkt(&heard, said, said_len) != LDNS_STATUS_OK)
        return false;
    question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
    name = dns_question_name(question);
    reply = dns_reply_to(pkt);
    outside = name != NULL ? dns_fill(reply, zone, name, ldns_rr_get_type(question)) : NULL;
    if (outside == NULL || !dns_is_about(heard, outside))
        return false;
    ldns_pkt_set_rcode(reply, ldns_pkt_get_rcode(heard));
    ldns_pkt_set_tc(reply, ldns_pkt_tc(heard));
    dns_push_all(reply, LDNS_SECTION_ANSWER, ldns_pkt_answer(heard));
    dns_push_all(reply, LDNS_SECTION_AUTHORITY, ldns_pkt_authority(heard));
    return dns_finish(ret, ret_len, pkt, reply, udp);
}

bool dns_failure(uint8_t **ret, size_t *ret_len, const uint8_t *query, size_t len)
{
    cleanup(dns_pkt_freep) ldns_pkt *pkt = dns_read(query, len);
    cleanup(dns_pkt_freep) ldns_pkt *reply = NULL;

    if (pkt == NULL)
        return false;
    reply = dns_reply_to(pkt);
    ldns_pkt_set_rcode(reply, LDNS_RCODE_SERVFAIL);
    return dns_to_wire(ret, ret_len, reply);
}
