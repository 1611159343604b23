/* http_budget: how many bytes the bodies and the answers of all connections may hold together.
 *
 * Thousands of clients that send slowly, or do not read, would otherwise hold the largest body
 * or answer each.  Small ones are not counted: connections bound those.  What goes beyond is
 * answered 429.  Private to base/http_*.c.
 */
#ifndef BASE_HTTP_BUDGET_H
#define BASE_HTTP_BUDGET_H

#include "base/http_exchange.h"

/* The body is @len bytes now; the answer is to be. False: no room. */
bool http_budget_body(struct http_exchange *x, size_t len);
bool http_budget_answer(struct http_exchange *x, size_t len);
/* Gives back what @x holds; its server must still be there. */
void http_budget_release(struct http_exchange *x);

#endif
