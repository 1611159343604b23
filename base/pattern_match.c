/* Matching: all states of the program side by side, one character at a time. */
#include "base/pattern_impl.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

#define PATTERN_STEPS_MAX 100000000u

uint32_t pattern_rune(const char **s)
{
    const unsigned char *u = (const unsigned char *)*s;
    int more = u[0] >= 0xf0 ? 3 : u[0] >= 0xe0 ? 2 : u[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more == 0 ? u[0] : u[0] & (0x3fu >> more);

    for (int i = 1; i <= more; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            (*s)++;
            return u[0];
        }
        c = c << 6 | (u[i] & 0x3f);
    }
    *s += more + 1;
    return c;
}

struct pattern_states {
    int *list;  /* where each state stands; owned */
    bool *seen; /* by place; owned */
    int n;
};

/* What lies around the place between two characters. */
struct pattern_place {
    uint32_t before, after; /* 0 = the text's begin or end */
};

static bool pattern_is_word(uint32_t c)
{
    return c < 128 && (isalnum((int)c) || c == '_');
}

static bool pattern_holds(const struct pattern_code *code, const struct pattern_place *place)
{
    switch (code->op) {
    case PATTERN_BEGIN: return place->before == 0 || (code->flag && place->before == '\n');
    case PATTERN_END: return place->after == 0 || (code->flag && place->after == '\n');
    default:
        return (pattern_is_word(place->before) != pattern_is_word(place->after)) == (code->x == 0);
    }
}

/* Enters the state at @pc and all that follow without reading.  @stack has room for all code. */
static void pattern_enter(const struct pattern *p, struct pattern_states *to, int pc,
                          const struct pattern_place *place, int *stack)
{
    int depth = 0;

    stack[depth++] = pc;
    while (depth > 0) {
        const struct pattern_code *code;

        pc = stack[--depth];
        if (to->seen[pc])
            continue;
        to->seen[pc] = true;
        code = &p->code[pc];
        switch (code->op) {
        case PATTERN_SPLIT:
            stack[depth++] = pc + code->y;
            stack[depth++] = pc + code->x;
            break;
        case PATTERN_JUMP: stack[depth++] = pc + code->x; break;
        case PATTERN_SET:
        case PATTERN_MATCH: to->list[to->n++] = pc; break;
        default:
            if (pattern_holds(code, place))
                stack[depth++] = pc + 1;
        }
    }
}

static bool pattern_takes(const struct pattern *p, const struct pattern_code *code, uint32_t c)
{
    for (int i = 0; i < code->y; i++) {
        const struct pattern_range *range = &p->ranges[code->x + i];

        if (c >= range->low && c <= range->high)
            return !code->flag;
    }
    return code->flag;
}

static void pattern_states_init(struct pattern_states *s, int n)
{
    s->list = MEM_NEW_ARRAY(int, (size_t)n);
    s->seen = MEM_NEW_ARRAY(bool, (size_t)n);
    s->n = 0;
}

static void pattern_states_fini(struct pattern_states *s)
{
    free(s->list);
    free(s->seen);
}

static void pattern_states_clear(struct pattern_states *s, int n)
{
    memset(s->seen, 0, (size_t)n * sizeof(*s->seen));
    s->n = 0;
}

/* Moves over @c, between @before and what follows; true: some state is done. */
static bool pattern_step(const struct pattern *p, const struct pattern_states *now,
                         struct pattern_states *next, uint32_t c, uint32_t after, int *stack)
{
    const struct pattern_place place = { .before = c, .after = after };

    pattern_states_clear(next, p->n_code);
    for (int i = 0; i < now->n; i++) {
        const struct pattern_code *code = &p->code[now->list[i]];

        if (code->op == PATTERN_MATCH)
            return true;
        if (pattern_takes(p, code, c))
            pattern_enter(p, next, now->list[i] + 1, &place, stack);
    }
    pattern_enter(p, next, 0, &place, stack); /* a match may begin anywhere */
    return false;
}

static bool pattern_is_done(const struct pattern *p, const struct pattern_states *s)
{
    for (int i = 0; i < s->n; i++)
        if (p->code[s->list[i]].op == PATTERN_MATCH)
            return true;
    return false;
}

static uint32_t pattern_peek(const char *s)
{
    return *s != '\0' ? pattern_rune(&s) : 0;
}

bool pattern_matches(const struct pattern *p, const char *s)
{
    cleanup(pattern_states_fini) struct pattern_states a = { 0 };
    cleanup(pattern_states_fini) struct pattern_states b = { 0 };
    cleanup(freep) int *stack = MEM_NEW_ARRAY(int, 2 * (size_t)p->n_code + 2);
    struct pattern_states *now = &a, *next = &b;
    struct pattern_place place = { .before = 0, .after = pattern_peek(s) };
    uint64_t steps = 0;

    pattern_states_init(&a, p->n_code);
    pattern_states_init(&b, p->n_code);
    pattern_enter(p, now, 0, &place, stack);
    while (*s != '\0' && steps < PATTERN_STEPS_MAX) {
        uint32_t c = pattern_rune(&s);
        struct pattern_states *spare = now;

        if (pattern_step(p, now, next, c, pattern_peek(s), stack))
            return true;
        steps += (uint64_t)p->n_code;
        now = next;
        next = spare;
    }
    return *s == '\0' && pattern_is_done(p, now);
}
