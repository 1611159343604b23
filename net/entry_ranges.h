/* entry_ranges: sets of addresses, as CIDRs.  Pure. */
#ifndef NET_ENTRY_RANGES_H
#define NET_ENTRY_RANGES_H

#include "net/entry_arena.h"

#include <stdbool.h>
#include <sys/socket.h>

struct entry_range { /* a CIDR */
    int family;      /* AF_UNSPEC: holds nobody */
    unsigned bits;
    unsigned char address[16];
};
/* "10.0.0.0/8"; false: no CIDR. */
bool entry_range_parse(struct entry_range *ret, const char *cidr);
bool entry_range_has(const struct entry_range *r, const struct sockaddr *address);

struct entry_ranges {
    struct entry_range *list;
    size_t n;
};
/* More are refused: all are looked at for each request. */
#define ENTRY_RANGES_MAX 1000
/* "10.0.0.0/8, 192.168.1.7"; the list is the arena's.  False: not all of it can be read. */
bool entry_ranges_parse(struct entry_ranges *ret, struct entry_arena *a, const char *text);
bool entry_ranges_have(const struct entry_ranges *r, const struct sockaddr *address);

#endif
