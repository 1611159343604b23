#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const log_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

/* The one setting of the log sink; read from any thread. */
static atomic_int log_level = LOG_INFO;

#define LOG_LINE_MAX 4096

struct log_line {
    char data[LOG_LINE_MAX];
    size_t len;
};

struct log_kv log_kv(const char *key, const char *fmt, ...)
{
    struct log_kv kv = { .key = key };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(kv.value, sizeof(kv.value), fmt, ap);
    va_end(ap);
    return kv;
}

/* The last byte is kept for the newline; what does not fit is cut. */
static void log_putc(struct log_line *line, char c)
{
    if (line->len < sizeof(line->data) - 1)
        line->data[line->len++] = c;
}

static void log_puts(struct log_line *line, const char *s)
{
    while (*s)
        log_putc(line, *s++);
}

static bool log_is_plain(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
            return false;
    return true;
}

static void log_put_value(struct log_line *line, const char *s)
{
    if (log_is_plain(s)) {
        log_puts(line, s);
        return;
    }
    log_putc(line, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        char hex[8];

        if (c == '"' || c == '\\') {
            log_putc(line, '\\');
            log_putc(line, *s);
        } else if (c == '\n') {
            log_puts(line, "\\n");
        } else if (c < ' ' || c == 0x7f) {
            snprintf(hex, sizeof(hex), "\\x%02x", c);
            log_puts(line, hex);
        } else {
            log_putc(line, *s);
        }
    }
    log_putc(line, '"');
}

/* One write() per line keeps lines whole between threads; a full or closed stderr loses it. */
static void log_send(const struct log_line *line)
{
    size_t sent = 0;

    while (sent < line->len) {
        ssize_t n = write(STDERR_FILENO, line->data + sent, line->len - sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

void log_write(enum log_level level, const char *message, const struct log_kv *kvs, unsigned n)
{
    struct log_line line = { .len = 0 };
    char now[CLOCK_TEXT_MAX];
    struct timespec ts;
    int saved = errno;

    clock_gettime(CLOCK_REALTIME, &ts);
    clock_print_micro(now, (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
    log_puts(&line, now);
    log_putc(&line, ' ');
    log_puts(&line, log_names[level]);
    log_putc(&line, ' ');
    log_puts(&line, message);
    for (unsigned i = 0; i < n; i++) {
        log_putc(&line, ' ');
        log_puts(&line, kvs[i].key);
        log_putc(&line, '=');
        log_put_value(&line, kvs[i].value);
    }
    line.data[line.len++] = '\n';
    log_send(&line);
    errno = saved;
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

int log_set_level(const char *name, struct err *err)
{
    for (int i = 0; i < (int)(sizeof(log_names) / sizeof(log_names[0])); i++) {
        if (str_eq(name, log_names[i])) {
            atomic_store(&log_level, i);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "log level \"%s\" is not debug, info, warn or error",
                   name ? name : "");
}
