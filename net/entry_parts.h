/* entry_parts: pieces that objects of several kinds have, read into an arena.  Pure. */
#ifndef NET_ENTRY_PARTS_H
#define NET_ENTRY_PARTS_H

#include "net/entry_facts.h"

const char *entry_part_str(struct entry_arena *a, const json_t *tree, const char *path); /* or "" */
const char *entry_part_lower(struct entry_arena *a, const char *s);
void entry_part_who(struct entry_who *ret, struct entry_arena *a, const json_t *tree);
uint16_t entry_part_port(const json_t *tree, const char *path); /* 0: none */
void entry_part_ports(struct entry_port **ret, size_t *ret_n, struct entry_arena *a,
                      const json_t *list);
/* What status shows now, as compact JSON with sorted keys; "" = nothing. */
const char *entry_part_published(struct entry_arena *a, const json_t *tree);

#endif
