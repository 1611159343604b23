#include "api/alias.h"

#include "api/alias_impl.h"
#include "base/mem.h"
#include "base/text.h"

static void alias_rename(json_t *tree, const char *from, const char *to)
{
    json_t *value = json_incref(json_object_get(tree, from));

    if (value == NULL)
        return;
    json_object_del(tree, from);
    json_object_set_new(tree, to, value);
}

/* --- events: the same fields under other names (events/v1 conversion) --- */

static const struct {
    const char *core, *events;
} alias_event_names[] = {
    { "involvedObject", "regarding" },
    { "message", "note" },
    { "reportingComponent", "reportingController" },
    { "source", "deprecatedSource" },
    { "firstTimestamp", "deprecatedFirstTimestamp" },
    { "lastTimestamp", "deprecatedLastTimestamp" },
    { "count", "deprecatedCount" },
};

static void alias_event_in(json_t *tree)
{
    for (size_t i = 0; i < N_ELEMENTS(alias_event_names); i++)
        alias_rename(tree, alias_event_names[i].events, alias_event_names[i].core);
}

static void alias_event_out(json_t *tree)
{
    for (size_t i = 0; i < N_ELEMENTS(alias_event_names); i++)
        alias_rename(tree, alias_event_names[i].core, alias_event_names[i].events);
}

/* --- both ways --- */

static const struct alias_row {
    const char *bucket;
    void (*in)(json_t *tree);
    void (*out)(json_t *tree);
} alias_rows[] = {
    { "events", alias_event_in, alias_event_out },
    { "horizontalpodautoscalers.autoscaling", alias_scaler_in, alias_scaler_out },
};

static void alias_set_version(json_t *tree, const struct schema_resource *r)
{
    char version[128];

    schema_api_version(version, sizeof(version), r);
    json_put_str(tree, "apiVersion", version);
    json_put_str(tree, "kind", r->kind);
}

void alias_to_stored(json_t *tree, const struct schema_resource *alias)
{
    if (alias->stored)
        return;
    for (size_t i = 0; i < N_ELEMENTS(alias_rows); i++)
        if (str_eq(alias->bucket, alias_rows[i].bucket))
            alias_rows[i].in(tree);
    alias_set_version(tree, schema_bucket(alias->bucket));
}

void alias_from_stored(json_t *tree, const struct schema_resource *alias)
{
    if (alias->stored)
        return;
    for (size_t i = 0; i < N_ELEMENTS(alias_rows); i++)
        if (str_eq(alias->bucket, alias_rows[i].bucket))
            alias_rows[i].out(tree);
    alias_set_version(tree, alias);
}
