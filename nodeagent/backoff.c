#include "nodeagent/backoff.h"

static void backoff_double(struct backoff *b)
{
    b->delay_ms = b->delay_ms == 0 ? BACKOFF_FIRST_MS : b->delay_ms * 2;
    if (b->delay_ms > BACKOFF_MAX_MS)
        b->delay_ms = BACKOFF_MAX_MS;
}

void backoff_exited(struct backoff *b, int64_t started_ms, int64_t ended_ms)
{
    if (ended_ms - started_ms >= BACKOFF_RESET_MS)
        backoff_clear(b);
    if (b->has_failed)
        backoff_double(b);
    b->has_failed = true;
    b->retry_at_ms = b->delay_ms == 0 ? 0 : ended_ms + b->delay_ms;
}

void backoff_failed(struct backoff *b, int64_t now_ms)
{
    backoff_double(b);
    b->has_failed = true;
    b->retry_at_ms = now_ms + b->delay_ms;
}

void backoff_clear(struct backoff *b)
{
    *b = (struct backoff){ .delay_ms = 0 };
}
