/* mkube wait: until objects are as asked for. */
#include "api/conditions.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/mem.h"
#include "client/follow.h"
#include "client/pick.h"
#include "client/template.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WAIT_FOREVER_MS (7 * 24 * 3600 * 1000LL) /* a negative timeout is a week */

enum wait_for { WAIT_CONDITION, WAIT_DELETE, WAIT_CREATE, WAIT_PATH };

struct wait {
    enum wait_for what;
    char *name;            /* owned: the condition */
    const char *value;     /* NULL: any will do */
    struct jsonpath *path; /* owned */
    struct pick_opts pick;
    struct session *session; /* owned */
    int64_t until_ms;
};

static int wait_read(struct wait *w, const char *text, struct err *err)
{
    const char *equals;

    if (str_eq(text, "delete") || str_eq(text, "create")) {
        w->what = text[0] == 'd' ? WAIT_DELETE : WAIT_CREATE;
        return 0;
    }
    if (str_starts(text, "condition=")) {
        text += strlen("condition=");
        equals = strchr(text, '=');
        w->what = WAIT_CONDITION;
        w->name = equals != NULL ? mem_strn(text, (size_t)(equals - text)) : mem_str(text);
        w->value = equals != NULL ? equals + 1 : "True";
        return 0;
    }
    if (str_starts(text, "jsonpath=")) {
        text += strlen("jsonpath=");
        equals = strchr(text, '}') != NULL ? strchr(strrchr(text, '}'), '=') : strchr(text, '=');
        w->what = WAIT_PATH;
        w->name = equals != NULL ? mem_strn(text, (size_t)(equals - text)) : mem_str(text);
        w->value = equals != NULL ? equals + 1 : NULL;
        return template_path(&w->path, w->name, err);
    }
    return err_set(err, ERR_INVALID, "unrecognized condition: \"%s\"", text);
}

static int wait_on_change(void *arg, const json_t *live)
{
    const struct wait *w = arg;
    const json_t *condition = NULL, *found;
    cleanup(text_fini) struct text value = TEXT_EMPTY;

    if (live == NULL || w->what == WAIT_DELETE || w->what == WAIT_CREATE)
        return (live == NULL) == (w->what == WAIT_DELETE);
    if (w->what == WAIT_CONDITION) {
        const json_t *list = json_at(live, "status.conditions");
        size_t i;

        json_array_foreach (list, i, found)
            if (strcasecmp(json_str_or(found, "type", ""), w->name) == 0)
                condition = found;
        if (json_int(condition, "observedGeneration", INT64_MAX) <
            json_int(live, "metadata.generation", 0))
            return 0;
        return strcasecmp(json_str_or(condition, "status", ""), w->value) == 0;
    }
    found = jsonpath_find(w->path, live);
    template_value(&value, found);
    return found != NULL && (w->value == NULL || str_eq(text_str(&value), w->value));
}

static int wait_one(struct wait *w, const struct schema_resource *r, const char *ns,
                    const char *name, const char *uid)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text list = TEXT_EMPTY;
    cleanup(text_fini) struct text kind = TEXT_EMPTY;
    struct follow f = { .session = w->session,
                        .name = name,
                        .uid = uid,
                        .until_ms = w->until_ms,
                        .fn = wait_on_change,
                        .arg = w };
    struct err err = ERR_EMPTY;
    int rc;

    target_path(&list, r, ns, NULL);
    target_kind(&kind, r);
    f.list = text_str(&list);
    rc = follow_object(&f, &answer, &err);
    if (rc == FOLLOW_TIMEOUT) {
        err_set(&err, ERR_TIMEOUT, "timed out waiting for the condition on %s/%s", r->plural, name);
        return verb_error(&err);
    }
    if (rc < 0)
        return session_complain(&answer, &err, NULL);
    printf("%s/%s condition met\n", text_str(&kind), name);
    fflush(stdout);
    return VERB_DONE;
}

/* What is not there yet has to be named. */
static int wait_for_create(struct wait *w, int n, char **argv)
{
    cleanup(target_list_fini) struct target_list targets = { .n = 0 };
    struct err err = ERR_EMPTY;
    int exit_code = VERB_DONE;

    if (session_targets(w->session, &targets, n, argv, &err) < 0)
        return verb_error(&err);
    for (size_t i = 0; i < targets.n; i++) {
        if (targets.items[i].name == NULL) {
            err_set(&err, ERR_INVALID, "resource(s) were provided, but no name was specified");
            return verb_error(&err);
        }
        if (wait_one(w, targets.items[i].resource, session_namespace(w->session),
                     targets.items[i].name, NULL) != VERB_DONE)
            exit_code = VERB_FAILED;
    }
    return exit_code;
}

static int wait_run(struct wait *w, int n, char **argv)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int exit_code;

    if (w->what == WAIT_CREATE)
        return wait_for_create(w, n, argv);
    w->pick.ignore_absent = w->what == WAIT_DELETE;
    if (pick_find(&pick, w->session, &w->pick, n, argv, &err) < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    if (pick.n == 0 && !pick.failed && w->what != WAIT_DELETE) {
        err_set(&err, ERR_NOT_FOUND, "no matching resources found");
        return verb_error(&err);
    }
    for (size_t i = 0; i < pick.n; i++) {
        const struct pick_object *o = &pick.objects[i];

        if (wait_one(w, o->resource, o->ns, o->name, json_str(o->live, "metadata.uid")) !=
            VERB_DONE)
            exit_code = VERB_FAILED;
    }
    return exit_code;
}

int wait_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    const char *what = NULL, *timeout = "30s";
    struct wait w = { .value = NULL };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        PICK_FLAGS(&w.pick),
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &w.pick.all_namespaces, NULL, "in every namespace" },
        { "field-selector", 0, OPT_TEXT, &w.pick.fields, "SEL", "those with these fields" },
        { "for", 0, OPT_TEXT, &what, "WHAT",
          "delete, create, condition=NAME[=VALUE], jsonpath={.PATH}[=VALUE]" },
        { "timeout", 0, OPT_TEXT, &timeout, "DURATION", "default 30s; 0s: look once" },
        { .name = NULL },
    };
    int64_t ms = 0;
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (what == NULL)
        return verb_misused(self);
    if (!duration_parse(timeout, &ms))
        err_set(&err, ERR_INVALID, "--timeout: \"%s\" is no duration such as 30s or 5m", timeout);
    w.until_ms = clock_mono_ms() + (ms < 0 ? WAIT_FOREVER_MS : ms);
    if (err.code < 0 || wait_read(&w, what, &err) < 0 ||
        session_new(&w.session, &session_opts, &err) < 0)
        exit_code = verb_error(&err);
    else
        exit_code = wait_run(&w, n, argv);
    jsonpath_free(w.path);
    free(w.name);
    session_free(w.session);
    return exit_code;
}
