#include "api/alloc.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

struct alloc {
    uint32_t first, n;
    uint8_t *bits; /* owned */
};

struct alloc *alloc_new(uint32_t first, uint32_t n)
{
    struct alloc *a = MEM_NEW(struct alloc);

    assert(n > 0);
    a->first = first;
    a->n = n;
    a->bits = MEM_NEW_ARRAY(uint8_t, (n + 7) / 8);
    return a;
}

struct alloc *alloc_free(struct alloc *a)
{
    if (a != NULL)
        free(a->bits);
    free(a);
    return NULL;
}

bool alloc_holds(const struct alloc *a, uint32_t value)
{
    return value >= a->first && value - a->first < a->n;
}

static bool alloc_taken(const struct alloc *a, uint32_t index)
{
    assert(index < a->n);
    return (a->bits[index / 8] >> (index % 8)) & 1;
}

bool alloc_take(struct alloc *a, uint32_t value)
{
    uint32_t index = value - a->first;

    if (!alloc_holds(a, value) || alloc_taken(a, index))
        return false;
    a->bits[index / 8] = (uint8_t)(a->bits[index / 8] | (1u << (index % 8)));
    return true;
}

bool alloc_any(struct alloc *a, uint64_t hint, uint32_t *ret)
{
    for (uint32_t i = 0; i < a->n; i++) {
        uint32_t value = a->first + (uint32_t)((hint + i) % a->n);

        if (alloc_take(a, value)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

void alloc_give(struct alloc *a, uint32_t value)
{
    uint32_t index = value - a->first;

    if (alloc_holds(a, value))
        a->bits[index / 8] = (uint8_t)(a->bits[index / 8] & ~(1u << (index % 8)));
}

int alloc_cidr(uint32_t *ret_first, unsigned *ret_bits, const char *cidr, struct err *err)
{
    cleanup(freep) char *ip = mem_str(cidr);
    char *slash = strchr(ip, '/');
    uint64_t bits;
    uint32_t first;

    if (slash == NULL)
        return err_set(err, ERR_INVALID, "%s: not a CIDR such as 10.96.0.0/16", cidr);
    *slash = '\0';
    if (!alloc_ip_parse(ip, &first) || !str_u64(slash + 1, &bits) || bits < 8 || bits > 30)
        return err_set(err, ERR_INVALID, "%s: not a CIDR such as 10.96.0.0/16", cidr);
    *ret_first = first & ~((1u << (32 - bits)) - 1);
    *ret_bits = (unsigned)bits;
    return 0;
}

bool alloc_ip_parse(const char *text, uint32_t *ret)
{
    struct in_addr in;

    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

void alloc_ip_print(char ret[ALLOC_IP_MAX], uint32_t ip)
{
    snprintf(ret, ALLOC_IP_MAX, "%u.%u.%u.%u", ip >> 24, (ip >> 16) & 255, (ip >> 8) & 255,
             ip & 255);
}
