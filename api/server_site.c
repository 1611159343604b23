/* What the process around us tells administrators, and does for them: nothing of Kubernetes. */
#include "api/server_impl.h"
#include "base/mem.h"

static void site_absent(struct call *c)
{
    call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
}

static void site_send(struct call *c, int http, json_t *(*get)(void *arg))
{
    cleanup(json_decrefpp) json_t *body = get(c->s->site.arg);

    call_send_json(c, http, body);
}

void server_encryption(struct call *c)
{
    if (c->s->site.encryption == NULL)
        site_absent(c);
    else
        site_send(c, 200, c->s->site.encryption);
}

void server_encryption_rotate(struct call *c)
{
    struct err err = ERR_EMPTY;

    if (c->s->site.encryption == NULL || c->s->site.encryption_rotate == NULL)
        site_absent(c);
    else if (c->s->site.encryption_rotate(c->s->site.arg, &err) < 0)
        call_send_status(c, status_from_err(&err));
    else
        site_send(c, 202, c->s->site.encryption);
}
