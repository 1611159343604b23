#include "net/entry_parts.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

const char *entry_part_str(struct entry_arena *a, const json_t *tree, const char *path)
{
    return entry_arena_str(a, json_str_or(tree, path, ""));
}

const char *entry_part_lower(struct entry_arena *a, const char *s)
{
    char *copy = entry_arena_str(a, s);

    for (char *p = copy; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

void entry_part_who(struct entry_who *ret, struct entry_arena *a, const json_t *tree)
{
    ret->ns = entry_part_str(a, tree, "metadata.namespace");
    ret->name = entry_part_str(a, tree, "metadata.name");
    ret->uid = entry_part_str(a, tree, "metadata.uid");
    ret->created = entry_part_str(a, tree, "metadata.creationTimestamp");
}

uint16_t entry_part_port(const json_t *tree, const char *path)
{
    int64_t port = json_int(tree, path, 0);

    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
}

void entry_part_ports(struct entry_port **ret, size_t *ret_n, struct entry_arena *a,
                      const json_t *list)
{
    size_t i;
    const json_t *port;

    *ret = entry_arena_array(a, json_array_size(list), sizeof(**ret));
    json_array_foreach (list, i, port) {
        struct entry_port *p = &(*ret)[i];

        p->name = entry_part_str(a, port, "name");
        p->port = entry_part_port(port, "port");
        p->protocol = entry_arena_str(a, json_str_or(port, "protocol", "TCP"));
        p->is_tcp = str_eq(p->protocol, "TCP");
    }
    *ret_n = json_array_size(list);
}

/* What status shows now. */
const char *entry_part_published(struct entry_arena *a, const json_t *tree)
{
    const json_t *list = json_at(tree, "status.loadBalancer.ingress");
    cleanup(freep) char *text = json_array_size(list) > 0 ? json_print_sorted(list, NULL) : NULL;

    return entry_arena_str(a, text);
}
