/* quantity: Kubernetes resource quantities ("250m", "64Mi", "1e3").  Pure. */
#ifndef API_QUANTITY_H
#define API_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

struct quantity {
    __int128 nano; /* value * 10^9, saturated at +-2^63 * 10^9 */
    char format;   /* 'b' binary suffix, 'd' decimal suffix, 'e' exponent */
};
#define QUANTITY_TEXT_MAX 48

bool quantity_parse(const char *s, struct quantity *ret);
int64_t quantity_value(struct quantity q); /* rounded up, saturated */
int64_t quantity_milli(struct quantity q); /* rounded up, saturated */
int quantity_cmp(struct quantity a, struct quantity b);
struct quantity quantity_add(struct quantity a, struct quantity b);
struct quantity quantity_sub(struct quantity a, struct quantity b);
void quantity_print(char ret[QUANTITY_TEXT_MAX],
                    struct quantity q); /* canonical: "1500m" not "1.5" */

/* Straight from text; @otherwise when NULL or malformed (already validated input). */
int64_t quantity_text_value(const char *s, int64_t otherwise);
int64_t quantity_text_milli(const char *s, int64_t otherwise);

#endif
