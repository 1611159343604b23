#include "api/conditions.h"

#include "base/clock.h"

#include <assert.h>

const json_t *condition_get(const json_t *status, const char *type)
{
    return json_find(json_object_get(status, "conditions"), "type", type);
}

bool condition_is(const json_t *status, const char *type, const char *status_value)
{
    return str_eq(json_str(condition_get(status, type), "status"), status_value);
}

bool conditions_agree(const json_t *mine, const json_t *theirs)
{
    size_t i;
    json_t *condition;

    json_array_foreach (json_object_get(mine, "conditions"), i, condition)
        if (!condition_is(theirs, json_str_or(condition, "type", ""),
                          json_str(condition, "status")))
            return false;
    return true;
}

/* True when the member changed; NULL means absent. */
static bool condition_member(json_t *condition, const char *key, const char *value)
{
    const json_t *have = json_object_get(condition, key);

    if (value == NULL) {
        if (have == NULL)
            return false;
        json_object_del(condition, key);
        return true;
    }
    if (str_eq(json_string_value(have), value))
        return false;
    json_object_set_new(condition, key, json_string(value));
    return true;
}

static json_t *condition_list(json_t *status)
{
    json_t *list = json_object_get(status, "conditions");

    if (json_is_array(list))
        return list;
    list = json_array();
    json_object_set_new(status, "conditions", list);
    return list;
}

bool condition_set(json_t *status, const char *type, const char *status_value, const char *reason,
                   const char *message, int64_t now_wall_ms)
{
    json_t *list, *condition;
    bool changed = false;

    assert(json_is_object(status));
    assert(type != NULL && status_value != NULL);
    list = condition_list(status);
    condition = json_find(list, "type", type);
    if (condition == NULL) {
        condition = json_object();
        json_object_set_new(condition, "type", json_string(type));
        json_array_append_new(list, condition);
    }
    if (condition_member(condition, "status", status_value)) {
        char now[CLOCK_TEXT_MAX];

        clock_print(now, now_wall_ms);
        json_object_set_new(condition, "lastTransitionTime", json_string(now));
        changed = true;
    }
    changed |= condition_member(condition, "reason", reason);
    changed |= condition_member(condition, "message", message);
    return changed;
}

bool condition_remove(json_t *status, const char *type)
{
    json_t *list = json_object_get(status, "conditions");
    json_t *condition;
    size_t i;

    json_array_foreach (list, i, condition) {
        if (str_eq(json_str(condition, "type"), type)) {
            json_array_remove(list, i);
            return true;
        }
    }
    return false;
}
