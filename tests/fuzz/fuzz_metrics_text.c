/* layer: api */
#include "api/metrics.h"

#include <assert.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a node answers: a sample or a refusal, and what was taken can be asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metrics *m = metrics_new();
    struct err err = ERR_EMPTY;

    for (int i = 0; i < 2; i++) {
        struct metrics_sample *sample = NULL;

        if (metrics_sample_parse(&sample, (const char *)data, size, &err) == 0)
            metrics_put(m, "n", sample);
        else
            assert(err.text[0] != '\0');
    }
    for (int i = 0; i < 2; i++) {
        struct metrics_usage usage;
        struct metrics_pod pod;
        int64_t at_ms, window_ms;

        if (metrics_node(m, "n", &usage, &at_ms, &window_ms))
            assert(window_ms > 0 && usage.cpu_nano >= 0);
        if (metrics_pod(m, "n", "a", "b", &pod))
            assert(pod.n > 0 && pod.window_ms > 0);
    }
    metrics_free(m);
    return 0;
}
