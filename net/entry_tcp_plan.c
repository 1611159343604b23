#include "net/entry_tcp.h"

#include "base/text.h"

#include <assert.h>

static bool entry_tcp_is_reserved(const uint16_t *reserved, uint16_t port)
{
    for (; *reserved != 0; reserved++)
        if (*reserved == port)
            return true;
    return false;
}

static bool entry_tcp_holds(const struct entry_tcp_held *held, size_t n,
                            const struct entry_listen *l)
{
    for (size_t i = 0; i < n; i++)
        if (held[i].port == l->port && str_eq(held[i].service, l->service->name) &&
            str_eq(held[i].ns, l->service->ns))
            return true;
    return false;
}

/* Who gets the port of wants[at]: who has it, else who is first. */
static size_t entry_tcp_owner(const struct entry_listen *wants, size_t n,
                              const struct entry_tcp_held *held, size_t n_held, size_t at)
{
    size_t first = at;

    for (size_t i = n; i-- > 0;) {
        if (!wants[i].is_tcp || wants[i].port != wants[at].port)
            continue;
        if (entry_tcp_holds(held, n_held, &wants[i]))
            return i;
        first = i < first ? i : first;
    }
    return first;
}

void entry_tcp_plan(struct entry_tcp_decision *ret, const struct entry_listen *wants,
                    size_t n_wants, const struct entry_tcp_held *held, size_t n_held,
                    const uint16_t *reserved)
{
    for (size_t i = 0; i < n_wants; i++) {
        size_t owner = entry_tcp_owner(wants, n_wants, held, n_held, i);

        ret[i].owner = NULL;
        if (!wants[i].is_tcp) {
            ret[i].verdict = ENTRY_TCP_PROTOCOL;
        } else if (entry_tcp_is_reserved(reserved, wants[i].port)) {
            ret[i].verdict = ENTRY_TCP_RESERVED;
        } else if (owner != i && str_eq(wants[owner].service->name, wants[i].service->name) &&
                   str_eq(wants[owner].service->ns, wants[i].service->ns)) {
            ret[i].verdict = ENTRY_TCP_SHARED;
        } else if (owner != i) {
            ret[i].verdict = ENTRY_TCP_TAKEN;
            ret[i].owner = wants[owner].service;
        } else {
            ret[i].verdict = entry_tcp_holds(held, n_held, &wants[i]) ? ENTRY_TCP_KEEP
                                                                      : ENTRY_TCP_OPEN;
        }
    }
}
