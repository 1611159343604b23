/* mkube exec: a command in a container, with its exit status. */
#include "base/mem.h"
#include "base/wire.h"
#include "client/channel.h"
#include "client/target.h"
#include "client/target_pod.h"
#include "client/terminal.h"
#include "client/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXEC_STDIN, EXEC_STDOUT, EXEC_STDERR, EXEC_ERROR, EXEC_RESIZE };

#define EXEC_STATUS_MAX 65536

struct exec {
    struct session *session; /* owned */
    struct channel *channel; /* NULL once it has ended */
    struct terminal *terminal;
    const char *container;
    bool in, tty, quiet;
    struct text status; /* of the error channel */
    int exit_code;
    bool done;
};

/* --- the command's end --- */

static int exec_exit(const struct exec *e)
{
    cleanup(json_decrefpp) json_t *status = NULL;
    struct err err = ERR_EMPTY;
    const json_t *cause;
    int64_t code;

    if (json_parse(&status, text_str(&e->status), e->status.len, NULL, &err) < 0) {
        fprintf(stderr, "error: %s\n",
                e->status.len > 0 ? text_str(&e->status) : "the command's end was not told");
        return VERB_FAILED;
    }
    if (str_eq(json_str(status, "status"), "Success"))
        return VERB_DONE;
    cause = json_find(json_at(status, "details.causes"), "reason", "ExitCode");
    if (cause != NULL && str_i64(json_str_or(cause, "message", ""), &code)) {
        fprintf(stderr, "command terminated with exit code %lld\n", (long long)code);
        return (int)code;
    }
    fprintf(stderr, "error: %s\n", json_str_or(status, "message", "the command failed"));
    return VERB_FAILED;
}

static void exec_write(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return; /* nobody reads us */
        if (n < 0 && errno == EAGAIN)
            usleep(1000);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void exec_on_data(void *arg, unsigned channel, const void *data, size_t len)
{
    struct exec *e = arg;

    if (channel == EXEC_STDOUT || channel == EXEC_STDERR)
        exec_write(channel == EXEC_STDOUT ? STDOUT_FILENO : STDERR_FILENO, data, len);
    else if (channel == EXEC_ERROR && e->status.len + len <= EXEC_STATUS_MAX)
        text_add(&e->status, data, len);
}

static void exec_on_end(void *arg, const struct err *err)
{
    struct exec *e = arg;

    e->channel = NULL;
    e->done = true;
    terminal_restore(e->terminal);
    if (err->code < 0 && e->status.len == 0) {
        fprintf(stderr, "%s%s\n", str_starts(err->text, "Error from") ? "" : "error: ", err->text);
        e->exit_code = VERB_FAILED;
    } else {
        e->exit_code = exec_exit(e);
    }
}

/* --- what the terminal says --- */

static bool exec_on_input(void *arg, const void *data, size_t len)
{
    struct exec *e = arg;

    if (e->channel == NULL)
        return false;
    if (len == 0)
        channel_finish(e->channel, EXEC_STDIN);
    else
        channel_send(e->channel, EXEC_STDIN, data, len);
    return channel_backlog(e->channel) < CHANNEL_BACKLOG_MAX;
}

static void exec_on_drain(void *arg)
{
    struct exec *e = arg;

    terminal_go_on(e->terminal);
}

static void exec_on_size(void *arg, unsigned width, unsigned height)
{
    struct exec *e = arg;
    char text[64];

    snprintf(text, sizeof(text), "{\"Width\":%u,\"Height\":%u}", width, height);
    if (e->channel != NULL)
        channel_send(e->channel, EXEC_RESIZE, text, strlen(text));
}

/* --- the verb --- */

static void exec_path(struct text *ret, const struct exec *e, const char *pod,
                      const char *container, int n, char **command)
{
    target_path(ret, schema_resource("", "v1", "pods"), session_namespace(e->session), pod);
    text_puts(ret, "/exec");
    session_query(ret, "container", container);
    for (int i = 0; i < n; i++)
        session_query(ret, "command", command[i]);
    session_query(ret, "stdout", "true");
    if (e->in)
        session_query(ret, "stdin", "true");
    if (e->tty)
        session_query(ret, "tty", "true");
    else
        session_query(ret, "stderr", "true");
}

static int exec_run(struct exec *e, const char *word, int n, char **command)
{
    cleanup(json_decrefpp) json_t *pod = NULL;
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    cleanup(text_fini) struct text container = TEXT_EMPTY;
    struct channel_listener listener = {
        .on_data = exec_on_data, .on_drain = exec_on_drain, .on_end = exec_on_end, .arg = e
    };
    struct terminal_listener told = { .on_input = exec_on_input,
                                      .on_size = exec_on_size,
                                      .arg = e };
    struct err err = ERR_EMPTY;

    if (target_pod(&pod, e->session, word) != VERB_DONE)
        return VERB_FAILED;
    target_pod_container(&container, pod, e->container, e->quiet);
    if (e->tty && !isatty(STDIN_FILENO)) {
        fprintf(stderr,
                "Unable to use a TTY - input is not a terminal or the right kind of file\n");
        e->tty = false;
    }
    exec_path(&path, e, json_str_or(pod, "metadata.name", ""), text_str(&container), n, command);
    if (channel_new(&e->channel, e->session, text_str(&path), CHANNEL_V5, &listener, &err) < 0)
        return verb_error(&err);
    e->terminal = terminal_new(session_loop(e->session), e->in, e->tty, &told);
    while (!e->done)
        uv_run(session_loop(e->session), UV_RUN_ONCE);
    e->terminal = terminal_free(e->terminal);
    return e->exit_code;
}

int exec_main(const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    struct exec e = { .exit_code = VERB_FAILED };
    struct err err = ERR_EMPTY;
    const struct opt table[] = {
        SESSION_FLAGS(&session_opts),
        { "container", 'c', OPT_TEXT, &e.container, "NAME", "in which container" },
        { "stdin", 'i', OPT_FLAG, &e.in, NULL, "the command reads what we are given" },
        { "tty", 't', OPT_FLAG, &e.tty, NULL, "it has our terminal" },
        { "quiet", 'q', OPT_FLAG, &e.quiet, NULL, "only what the command says" },
        { .name = NULL },
    };
    int dash = 0, n, exit_code;

    while (dash < argc && !str_eq(argv[dash], "--"))
        dash++;
    if (!verb_begin(self, table, dash, argv, &n, &exit_code))
        return exit_code;
    if (n != 1 || dash + 1 >= argc) {
        err_set(&err, ERR_INVALID,
                n == 0 ? "pod, type/name or --filename must be specified"
                       : "you must specify at least one command for the container");
        return verb_error(&err);
    }
    if (session_new(&e.session, &session_opts, &err) < 0)
        return verb_error(&err);
    exit_code = exec_run(&e, argv[0], argc - dash - 1, argv + dash + 1);
    text_fini(&e.status);
    session_free(e.session);
    return exit_code;
}
