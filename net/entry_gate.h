/* entry_gate: what an Ingress' annotations decide before a backend is asked: redirects, answers
 * to CORS preflights, who may enter; and how the request is changed that goes on.
 *
 * In the order in which ingress-nginx' configuration comes to it.  Pure.
 */
#ifndef NET_ENTRY_GATE_H
#define NET_ENTRY_GATE_H

#include "net/entry_request.h"
#include "net/entry_table.h"

struct entry_visit { /* a request and its client */
    const struct entry_request *request;
    const struct entry_head *head;
    const struct sockaddr *remote;
    bool is_tls;
};

enum entry_verdict {
    ENTRY_PASSES,
    ENTRY_ANSWERED,  /* with *ret_status */
    ENTRY_NEEDS_AUTH /* passes if its credentials are right */
};
/* Appends header lines for the client to @ret_fields, also to those of a backend's answer. */
enum entry_verdict entry_gate_decide(const struct entry_route *route, const struct entry_visit *v,
                                     unsigned *ret_status, struct text *ret_fields);

/* Does this one belong to the route's canary?  @random decides about shares. */
bool entry_gate_is_canary(const struct entry_route *route, const struct entry_head *head,
                          uint64_t random);

/* The path and arguments to ask for, appended; false: what the client asked for. */
bool entry_gate_rewrite(const struct entry_route *route, const struct entry_visit *v,
                        struct text *ret);

/* "Authorization: Basic dXNlcjpwYXNz" to its last word, a range of the head; false: none. */
bool entry_gate_credentials(const struct entry_head *head, const char **ret, size_t *ret_len);
/* The line that asks for them. */
void entry_gate_challenge(struct text *ret, const struct entry_basic *basic);

#endif
