/* entry_status: shows the entry's address in the status of what it serves.
 *
 * entry_status_want is pure: what status must say, as the JSON that facts hold of what it says.
 * Differences are patched, a few at a time; failures are tried again with back-off.
 * Owner: entry.  Thread: loop.
 */
#ifndef NET_ENTRY_STATUS_H
#define NET_ENTRY_STATUS_H

#include "api/client.h"
#include "net/entry_group.h"

struct entry_status;

/* Everything is borrowed until close. @again: look at all objects once more. */
struct entry_status *entry_status_new(uv_loop_t *loop, struct client *client, const char *ip,
                                      void (*again)(void *arg), void *arg);
struct entry_status *entry_status_close(struct entry_status *s);

/* Brings the status where it belongs; @serves: is the entry there for it? */
void entry_status_ingress(struct entry_status *s, const struct entry_ingress *i, bool serves);
void entry_status_service(struct entry_status *s, const struct entry_service *v, bool serves);
/* observedGeneration of a TargetGroupBinding: what it says now was looked at. */
void entry_status_group(struct entry_status *s, const struct entry_group *g);

/* What the status must say: compact JSON with sorted keys, "" for nothing, owned; NULL: leave it. */
char *entry_status_want(const char *published, const char *ip, bool is_service, bool serves);
/* The same for an Ingress of AWS' class, whose users read a host name. */
char *entry_status_want_named(const char *published, const char *ip, const char *hostname,
                              bool serves);
/* "NAME.NAMESPACE.elb.mkube.local", owned: no DNS knows it; NULL: it would be too long. */
char *entry_status_hostname(const char *ns, const char *name);

#endif
