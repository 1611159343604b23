/* log: structured lines to stderr: time level message key=value ...
 *
 * Messages are constant strings; what varies is a field.  Values are quoted when
 * they hold blanks, quotes, '=' or control characters.  base, api and storage log
 * only at debug; the manager that decides logs once.  Thread: any.
 *
 *   log_warn("pod start failed", KV("pod", "%s", name), KV("try", "%u", n), KV_ERR(&err));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Each KV expands to three variadic pieces: marker+key, format, value.  Exactly one value
 * per field; the compiler checks nothing here, so keep to %s %d %u %zu %lld %llu via casts. */
struct log_kv {
    const char *key;
    char value[256];
};
struct log_kv log_kv(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define KV(key, ...) log_kv((key), __VA_ARGS__)
#define KV_ERR(err)  log_kv("err", "%s", (err)->text)

void log_write(enum log_level level, const char *message, const struct log_kv *kvs, unsigned n);
bool log_wants(enum log_level level);
#define LOG_AT_(level, message, ...)                                       \
    do {                                                                   \
        if (log_wants(level)) {                                            \
            const struct log_kv kvs_[] = { { .key = "" }, ##__VA_ARGS__ }; \
            log_write((level), (message), kvs_ + 1,                        \
                      (unsigned)(sizeof(kvs_) / sizeof(kvs_[0])) - 1);     \
        }                                                                  \
    } while (0)
#define log_debug(message, ...) LOG_AT_(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)  LOG_AT_(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)  LOG_AT_(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT_(LOG_ERROR, message, ##__VA_ARGS__)

/* "debug", "info", "warn", "error"; ERR_INVALID otherwise.  MKUBE_LOG is read at start by cmd. */
int log_set_level(const char *name, struct err *err);

#endif
