#include "controlplane/cronjob_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define CRONJOB_MISSED_MANY 100

/* Schedules need not be regular.  As in Kubernetes the first interval is taken for all of them
 * and the search begins two intervals before the end, so that it is short however much was missed. */
struct cronjob_times cronjob_times(const struct cron *c, const struct zone *z, int64_t earliest_s,
                                   int64_t now_s)
{
    struct cronjob_times ret = { .recent_s = CRON_NEVER };
    int64_t first_s = cron_next(c, z, earliest_s), second_s, interval_s, n, from_s;

    ret.is_odd = first_s == CRON_NEVER;
    if (ret.is_odd || now_s < first_s)
        return ret;
    second_s = cron_next(c, z, first_s);
    ret.missed = CRONJOB_FEW_MISSED;
    if (second_s == CRON_NEVER || now_s < second_s) {
        ret.recent_s = first_s;
        return ret;
    }
    interval_s = second_s - first_s;
    n = (now_s - first_s) / interval_s + 1;
    from_s = first_s + (n - 2) * interval_s;
    for (int64_t t = cron_next(c, z, from_s); t != CRON_NEVER && t <= now_s; t = cron_next(c, z, t))
        ret.recent_s = t;
    if (n > CRONJOB_MISSED_MANY)
        ret.missed = CRONJOB_MANY_MISSED;
    return ret;
}

int64_t cronjob_next(const struct cron *c, const struct zone *z, int64_t earliest_s, int64_t now_s)
{
    struct cronjob_times times = cronjob_times(c, z, earliest_s, now_s);

    if (times.recent_s != CRON_NEVER)
        return cron_next(c, z, times.recent_s);
    return cron_next(c, z, times.missed == CRONJOB_NONE_MISSED ? earliest_s : now_s);
}

char *cronjob_print(const struct zone *z, int64_t unix_s)
{
    long long offset_s = zone_offset(z, unix_s), minutes = llabs(offset_s) / 60;
    char text[CLOCK_TEXT_MAX];

    clock_print(text, (unix_s + offset_s) * 1000);
    if (offset_s == 0)
        return mem_str(text);
    return mem_fmt("%.19s%c%02lld:%02lld", text, offset_s < 0 ? '-' : '+', minutes / 60,
                   minutes % 60);
}

char *cronjob_print_mail(int64_t unix_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct zone_time t = zone_split(NULL, unix_s);

    return mem_fmt("%.3s, %02d %.3s %04lld %02d:%02d:%02d +0000", &days[3 * t.weekday], t.day,
                   &months[3 * (t.month - 1)], (long long)t.year, t.hour, t.minute, t.second);
}
