/* zone: a time zone of the system's database: which offset holds when, and calendar time in it.
 *
 * Reads TZif files (RFC 9636), their rule for the years after the table included.  Leap seconds
 * are not counted, as everywhere in POSIX time.  A loaded zone is constant.  Thread: any.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define ZONE_DIR      "/usr/share/zoneinfo"
#define ZONE_NAME_MAX 128 /* "America/Argentina/ComodRivadavia" has 32 */

struct zone;

struct zone_time {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday; /* 0 = Sunday */
};

/* @name as in "Europe/Berlin"; "UTC" needs no database.  ERR_NOT_FOUND "unknown time zone X" when
 * there is none of the name. */
int zone_load(struct zone **ret, const char *name, struct err *err);
/* The content of a TZif file. */
int zone_parse(struct zone **ret, const void *data, size_t len, struct err *err);
struct zone *zone_free(struct zone *z); /* NULL is fine; returns NULL */
void zone_freep(struct zone **z);

/* Seconds east of UTC at @unix_s.  NULL @z is UTC, here and below. */
int64_t zone_offset(const struct zone *z, int64_t unix_s);
struct zone_time zone_split(const struct zone *z, int64_t unix_s);
/* Members beyond their range carry over.  A time that the clocks skip is told with the offset from
 * before the gap; of one that they show twice it is either, the same that Go's time.Date takes. */
int64_t zone_join(const struct zone *z, struct zone_time t);

#endif
