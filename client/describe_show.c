/* How values are shown. */
#include "api/selector.h"
#include "api/table.h"
#include "base/clock.h"
#include "base/mem.h"
#include "client/describe.h"
#include "client/events.h"
#include "client/print.h"
#include "client/tabs.h"
#include "client/template.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DESCRIBE_NOTE_MAX 140 /* longer annotations stand on lines of their own */
#define DESCRIBE_APPLIED  "kubectl.kubernetes.io/last-applied-configuration"
#define DESCRIBE_DEPTH    12

/* --- words --- */

void describe_say(struct describe *d, unsigned level, const char *fmt, ...)
{
    va_list ap;

    text_fmt(&d->out, "%*s", (int)(2 * level), "");
    va_start(ap, fmt);
    text_vfmt(&d->out, fmt, ap);
    va_end(ap);
    text_putc(&d->out, '\n');
}

const json_t *describe_value(const struct describe *d, const struct describe_row *r)
{
    return r->path != NULL ? json_at(d->o, r->path) : d->o;
}

void describe_word(struct text *ret, const json_t *value)
{
    if (value == NULL || json_is_null(value) || str_eq(json_string_value(value), ""))
        text_puts(ret, "<none>");
    else if (json_is_boolean(value))
        text_puts(ret, json_is_true(value) ? "true" : "false");
    else
        template_value(ret, value);
}

void describe_time(struct text *ret, const char *rfc3339)
{
    char text[64];
    int64_t ms;
    time_t at;
    struct tm tm;

    if (rfc3339 == NULL || !clock_parse(rfc3339, &ms)) {
        text_puts(ret, "<unset>");
        return;
    }
    at = (time_t)(ms / 1000);
    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &tm);
    text_puts(ret, text);
}

void describe_age(struct text *ret, const struct describe *d, const char *since)
{
    char age[TABLE_AGE_MAX] = "<unknown>";
    int64_t ms;

    if (since != NULL && clock_parse(since, &ms))
        table_age(age, d->now_ms - ms);
    text_puts(ret, age);
}

void describe_map(struct describe *d, unsigned level, const char *title, const json_t *map,
                  const char *between)
{
    cleanup(freep) const char **keys = json_keys(map);

    if (keys[0] == NULL)
        describe_say(d, level, "%s:\t<none>", title);
    for (size_t i = 0; keys[i] != NULL; i++) {
        cleanup(text_fini) struct text word = TEXT_EMPTY;

        describe_word(&word, json_object_get(map, keys[i]));
        if (str_eq(text_str(&word), "<none>"))
            text_clear(&word);
        describe_say(d, level, "%s%s\t%s%s%s", i == 0 ? title : "", i == 0 ? ":" : "", keys[i],
                     between, text_str(&word));
    }
}

/* --- rows --- */

void describe_text(struct describe *d, const struct describe_row *r)
{
    const json_t *value = describe_value(d, r);
    cleanup(text_fini) struct text word = TEXT_EMPTY;

    describe_word(&word, value);
    if (str_eq(text_str(&word), "<none>") && r->otherwise != NULL) {
        if (r->otherwise[0] == '\0')
            return; /* absent: no line */
        text_clear(&word);
        text_puts(&word, r->otherwise);
    }
    describe_say(d, 0, "%s:\t%s", r->title, text_str(&word));
}

void describe_date(struct describe *d, const struct describe_row *r)
{
    cleanup(text_fini) struct text word = TEXT_EMPTY;

    if (describe_value(d, r) == NULL && r->otherwise != NULL && r->otherwise[0] == '\0')
        return;
    describe_time(&word, json_string_value(describe_value(d, r)));
    describe_say(d, 0, "%s:\t%s", r->title, text_str(&word));
}

void describe_labels(struct describe *d, const struct describe_row *r)
{
    describe_map(d, 0, r->title, describe_value(d, r), "=");
}

void describe_notes(struct describe *d, const struct describe_row *r)
{
    const json_t *map = describe_value(d, r);
    cleanup(freep) const char **keys = json_keys(map);
    const char *title = r->title;

    for (size_t i = 0; keys[i] != NULL; i++) {
        const char *value = json_string_value(json_object_get(map, keys[i]));
        bool apart = value != NULL && (strlen(value) + strlen(keys[i]) > DESCRIBE_NOTE_MAX ||
                                       strchr(value, '\n') != NULL);

        if (str_eq(keys[i], DESCRIBE_APPLIED))
            continue;
        describe_say(d, 0, "%s%s\t%s:%s%s", title, title[0] != '\0' ? ":" : "", keys[i],
                     apart ? "" : " ", apart || value == NULL ? "" : value);
        if (apart) {
            cleanup(strv_freep) char **lines = str_split(value, '\n');

            for (size_t k = 0; lines[k] != NULL; k++)
                if (lines[k][0] != '\0' || lines[k + 1] != NULL)
                    describe_say(d, 0, "\t  %s", lines[k]);
        }
        title = "";
    }
    if (title[0] != '\0')
        describe_say(d, 0, "%s:\t<none>", title);
}

void describe_selector(struct describe *d, const struct describe_row *r)
{
    const json_t *value = describe_value(d, r);
    cleanup(text_fini) struct text word = TEXT_EMPTY;
    cleanup(selector_freep) struct selector *s = NULL;
    struct err err = ERR_EMPTY;

    if (json_object_size(value) == 0) {
        text_puts(&word, "<none>");
    } else if (json_at(value, "matchLabels") == NULL &&
               json_at(value, "matchExpressions") == NULL) {
        print_labels(&word, value, ",");
    } else if (selector_from_json(&s, value, &err) == 0) {
        selector_print(s, &word);
    }
    describe_say(d, 0, "%s:\t%s", r->title, text_str(&word));
}

void describe_list(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *item;
    cleanup(text_fini) struct text words = TEXT_EMPTY;
    size_t i;

    json_array_foreach (list, i, item) {
        text_puts(&words, i > 0 ? "," : "");
        describe_word(&words, json_is_object(item) ? json_object_get(item, "name") : item);
    }
    if (words.len == 0 && r->otherwise != NULL && r->otherwise[0] == '\0')
        return;
    describe_say(d, 0, "%s:\t%s", r->title,
                 words.len > 0          ? text_str(&words)
                 : r->otherwise != NULL ? r->otherwise
                                        : "<none>");
}

/* --- trees --- */

/* "matchLabels" is "Match Labels". */
static char *describe_title(const char *key)
{
    static const char *const acronyms[] = { "API", "URL", "UID", "GUID" };
    struct text t = TEXT_EMPTY;

    for (const char *c = key; *c != '\0'; c++) {
        if (c > key && isupper((unsigned char)*c) && !isupper((unsigned char)c[-1]))
            text_putc(&t, ' ');
        text_putc(&t, c == key ? (char)toupper((unsigned char)*c) : *c);
    }
    for (size_t i = 0; i < N_ELEMENTS(acronyms); i++) {
        char *at = strcasestr(t.data, acronyms[i]);
        size_t len = strlen(acronyms[i]);

        if (at != NULL && (at == t.data || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            memcpy(at, acronyms[i], len);
    }
    return text_take(&t);
}

static void describe_tree(struct describe *d, unsigned level, const json_t *map);

static void describe_items(struct describe *d, unsigned level, const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        cleanup(text_fini) struct text word = TEXT_EMPTY;

        if (json_is_object(item)) {
            describe_tree(d, level, item);
        } else {
            describe_word(&word, item);
            describe_say(d, level, "%s", text_str(&word));
        }
    }
}

static void describe_tree(struct describe *d, unsigned level, const json_t *map)
{
    cleanup(freep) const char **keys = json_keys(map);

    for (size_t i = 0; keys[i] != NULL; i++) {
        const json_t *value = json_object_get(map, keys[i]);
        cleanup(freep) char *title = describe_title(keys[i]);
        cleanup(text_fini) struct text word = TEXT_EMPTY;

        if (json_object_size(value) + json_array_size(value) == 0 || level > DESCRIBE_DEPTH) {
            describe_word(&word, value);
            describe_say(d, level, "%s:\t%s", title, text_str(&word));
            continue;
        }
        describe_say(d, level, "%s:", title);
        if (json_is_object(value))
            describe_tree(d, level + 1, value);
        else
            describe_items(d, level + 1, value);
    }
}

void describe_fields(struct describe *d, const struct describe_row *r)
{
    const json_t *value = describe_value(d, r);

    if (value == NULL || json_object_size(value) + json_array_size(value) == 0) {
        if (r->otherwise == NULL || r->otherwise[0] != '\0')
            describe_say(d, 0, "%s:\t%s", r->title, r->otherwise != NULL ? r->otherwise : "<none>");
        return;
    }
    describe_say(d, 0, "%s:", r->title);
    if (json_is_object(value))
        describe_tree(d, 1, value);
    else
        describe_items(d, 1, value);
}

/* --- conditions and events --- */

void describe_conditions(struct describe *d, const struct describe_row *r)
{
    const json_t *list = describe_value(d, r), *c;
    bool reasons = !str_eq(d->resource->plural, "pods");
    bool words = reasons && !str_eq(d->resource->group, "apps");
    size_t i;

    if (json_array_size(list) == 0)
        return;
    describe_say(d, 0, "%s:", r->title);
    describe_say(d, 1, "Type\tStatus%s%s", reasons ? "\tReason" : "", words ? "\tMessage" : "");
    if (reasons)
        describe_say(d, 1, "----\t------\t------%s", words ? "\t-------" : "");
    json_array_foreach (list, i, c) {
        const char *type = json_str_or(c, "type", ""), *status = json_str_or(c, "status", "");

        if (reasons)
            describe_say(d, 1, "%s \t%s\t%s%s%s", type, status, json_str_or(c, "reason", ""),
                         words ? "\t" : "", words ? json_str_or(c, "message", "") : "");
        else
            describe_say(d, 1, "%s \t%s ", type, status);
    }
}

void describe_events(struct describe *d, const struct describe_row *r UNUSED)
{
    const json_t *e;
    size_t i;

    if (json_array_size(d->events) == 0) {
        describe_say(d, 0, "Events:\t<none>");
        return;
    }
    describe_say(d, 0, "Events:");
    describe_say(d, 1, "Type\tReason\tAge\tFrom\tMessage");
    describe_say(d, 1, "----\t------\t----\t----\t-------");
    json_array_foreach (d->events, i, e) {
        cleanup(text_fini) struct text age = TEXT_EMPTY;
        const char *message = json_str_or(e, "message", "");
        const char *from = json_str(e, "source.component");
        size_t len = strlen(message);

        while (len > 0 && isspace((unsigned char)message[len - 1]))
            len--;
        events_age(&age, e, d->now_ms);
        describe_say(d, 1, "%s\t%s\t%s\t%s\t%.*s", json_str_or(e, "type", ""),
                     json_str_or(e, "reason", ""), text_str(&age),
                     str_empty(from) ? json_str_or(e, "reportingComponent", "") : from, (int)len,
                     message);
    }
}

/* --- the page --- */

/* Kinds of others: metadata's essentials, then all the rest. */
static void describe_generic(struct describe *d)
{
    static const struct describe_row head[] = {
        { "Name", "metadata.name", describe_text, NULL },
        { "Namespace", "metadata.namespace", describe_text, "" },
        { "Labels", "metadata.labels", describe_labels, NULL },
        { "Annotations", "metadata.annotations", describe_notes, NULL },
        { "API Version", "apiVersion", describe_text, NULL },
        { "Kind", "kind", describe_text, NULL },
    };
    static const char *const shown[] = { "labels", "annotations", "name", "namespace",
                                         "managedFields" };
    cleanup(json_decrefpp) json_t *rest = json_deep_copy(d->o);
    json_t *metadata = json_at(rest, "metadata");

    for (size_t i = 0; i < N_ELEMENTS(head); i++)
        head[i].show(d, &head[i]);
    for (size_t i = 0; i < N_ELEMENTS(shown); i++)
        json_object_del(metadata, shown[i]);
    json_object_del(rest, "apiVersion");
    json_object_del(rest, "kind");
    describe_tree(d, 0, rest);
    describe_events(d, NULL);
}

void describe_object(struct text *ret, struct describe *d)
{
    const struct describe_row *rows = describe_rows(d->resource->bucket);

    d->out = (struct text)TEXT_EMPTY;
    if (rows == NULL)
        describe_generic(d);
    for (; rows != NULL && rows->show != NULL; rows++)
        rows->show(d, rows);
    tabs_print(ret, text_str(&d->out));
    text_fini(&d->out);
}
