#include "base/http_budget.h"

#include <assert.h>

#define HTTP_BUDGET_SMALL   (64 * 1024)
#define HTTP_BUDGET_BODIES  ((size_t)64 << 20)
#define HTTP_BUDGET_ANSWERS ((size_t)256 << 20)

static bool http_budget_charge(size_t *own, size_t *all, size_t max, size_t len)
{
    size_t charge = len > HTTP_BUDGET_SMALL ? len : 0;

    if (charge > *own && *all - *own + charge > max)
        return false;
    *all = *all - *own + charge;
    *own = charge;
    return true;
}

bool http_budget_body(struct http_exchange *x, size_t len)
{
    return http_budget_charge(&x->body_charge, &x->server->n_body_bytes, HTTP_BUDGET_BODIES, len);
}

bool http_budget_answer(struct http_exchange *x, size_t len)
{
    return http_budget_charge(&x->answer_charge, &x->server->n_answer_bytes, HTTP_BUDGET_ANSWERS,
                              len);
}

void http_budget_release(struct http_exchange *x)
{
    assert(x->server->n_body_bytes >= x->body_charge &&
           x->server->n_answer_bytes >= x->answer_charge);
    x->server->n_body_bytes -= x->body_charge;
    x->server->n_answer_bytes -= x->answer_charge;
    x->body_charge = x->answer_charge = 0;
}
