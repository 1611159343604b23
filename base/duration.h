/* duration: Go's spelling of lengths of time: "1h", "1h30m", "500ms", "0".
 *
 * Pure.  Thread: any.
 */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* As time.ParseDuration, in whole milliseconds towards zero.  False: not a duration, or one that
 * does not fit into 64 bits of nanoseconds, as Go keeps it. */
bool duration_parse(const char *s, int64_t *ret_ms);

#endif
