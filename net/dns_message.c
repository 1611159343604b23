#include "net/dns_message.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#define DNS_TTL          5
#define DNS_NEGATIVE_TTL 5

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

/* Lower case, no trailing dot; owned by ldns: LDNS_FREE. */
static char *dns_question_name(const ldns_rr *question)
{
    char *name = ldns_rdf2str(ldns_rr_owner(question));
    size_t len = name != NULL ? strlen(name) : 0;

    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    for (char *s = name; s != NULL && *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
    return name;
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

static void dns_fill(ldns_pkt *reply, const struct dns_zone *zone, const char *name,
                     ldns_rr_type wanted)
{
    struct dns_name_scratch scratch;
    const struct dns_name *found = dns_zone_find(zone, name, &scratch);

    ldns_pkt_set_aa(reply, true);
    if (found == NULL)
        ldns_pkt_set_rcode(reply, LDNS_RCODE_NXDOMAIN);
    if (found == NULL || dns_push_records(reply, name, found, wanted) == 0)
        dns_push_soa(reply, dns_zone_domain(zone));
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

enum dns_verdict dns_answer(uint8_t **ret, size_t *ret_len, const struct dns_zone *zone,
                            const uint8_t *query, size_t len, bool udp)
{
    cleanup(dns_pkt_freep) ldns_pkt *pkt = dns_read(query, len);
    cleanup(dns_pkt_freep) ldns_pkt *reply = NULL;
    cleanup(freep) char *name = NULL;
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
    dns_fill(reply, zone, name, ldns_rr_get_type(question));
    if (!dns_to_wire(ret, ret_len, reply))
        return DNS_DROP;
    if (udp && *ret_len > dns_udp_room(pkt)) {
        free(*ret);
        return dns_cut(ret, ret_len, pkt) ? DNS_ANSWERED : DNS_DROP;
    }
    return DNS_ANSWERED;
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
