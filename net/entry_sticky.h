/* entry_sticky: a client keeps its endpoint by a cookie that names it.
 *
 * The value is a hash of the endpoint's address: there is no table to lose, and a client stays
 * where it is as long as that endpoint serves.  Pure.
 */
#ifndef NET_ENTRY_STICKY_H
#define NET_ENTRY_STICKY_H

#include "base/text.h"
#include "net/entry_annotations.h"
#include "net/entry_head.h"

/* The value of cookie @name (RFC 6265, 5.4), a range of the head; false: there is none. */
bool entry_cookie_find(const struct entry_head *h, const char *name, const char **ret_value,
                       size_t *ret_len);

/* What the client's cookie says; 0: nothing. */
uint64_t entry_sticky_read(const struct entry_sticky *s, const struct entry_head *h);
/* The Set-Cookie line.  @path: where the cookie counts unless @s says it; @now: seconds. */
void entry_sticky_print(struct text *ret, const struct entry_sticky *s, uint64_t id,
                        const char *path, bool is_tls, int64_t now);

#endif
