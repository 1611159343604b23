#include "api/address_range.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void address_print(char ret[ADDRESS_TEXT_MAX], uint32_t address)
{
    snprintf(ret, ADDRESS_TEXT_MAX, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff,
             address >> 8 & 0xff, address & 0xff);
}

bool address_parse(uint32_t *ret, const char *text)
{
    struct in_addr in;

    if (inet_pton(AF_INET, text, &in) != 1)
        return false;
    *ret = ntohl(in.s_addr);
    return true;
}

/* One end of "a-b", blanks around it taken off. */
static bool address_range_end(uint32_t *ret, const char *text, size_t len)
{
    char copy[ADDRESS_TEXT_MAX];

    for (; len > 0 && text[0] == ' '; len--)
        text++;
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return address_parse(ret, copy);
}

static int address_range_pair(struct address_range *ret, const char *text, const char *dash,
                              struct err *err)
{
    if (!address_range_end(&ret->first, text, (size_t)(dash - text)))
        return err_set(err, ERR_INVALID, "invalid IP range \"%s\": invalid start IP \"%.*s\"", text,
                       (int)(dash - text), text);
    if (!address_range_end(&ret->last, dash + 1, strlen(dash + 1)))
        return err_set(err, ERR_INVALID, "invalid IP range \"%s\": invalid end IP \"%s\"", text,
                       dash + 1);
    if (ret->first > ret->last)
        return err_set(err, ERR_INVALID,
                       "invalid IP range \"%s\": start IP \"%.*s\" is after the end IP \"%s\"",
                       text, (int)(dash - text), text, dash + 1);
    return 0;
}

int address_range_parse(struct address_range *ret, const char *text, struct err *err)
{
    const char *slash = strchr(text, '/'), *dash = strchr(text, '-');
    int64_t bits;
    uint32_t mask;

    if (strchr(text, ':') != NULL)
        return err_set(err, ERR_INVALID, "\"%s\": only IPv4 addresses are served", text);
    if (dash != NULL)
        return address_range_pair(ret, text, dash, err);
    if (slash == NULL || !str_i64(slash + 1, &bits) || bits < 0 || bits > 32 ||
        !address_range_end(&ret->first, text, (size_t)(slash - text)))
        return err_set(err, ERR_INVALID, "invalid CIDR \"%s\"", text);
    mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    ret->first &= mask;
    ret->last = ret->first | ~mask;
    return 0;
}
