/* address_range: a run of IPv4 addresses as pools write them: "10.0.0.0/28", "10.0.0.5-10.0.0.9".
 *
 * Pure.  Addresses are in host order.  Thread: any.
 */
#ifndef API_ADDRESS_RANGE_H
#define API_ADDRESS_RANGE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct address_range {
    uint32_t first, last; /* both included */
};

/* ERR_INVALID in MetalLB's words: `invalid CIDR "10.0.0.0/33"`, `invalid IP range "b-a": start IP b
 * is after the end IP a`.  IPv6 is refused: pods and Services here have IPv4 addresses only. */
int address_range_parse(struct address_range *ret, const char *text, struct err *err);

#define ADDRESS_TEXT_MAX 16
void address_print(char ret[ADDRESS_TEXT_MAX], uint32_t address);
bool address_parse(uint32_t *ret, const char *text);

#endif
