#include "net/entry_ranges.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

bool entry_range_parse(struct entry_range *ret, const char *cidr)
{
    const char *slash = strchr(cidr, '/');
    cleanup(freep) char *ip = mem_strn(cidr, slash != NULL ? (size_t)(slash - cidr) : 0);
    uint64_t bits;

    memset(ret, 0, sizeof(*ret));
    ret->family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET;
    if (slash == NULL || !str_u64(slash + 1, &bits) || bits > (ret->family == AF_INET ? 32 : 128) ||
        inet_pton(ret->family, ip, ret->address) != 1)
        return false;
    ret->bits = (unsigned)bits;
    return true;
}

bool entry_range_has(const struct entry_range *r, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    const unsigned char *a = address->sa_family == AF_INET ? (const unsigned char *)&v4->sin_addr
                                                           : (const unsigned char *)&v6->sin6_addr;
    unsigned whole = r->bits / 8, rest = r->bits % 8;

    if (address->sa_family != r->family || memcmp(a, r->address, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ r->address[whole]) >> (8 - rest)) == 0;
}

/* One address is a range of its own. */
static bool entry_ranges_parse_one(struct entry_range *ret, char *one)
{
    char *end = one + strlen(one);
    cleanup(freep) char *whole = NULL;

    while (isspace((unsigned char)*one))
        one++;
    while (end > one && isspace((unsigned char)end[-1]))
        *--end = '\0';
    whole = mem_fmt("%s%s", one,
                    strchr(one, '/') != NULL   ? ""
                    : strchr(one, ':') != NULL ? "/128"
                                               : "/32");
    return entry_range_parse(ret, whole);
}

bool entry_ranges_parse(struct entry_ranges *ret, struct entry_arena *a, const char *text)
{
    cleanup(strv_freep) char **parts = str_split(text, ',');
    size_t n = 0;

    while (parts[n] != NULL)
        n++;
    if (n == 0 || n > ENTRY_RANGES_MAX)
        return false;
    ret->list = entry_arena_array(a, n, sizeof(*ret->list));
    for (ret->n = 0; ret->n < n; ret->n++)
        if (!entry_ranges_parse_one(&ret->list[ret->n], parts[ret->n]))
            return false;
    return true;
}

bool entry_ranges_have(const struct entry_ranges *r, const struct sockaddr *address)
{
    for (size_t i = 0; i < r->n; i++)
        if (entry_range_has(&r->list[i], address))
            return true;
    return false;
}
