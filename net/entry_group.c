#include "net/entry_group.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/entry_parts.h"

/* CIDRs of all peers; false: a peer is something else, so nobody can be kept out by address. */
static bool entry_group_blocks(struct entry_group *g, const json_t *rules)
{
    const json_t *rule, *peer;
    size_t i, k, n = 0;

    json_array_foreach (rules, i, rule)
        n += json_array_size(json_object_get(rule, "from"));
    g->sources = entry_arena_array(&g->arena, n, sizeof(*g->sources));
    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "from"), k, peer) {
            const char *cidr = json_str(peer, "ipBlock.cidr");

            if (cidr == NULL || !entry_range_parse(&g->sources[g->n_sources], cidr))
                return false;
            g->n_sources++;
        }
    }
    return true;
}

struct entry_group *entry_group_read(const json_t *tree)
{
    struct entry_group *g = MEM_NEW(struct entry_group);
    struct entry_arena *a = &g->arena;
    const json_t *port = json_at(tree, "spec.serviceRef.port");
    int64_t number = json_is_integer(port) ? json_integer_value(port) : 0;

    entry_part_who(&g->who, a, tree);
    g->target.service = entry_arena_str(a, json_str_or(tree, "spec.serviceRef.name", ""));
    g->target.port = entry_arena_str(a, json_is_string(port) ? json_string_value(port) : "");
    g->target.number = number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
    if (!entry_group_blocks(g, json_at(tree, "spec.networking.ingress")))
        g->n_sources = 0;
    g->generation = json_int(tree, "metadata.generation", 0);
    g->observed = json_int(tree, "status.observedGeneration", 0);
    return g;
}

void entry_group_free(void *group)
{
    struct entry_group *g = group;

    entry_arena_fini(&g->arena);
    free(g);
}

const struct entry_port *entry_group_port(const struct entry_group *group,
                                          const struct entry_service *service, char **ret_why)
{
    const struct entry_target *t = &group->target;

    *ret_why = NULL;
    for (size_t i = 0; service != NULL && i < service->n_ports; i++) {
        const struct entry_port *p = &service->ports[i];

        if (t->port[0] != '\0' ? str_eq(p->name, t->port) : p->port == t->number)
            return p;
    }
    if (service == NULL)
        *ret_why = mem_fmt("backend not found: Service \"%s\" not found", t->service);
    else if (t->port[0] != '\0')
        *ret_why = mem_fmt("backend not found: unable to find port %s on service %s/%s", t->port,
                           group->who.ns, t->service);
    else
        *ret_why = mem_fmt("backend not found: unable to find port %u on service %s/%s", t->number,
                           group->who.ns, t->service);
    return NULL;
}
