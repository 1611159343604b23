/* ip("10.0.0.1") and cidr("10.0.0.0/8"): both families, zones refused. */
#include "api/cel_kube.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct cel_address {
    int family; /* 4 or 6 */
    unsigned char bytes[16];
    int prefix; /* of a cidr; an ip: all bits */
};

static bool cel_address_equal(const void *a, const void *b)
{
    const struct cel_address *x = a, *y = b;

    return x->family == y->family && x->prefix == y->prefix &&
           memcmp(x->bytes, y->bytes, sizeof(x->bytes)) == 0;
}

static const struct cel_type cel_ip_type = { .kind = CEL_OPAQUE,
                                             .name = "net.IP",
                                             .equal = cel_address_equal };
static const struct cel_type cel_cidr_type = { .kind = CEL_OPAQUE,
                                               .name = "net.CIDR",
                                               .equal = cel_address_equal };

static int cel_address_bits(const struct cel_address *a)
{
    return a->family == 4 ? 32 : 128;
}

static bool cel_address_read(const char *text, struct cel_address *ret)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    *ret = (struct cel_address){ .family = strchr(text, ':') != NULL ? 6 : 4 };
    if (inet_pton(ret->family == 6 ? AF_INET6 : AF_INET, text, ret->bytes) != 1)
        return false;
    ret->prefix = cel_address_bits(ret);
    /* IPv4 in IPv6's clothes is neither. */
    return ret->family == 4 || memcmp(ret->bytes, mapped, sizeof(mapped)) != 0;
}

static bool cel_cidr_read(const char *text, struct cel_address *ret)
{
    const char *slash = strchr(text, '/');
    cleanup(freep) char *head = slash != NULL ? mem_strn(text, (size_t)(slash - text)) : NULL;
    uint64_t prefix;

    if (slash == NULL || !cel_address_read(head, ret) || !str_u64(slash + 1, &prefix) ||
        (slash[1] == '0' && slash[2] != '\0') || prefix > (uint64_t)cel_address_bits(ret))
        return false;
    ret->prefix = (int)prefix;
    return true;
}

static struct cel_value cel_address_value(struct cel_context *c, const struct cel_type *type,
                                          const struct cel_address *a)
{
    struct cel_address *kept = cel_alloc(c, sizeof(*kept));

    *kept = *a;
    return cel_opaque(type, kept);
}

static const struct cel_address *cel_address_of(const struct cel_value *v)
{
    return v->arg;
}

/* Clears what lies behind the prefix. */
static void cel_address_mask(struct cel_address *a)
{
    for (int i = a->prefix; i < cel_address_bits(a); i++)
        a->bytes[i / 8] &= (unsigned char)~(0x80 >> i % 8);
}

static void cel_address_print(char ret[INET6_ADDRSTRLEN], const struct cel_address *a)
{
    inet_ntop(a->family == 6 ? AF_INET6 : AF_INET, a->bytes, ret, INET6_ADDRSTRLEN);
}

/* --- ip --- */

CEL_FN(cel_ip_new)
{
    struct cel_address at;

    if (!cel_address_read(a[0].s, &at))
        return cel_error(c, "IP Address %.64s parse error during conversion from string", a[0].s);
    return cel_address_value(c, &cel_ip_type, &at);
}

CEL_FN(cel_ip_is)
{
    struct cel_address at;

    return cel_bool(cel_address_read(a[0].s, &at));
}

CEL_FN(cel_ip_is_canonical)
{
    struct cel_address at;
    char shown[INET6_ADDRSTRLEN];

    if (!cel_address_read(a[0].s, &at))
        return cel_error(c, "IP Address %.64s parse error during conversion from string", a[0].s);
    cel_address_print(shown, &at);
    return cel_bool(str_eq(shown, a[0].s));
}

CEL_FN(cel_address_string)
{
    const struct cel_address *at = cel_address_of(&a[0]);
    char shown[INET6_ADDRSTRLEN + 8];

    cel_address_print(shown, at);
    if (a[0].type == &cel_cidr_type)
        snprintf(shown + strlen(shown), 8, "/%d", at->prefix);
    return cel_copy(c, shown, strlen(shown));
}

CEL_FN(cel_ip_family)
{
    return cel_int(cel_address_of(&a[0])->family);
}

/* The first bits of @a are those of @prefix ("fe80::/10"). */
static bool cel_address_within(const struct cel_address *a, const char *prefix)
{
    struct cel_address net, here = *a;

    if (!cel_cidr_read(prefix, &net) || net.family != a->family || net.prefix > a->prefix)
        return false;
    here.prefix = net.prefix;
    cel_address_mask(&here);
    cel_address_mask(&net);
    return cel_address_equal(&here, &net);
}

static bool cel_address_is(const struct cel_value *v, const char *four, const char *six)
{
    const struct cel_address *a = cel_address_of(v);

    return cel_address_within(a, a->family == 4 ? four : six);
}

CEL_FN(cel_ip_unspecified)
{
    return cel_bool(cel_address_is(&a[0], "0.0.0.0/32", "::/128"));
}

CEL_FN(cel_ip_loopback)
{
    return cel_bool(cel_address_is(&a[0], "127.0.0.0/8", "::1/128"));
}

CEL_FN(cel_ip_link_multicast)
{
    return cel_bool(cel_address_is(&a[0], "224.0.0.0/24", "ff02::/16"));
}

CEL_FN(cel_ip_link_unicast)
{
    return cel_bool(cel_address_is(&a[0], "169.254.0.0/16", "fe80::/10"));
}

CEL_FN(cel_ip_global)
{
    static const char *const others[][2] = { { "0.0.0.0/32", "::/128" },
                                             { "127.0.0.0/8", "::1/128" },
                                             { "224.0.0.0/4", "ff00::/8" },
                                             { "169.254.0.0/16", "fe80::/10" },
                                             { "255.255.255.255/32", "::/128" } };

    for (size_t i = 0; i < N_ELEMENTS(others); i++)
        if (cel_address_is(&a[0], others[i][0], others[i][1]))
            return cel_bool(false);
    return cel_bool(true);
}

/* --- cidr --- */

CEL_FN(cel_cidr_new)
{
    struct cel_address at;

    if (!cel_cidr_read(a[0].s, &at))
        return cel_error(c, "network address parse error during conversion from string: %.64s",
                         a[0].s);
    return cel_address_value(c, &cel_cidr_type, &at);
}

CEL_FN(cel_cidr_is)
{
    struct cel_address at;

    return cel_bool(cel_cidr_read(a[0].s, &at));
}

/* The other one: an address or network, or its text.  False: *ret_error tells. */
static bool cel_address_other(struct cel_context *c, const struct cel_value *v, bool cidr,
                              struct cel_address *ret, struct cel_value *ret_error)
{
    bool ok = true;

    if (v->kind == CEL_OPAQUE)
        *ret = *cel_address_of(v);
    else
        ok = cidr ? cel_cidr_read(v->s, ret) : cel_address_read(v->s, ret);
    if (!ok)
        *ret_error = cel_error(c, "\"%.64s\" is no %s", v->s, cidr ? "network" : "address");
    return ok;
}

static struct cel_value cel_cidr_covers(struct cel_context *c, const struct cel_value *a, bool cidr)
{
    struct cel_address net = *cel_address_of(&a[0]), other;
    struct cel_value wrong;

    if (!cel_address_other(c, &a[1], cidr, &other, &wrong))
        return wrong;
    if (other.family != net.family || other.prefix < net.prefix)
        return cel_bool(false);
    other.prefix = net.prefix;
    cel_address_mask(&other);
    cel_address_mask(&net);
    return cel_bool(cel_address_equal(&other, &net));
}

CEL_FN(cel_cidr_contains_ip)
{
    return cel_cidr_covers(c, a, false);
}

CEL_FN(cel_cidr_contains_cidr)
{
    return cel_cidr_covers(c, a, true);
}

CEL_FN(cel_cidr_ip)
{
    struct cel_address at = *cel_address_of(&a[0]);

    at.prefix = cel_address_bits(&at);
    return cel_address_value(c, &cel_ip_type, &at);
}

CEL_FN(cel_cidr_masked)
{
    struct cel_address at = *cel_address_of(&a[0]);

    cel_address_mask(&at);
    return cel_address_value(c, &cel_cidr_type, &at);
}

CEL_FN(cel_cidr_prefix)
{
    return cel_int(cel_address_of(&a[0])->prefix);
}

static const struct cel_type *const cel_address_types[] = { &cel_ip_type, &cel_cidr_type };

static const struct cel_function cel_address_functions[] = {
    { "ip", false, "s:0", cel_ip_new },
    { "isIP", false, "s:b", cel_ip_is },
    { "ip.isCanonical", false, "s:b", cel_ip_is_canonical },
    { "string", false, "0:s", cel_address_string },
    { "family", true, "0:i", cel_ip_family },
    { "isUnspecified", true, "0:b", cel_ip_unspecified },
    { "isLoopback", true, "0:b", cel_ip_loopback },
    { "isLinkLocalMulticast", true, "0:b", cel_ip_link_multicast },
    { "isLinkLocalUnicast", true, "0:b", cel_ip_link_unicast },
    { "isGlobalUnicast", true, "0:b", cel_ip_global },
    { "cidr", false, "s:1", cel_cidr_new },
    { "isCIDR", false, "s:b", cel_cidr_is },
    { "string", false, "1:s", cel_address_string },
    { "containsIP", true, "10:b", cel_cidr_contains_ip },
    { "containsIP", true, "1s:b", cel_cidr_contains_ip },
    { "containsCIDR", true, "11:b", cel_cidr_contains_cidr },
    { "containsCIDR", true, "1s:b", cel_cidr_contains_cidr },
    { "ip", true, "1:0", cel_cidr_ip },
    { "masked", true, "1:1", cel_cidr_masked },
    { "prefixLength", true, "1:i", cel_cidr_prefix },
};

const struct cel_library cel_lib_address = { cel_address_functions,
                                             N_ELEMENTS(cel_address_functions), cel_address_types };
