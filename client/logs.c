/* mkube logs: what a container wrote. */
#include "base/duration.h"
#include "base/mem.h"
#include "client/session.h"
#include "client/target.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

#define LOGS_DEFAULT_NOTE "kubectl.kubernetes.io/default-container"

struct logs {
    const char *container, *since;
    bool follow, previous, timestamps;
    int64_t tail, since_s; /* -1: not given */
};

/* The container that the annotation names, else the first; told when there was a choice. */
static void logs_default_container(struct text *ret, const json_t *pod)
{
    const json_t *containers = json_at(pod, "spec.containers"), *c;
    const char *name = json_string_value(
        json_object_get(json_at(pod, "metadata.annotations"), LOGS_DEFAULT_NOTE));
    size_t i;

    if (name == NULL || json_find(containers, "name", name) == NULL)
        name = json_str_or(json_array_get(containers, 0), "name", "");
    text_puts(ret, name);
    if (json_array_size(containers) + json_array_size(json_at(pod, "spec.initContainers")) < 2)
        return;
    fprintf(stderr, "Defaulted container \"%s\" out of: ", name);
    json_array_foreach (containers, i, c)
        fprintf(stderr, "%s%s", i > 0 ? ", " : "", json_str_or(c, "name", ""));
    json_array_foreach (json_at(pod, "spec.initContainers"), i, c)
        fprintf(stderr, ", %s (init)", json_str_or(c, "name", ""));
    fputc('\n', stderr);
}

static void logs_query_number(struct text *path, const char *name, int64_t value)
{
    cleanup(freep) char *text = mem_fmt("%lld", (long long)value);

    if (value >= 0)
        session_query(path, name, text);
}

static void logs_query(struct text *path, const struct logs *l, const char *container)
{
    session_query(path, "container", container);
    if (l->follow)
        session_query(path, "follow", "true");
    if (l->previous)
        session_query(path, "previous", "true");
    if (l->timestamps)
        session_query(path, "timestamps", "true");
    logs_query_number(path, "tailLines", l->tail);
    logs_query_number(path, "sinceSeconds", l->since_s);
}

/* A reader that went away (a closed pipe) ends the stream. */
static int logs_on_data(void *arg, const char *data, size_t len)
{
    (void)arg;
    return fwrite(data, 1, len, stdout) < len || fflush(stdout) != 0;
}

static int logs_run(struct session *s, const struct logs *l, const char *pod)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(text_fini) struct text container = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int rc;

    target_path(&path, schema_resource("", "v1", "pods"), session_namespace(s), pod);
    rc = session_call(s, "GET", text_str(&path), NULL, NULL, &answer, &err);
    if (rc == 0) {
        if (l->container != NULL)
            text_puts(&container, l->container);
        else
            logs_default_container(&container, answer.body);
        text_puts(&path, "/log");
        logs_query(&path, l, text_str(&container));
        rc = session_stream(s, text_str(&path), "*/*", logs_on_data, NULL, &answer, &err);
    }
    return rc < 0 ? session_complain(&answer, &err, NULL) : VERB_DONE;
}

/* "web" or "pod/web". */
static int logs_pod(const char **ret, int n, char **argv, struct err *err)
{
    const char *slash = n == 1 ? strchr(argv[0], '/') : NULL;

    if (n != 1)
        return err_set(err, ERR_INVALID, "expected the name of one pod");
    if (slash != NULL && !str_starts(argv[0], "pod/") && !str_starts(argv[0], "pods/") &&
        !str_starts(argv[0], "po/"))
        return err_set(err, ERR_INVALID, "logs are those of a pod, not of %s", argv[0]);
    *ret = slash != NULL ? slash + 1 : argv[0];
    return 0;
}

static int logs_since(struct logs *l, struct err *err)
{
    int64_t ms;

    if (l->since == NULL)
        return 0;
    if (!duration_parse(l->since, &ms) || ms <= 0)
        return err_set(err, ERR_INVALID, "--since: \"%s\" is no duration such as 30s, 5m or 2h",
                       l->since);
    l->since_s = (ms + 999) / 1000;
    return 0;
}

int logs_main(const struct verb *self, int argc, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    struct session_opts session_opts = { .ns = NULL };
    struct logs l = { .tail = -1, .since_s = -1 };
    struct err err = ERR_EMPTY;
    const char *pod = NULL;
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "container", 'c', OPT_TEXT, &l.container, "NAME", "of which container" },
        { "follow", 'f', OPT_FLAG, &l.follow, NULL, "go on with what is written" },
        { "previous", 'p', OPT_FLAG, &l.previous, NULL,
          "of the container before its last restart" },
        { "tail", 0, OPT_NUMBER, &l.tail, "N", "the last N lines" },
        { "since", 0, OPT_TEXT, &l.since, "DURATION", "not older than this: 30s, 5m, 2h" },
        { "timestamps", 0, OPT_FLAG, &l.timestamps, NULL, "each line with its time" },
        { .name = NULL },
    };
    int n, exit_code, rc;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    rc = logs_pod(&pod, n, argv, &err);
    if (rc == 0)
        rc = logs_since(&l, &err);
    if (rc == 0)
        rc = session_new(&session, &session_opts, &err);
    return rc < 0 ? verb_fail(self, &err) : logs_run(session, &l, pod);
}
