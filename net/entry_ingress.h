/* entry_ingress: an Ingress without its JSON: rules, TLS, and what its annotations ask for.
 *
 * Immutable; facts hold the present one, tables those that they were made of (references are
 * atomic), so that a request under way keeps what it began with.  Pure.
 */
#ifndef NET_ENTRY_INGRESS_H
#define NET_ENTRY_INGRESS_H

#include "net/entry_facts.h"

/* @f knows the classes.  With one reference. */
struct entry_ingress *entry_ingress_read(const json_t *tree, const struct entry_facts *f);

#endif
