/* dns_forward: questions that are not ours, asked of the node's resolvers in turn.
 *
 * A socket of its own for each question (its port is part of the secret, RFC 5452 section 4.5),
 * replies only from whom was asked; bounded number, bounded time.  Thread: loop.
 */
#ifndef NET_DNS_FORWARD_H
#define NET_DNS_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct dns_forward;

struct dns_forward *dns_forward_new(uv_loop_t *loop, const char *resolv_conf, const char *own_ip);
/* Forgets questions under way; returns NULL. */
struct dns_forward *dns_forward_close(struct dns_forward *f);

/* @reply NULL: nobody answered.  Never from within the call. */
typedef void (*dns_forward_fn)(void *arg, const uint8_t *reply, size_t len);
/* False: too many under way, or no resolver is known; no callback. */
bool dns_forward_ask(struct dns_forward *f, const uint8_t *query, size_t len, bool tcp,
                     dns_forward_fn done, void *arg);

#endif
