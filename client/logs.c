/* mkube logs: what containers wrote. */
#include "base/duration.h"
#include "base/mem.h"
#include "client/pick.h"
#include "client/target_pod.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

#define LOGS_LINE_MAX (1024 * 1024) /* of one line that is still arriving */

struct logs {
    struct session *session; /* owned */
    struct pick_opts pick;
    const char *container, *since, *since_time;
    bool follow, previous, timestamps, prefix, all_containers, ignore_errors;
    int64_t tail, since_s, max; /* -1: not given */
    bool failed, reader_left;
};

/* One container's stream. */
struct logs_stream {
    struct logs *logs;
    char *prefix; /* owned; "" = none */
    struct text line;
    bool whole_lines; /* several streams: lines do not mix */
};

/* --- requests --- */

static void logs_query_number(struct text *path, const char *name, int64_t value)
{
    cleanup(freep) char *text = mem_fmt("%lld", (long long)value);

    if (value >= 0)
        session_query(path, name, text);
}

static void logs_path(struct text *path, const struct logs *l, const json_t *pod,
                      const char *container)
{
    target_path(path, schema_resource("", "v1", "pods"), json_str_or(pod, "metadata.namespace", ""),
                json_str_or(pod, "metadata.name", ""));
    text_puts(path, "/log");
    session_query(path, "container", container);
    if (l->follow)
        session_query(path, "follow", "true");
    if (l->previous)
        session_query(path, "previous", "true");
    if (l->timestamps)
        session_query(path, "timestamps", "true");
    if (l->since_time != NULL)
        session_query(path, "sinceTime", l->since_time);
    logs_query_number(path, "tailLines", l->tail);
    logs_query_number(path, "sinceSeconds", l->since_s);
}

/* --- streams --- */

static int logs_put(struct logs_stream *s, const char *data, size_t len)
{
    if (fputs(s->prefix, stdout) == EOF || fwrite(data, 1, len, stdout) < len)
        s->logs->reader_left = true;
    return s->logs->reader_left ? 1 : 0;
}

/* A reader that went away (a closed pipe) ends the stream. */
static int logs_on_data(void *arg, const char *data, size_t len)
{
    struct logs_stream *s = arg;
    const char *end;
    size_t from = 0;

    if (!s->whole_lines)
        return fwrite(data, 1, len, stdout) < len || fflush(stdout) != 0;
    text_add(&s->line, data, len);
    while ((end = memchr(s->line.data + from, '\n', s->line.len - from)) != NULL) {
        size_t to = (size_t)(end - s->line.data) + 1;

        if (logs_put(s, s->line.data + from, to - from) != 0)
            return 1;
        from = to;
    }
    text_drop(&s->line, from);
    if (s->line.len > LOGS_LINE_MAX) {
        logs_put(s, s->line.data, s->line.len);
        text_clear(&s->line);
    }
    return fflush(stdout) != 0;
}

static void logs_on_done(void *arg, int rc, const struct session_answer *answer,
                         const struct err *err)
{
    struct logs_stream *s = arg;

    if (s->line.len > 0)
        logs_put(s, s->line.data, s->line.len);
    fflush(stdout);
    if (rc < 0) {
        session_complain(answer, err, NULL);
        s->logs->failed = s->logs->failed || !s->logs->ignore_errors;
    }
    text_fini(&s->line);
    free(s->prefix);
    free(s);
}

static void logs_start(struct logs *l, const json_t *pod, const char *container, bool several)
{
    struct logs_stream *s = MEM_NEW(struct logs_stream);
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    s->logs = l;
    s->whole_lines = several || l->prefix;
    s->prefix = l->prefix
                    ? mem_fmt("[pod/%s/%s] ", json_str_or(pod, "metadata.name", ""), container)
                    : mem_str("");
    logs_path(&path, l, pod, container);
    if (session_start(l->session, text_str(&path), "*/*", logs_on_data, logs_on_done, s, &err) <
        0) {
        verb_error(&err);
        l->failed = true;
        free(s->prefix);
        free(s);
        return;
    }
    if (!l->follow) /* one after the other: what belongs together stays together */
        session_run_all(l->session);
}

/* --- which --- */

static void logs_containers(const struct logs *l, const json_t *pod, json_t *ret)
{
    static const char *const lists[] = { "spec.initContainers", "spec.containers",
                                         "spec.ephemeralContainers" };
    cleanup(text_fini) struct text name = TEXT_EMPTY;
    const json_t *c;
    size_t i;

    if (!l->all_containers) {
        target_pod_container(&name, pod, l->container, false);
        json_array_append_new(ret, json_string(text_str(&name)));
        return;
    }
    for (size_t k = 0; k < N_ELEMENTS(lists); k++)
        json_array_foreach (json_at(pod, lists[k]), i, c)
            json_array_append_new(ret, json_string(json_str_or(c, "name", "")));
}

static int logs_of_pods(struct logs *l, const json_t *pods)
{
    cleanup(json_decrefpp) json_t *all = json_array();
    const json_t *pod, *name;
    size_t n = 0, i, k;

    json_array_foreach (pods, i, pod) {
        json_t *names = json_array();

        logs_containers(l, pod, names);
        n += json_array_size(names);
        json_array_append_new(all, names);
    }
    if (l->follow && n > (size_t)l->max) {
        struct err err = ERR_EMPTY;

        err_set(&err, ERR_INVALID,
                "you are attempting to follow %zu log streams, but maximum allowed concurrency is "
                "%lld, use --max-log-requests to increase the limit",
                n, (long long)l->max);
        return verb_error(&err);
    }
    json_array_foreach (pods, i, pod)
        json_array_foreach (json_array_get(all, i), k, name)
            logs_start(l, pod, json_string_value(name), n > 1);
    session_run_all(l->session);
    return l->failed ? VERB_FAILED : VERB_DONE;
}

static int logs_selected(struct logs *l)
{
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    cleanup(json_decrefpp) json_t *pods = json_array();
    char kind[] = "pods", *words[] = { kind };
    struct err err = ERR_EMPTY;

    if (l->tail < 0)
        l->tail = 10; /* of each, as kubectl's */
    if (pick_find(&pick, l->session, &l->pick, 1, words, &err) < 0)
        return verb_error(&err);
    for (size_t i = 0; i < pick.n; i++)
        json_array_append(pods, pick.objects[i].live);
    if (pick.n == 0 && !pick.failed)
        fprintf(stderr, "No resources found in %s namespace.\n", session_namespace(l->session));
    return pick.failed ? VERB_FAILED : logs_of_pods(l, pods);
}

static int logs_run(struct logs *l, int n, char **argv)
{
    cleanup(json_decrefpp) json_t *pod = NULL;
    cleanup(json_decrefpp) json_t *pods = NULL;

    if (l->pick.selector != NULL)
        return logs_selected(l);
    if (n == 2)
        l->container = argv[1];
    if (target_pod(&pod, l->session, argv[0]) != VERB_DONE)
        return VERB_FAILED;
    pods = json_pack("[O]", pod);
    return logs_of_pods(l, pods);
}

static int logs_check(struct logs *l, int n, struct err *err)
{
    int64_t ms;

    if ((n == 0 && l->pick.selector == NULL) || n > 2)
        return err_set(err, ERR_INVALID,
                       "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or "
                       "TYPE/NAME is a required argument for the logs command");
    if (n > 0 && l->pick.selector != NULL)
        return err_set(err, ERR_INVALID, "only a selector (-l) or a POD name is allowed");
    if (l->since != NULL && l->since_time != NULL)
        return err_set(err, ERR_INVALID,
                       "at most one of `sinceTime` or `sinceSeconds` may be "
                       "specified");
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
    struct session_opts session_opts = { .ns = NULL };
    struct logs l = { .tail = -1, .since_s = -1, .max = 5 };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "container", 'c', OPT_TEXT, &l.container, "NAME", "of which container" },
        { "all-containers", 0, OPT_FLAG, &l.all_containers, NULL, "of all in the pod" },
        { "selector", 'l', OPT_TEXT, &l.pick.selector, "SEL", "of the pods with these labels" },
        { "follow", 'f', OPT_FLAG, &l.follow, NULL, "go on with what is written" },
        { "previous", 'p', OPT_FLAG, &l.previous, NULL,
          "of the container before its last restart" },
        { "tail", 0, OPT_NUMBER, &l.tail, "N", "the last N lines; -1: all" },
        { "since", 0, OPT_TEXT, &l.since, "DURATION", "not older than this: 30s, 5m, 2h" },
        { "since-time", 0, OPT_TEXT, &l.since_time, "TIME", "from then on: 2026-01-02T03:04:05Z" },
        { "timestamps", 0, OPT_FLAG, &l.timestamps, NULL, "each line with its time" },
        { "prefix", 0, OPT_FLAG, &l.prefix, NULL, "each line with its pod and container" },
        { "ignore-errors", 0, OPT_FLAG, &l.ignore_errors, NULL,
          "with several: go on when one cannot be read" },
        { "max-log-requests", 0, OPT_NUMBER, &l.max, "N", "follow so many at most (default 5)" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    if (logs_check(&l, n, &err) < 0 || session_new(&l.session, &session_opts, &err) < 0)
        return verb_error(&err);
    exit_code = logs_run(&l, n, argv);
    session_free(l.session);
    return exit_code;
}
