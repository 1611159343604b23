/* prom: Prometheus' text format 0.0.4, written.
 *
 *   prom_family(&t, "process_open_fds", "gauge", "Number of open file descriptors.");
 *   prom_value(&t, "process_open_fds", NULL, 12);
 *
 * A family's series follow it directly.  Labels are rendered once by prom_labels and may be kept.
 */
#ifndef BASE_PROM_H
#define BASE_PROM_H

#include "base/text.h"

void prom_family(struct text *ret, const char *name, const char *type, const char *help);
/* Adds `key="value",...` for pairs of strings; values are escaped. */
#define prom_labels(ret, ...) prom_labels_list((ret), __VA_ARGS__, (const char *)NULL)
void prom_labels_list(struct text *ret, ...) __attribute__((sentinel));
/* @labels: what prom_labels made, or NULL. */
void prom_value(struct text *ret, const char *name, const char *labels, double value);

#define PROM_BOUNDS_MAX 32
struct prom_histogram {               /* zero at first */
    uint64_t counts[PROM_BOUNDS_MAX]; /* up to each bound, above the one before */
    uint64_t count;
    double sum;
};
void prom_observe(struct prom_histogram *h, const double *bounds, size_t n_bounds, double value);
void prom_histogram(struct text *ret, const char *name, const char *labels,
                    const struct prom_histogram *h, const double *bounds, size_t n_bounds);

/* Families process_* of this process, from /proc. */
void prom_process(struct text *ret);

#endif
