/* entry_events: tells through the API what the entry cannot do for an Ingress or a Service, and
 * that it has taken up an Ingress.
 *
 * The same thing about the same object is said once in an hour.  Bounded.
 * Owner: entry.  Thread: loop.
 */
#ifndef NET_ENTRY_EVENTS_H
#define NET_ENTRY_EVENTS_H

#include "api/client.h"
#include "net/entry_facts.h"

struct entry_events;

struct entry_events *entry_events_new(struct client *client); /* borrowed */
struct entry_events *entry_events_close(
    struct entry_events *e); /* before the client; NULL is fine */

enum entry_kind { ENTRY_INGRESS, ENTRY_SERVICE, ENTRY_GROUP };
void entry_events_warn(struct entry_events *e, enum entry_kind kind, const struct entry_who *who,
                       const char *reason, const char *message);
/* What the controllers that users know say of an Ingress that they have taken up, in its
 * present form. */
void entry_events_synced(struct entry_events *e, const struct entry_ingress *i);

#endif
