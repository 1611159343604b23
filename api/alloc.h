/* alloc: numbers that must not be given twice: cluster IPs, node ports, pod CIDRs.
 *
 * A bitmap over a range, rebuilt from the store at start; truth stays in the objects.  All writes of one
 * server pass through one registry, so a number is taken when its write is submitted and given back
 * when the write fails or the object goes.  Thread: loop.
 */
#ifndef API_ALLOC_H
#define API_ALLOC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct alloc;

struct alloc *alloc_new(uint32_t first, uint32_t n);
struct alloc *alloc_free(struct alloc *a);
bool alloc_holds(const struct alloc *a, uint32_t value); /* is @value in the range at all? */
/* False when taken already or out of range. */
bool alloc_take(struct alloc *a, uint32_t value);
/* The first free one at or after a place chosen by @hint (wrapping); false when full. */
bool alloc_any(struct alloc *a, uint64_t hint, uint32_t *ret);
void alloc_give(struct alloc *a, uint32_t value); /* out of range or free: ignored */

/* "10.96.0.0/16" into first address (host order) and prefix length. */
int alloc_cidr(uint32_t *ret_first, unsigned *ret_bits, const char *cidr, struct err *err);
bool alloc_ip_parse(const char *text, uint32_t *ret);
#define ALLOC_IP_MAX 16
void alloc_ip_print(char ret[ALLOC_IP_MAX], uint32_t ip);

#endif
