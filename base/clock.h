/* clock: the two times.  Timers run on the monotonic one; the wall clock is only shown.
 *
 * Decisions never call these: they are handed `now`.  Thread: any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

int64_t clock_mono_ms(void); /* since boot, CLOCK_BOOTTIME */
int64_t clock_wall_ms(void); /* since 1970, UTC */

#define CLOCK_TEXT_MAX 40
/* RFC 3339 in UTC, as Kubernetes prints it: "2026-01-02T03:04:05Z"; micro adds ".000000". */
void clock_print(char ret[CLOCK_TEXT_MAX], int64_t wall_ms);
void clock_print_micro(char ret[CLOCK_TEXT_MAX], int64_t wall_us);
void clock_print_nano(char ret[CLOCK_TEXT_MAX], int64_t wall_ns); /* RFC3339Nano, for log lines */
/* Any RFC 3339 form, offsets and fractions included.  False: not a time. */
bool clock_parse(const char *text, int64_t *ret_wall_ms);

#endif
