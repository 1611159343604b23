/* events: lists of events in the order of time, as rows for people.  Pure. */
#ifndef CLIENT_EVENTS_H
#define CLIENT_EVENTS_H

#include "base/json.h"
#include "base/text.h"

#include <stdint.h>

/* When it was last seen, wall clock; 0: it does not say. */
int64_t events_ms(const json_t *event);
/* Oldest first. */
void events_sort(json_t *events);
/* "5m", "20s (x3 over 2m)". */
void events_age(struct text *ret, const json_t *event, int64_t now_ms);
/* Is it about an object of that kind and name? (@kind as in manifests) */
bool events_about(const json_t *event, const char *kind, const char *name);

#endif
