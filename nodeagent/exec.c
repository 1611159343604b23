#include "nodeagent/exec.h"

#include "base/bits.h"
#include "base/child.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/wire.h"
#include "nodeagent/console.h"
#include "nodeagent/exec_keeper.h"
#include "nodeagent/exec_process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EXEC_CONFIG_MAX (4 * 1024 * 1024)
/* A terminal hangs up when its leader ends; if it does not, so long after the last byte. */
#define EXEC_HANGUP_MS  500

struct exec {
    struct runtime *rt;
    uv_loop_t *loop;
    struct channels *client; /* NULL once gone or told */
    char *id, *base;         /* @base.{json,pid,log,tty}: its files */
    char **argv;
    bool is_tty, has_stdin;
    struct child *keeper; /* NULL: not begun, or over */
    struct wire *report, *in, *out, *err;
    struct console *console;
    unsigned width, height;
    bool is_started, is_over; /* the program; @code is known */
    bool is_held;             /* the client's stdin */
    int code;
    struct err failure; /* why it never started */
    struct timer *timer;
    void (*on_done)(void *arg);
    void *arg;
};

/* --- end --- */

static char *exec_file(const struct exec *e, const char *ending)
{
    return mem_fmt("%s.%s", e->base, ending);
}

static void exec_free(struct exec *e)
{
    static const char *const endings[] = { "json", "pid", "log", "tty" };

    for (size_t i = 0; i < N_ELEMENTS(endings); i++) {
        cleanup(freep) char *path = exec_file(e, endings[i]);

        unlink(path);
    }
    wire_close(e->report);
    wire_close(e->in);
    wire_close(e->out);
    wire_close(e->err);
    console_close(e->console);
    timer_close(e->timer);
    strv_free(e->argv);
    runtime_release(e->rt);
    free(e->id);
    free(e->base);
    free(e);
}

static void exec_done(struct exec *e)
{
    void (*on_done)(void *arg) = e->on_done;
    void *arg = e->arg;

    exec_free(e);
    on_done(arg);
}

static void exec_kill(struct exec *e)
{
    if (e->keeper != NULL && child_pid(e->keeper) > 0)
        kill(child_pid(e->keeper), SIGTERM);
}

void exec_leave(struct exec *e)
{
    assert(e->client == NULL); /* peers_close_all came before */
    exec_kill(e);
    if (e->keeper != NULL)
        child_leave(e->keeper);
    exec_free(e);
}

/* Told everything that there is to tell. */
static void exec_finish(struct exec *e)
{
    if (e->client != NULL)
        channels_finish(STEAL(e->client), e->is_started
                                              ? exec_process_status(e->code)
                                              : exec_process_failure(e->id, e->failure.text));
    exec_done(e);
}

/* After the program's end: what it wrote is in the pipes, and only that is waited for. */
static bool exec_is_dry(const struct exec *e, const struct wire *w)
{
    return w == NULL || (!e->is_tty && wire_waiting(w) == 0);
}

static void exec_check(void *arg)
{
    struct exec *e = arg;

    if (e->is_over && exec_is_dry(e, e->out) && exec_is_dry(e, e->err))
        exec_finish(e);
}

/* --- from the program --- */

static void exec_output(struct exec *e, enum channel to, const unsigned char *data, size_t len)
{
    if (e->client == NULL)
        return;
    channels_write(e->client, to, data, len);
    if (channels_backlog(e->client) > PEER_BACKLOG) {
        if (e->out != NULL)
            wire_hold(e->out, true);
        if (e->err != NULL)
            wire_hold(e->err, true);
    }
    if (e->is_over && e->is_tty)
        timer_start(e->timer, EXEC_HANGUP_MS);
    else
        exec_check(e);
}

static void exec_on_out(void *arg, unsigned char *data, size_t len)
{
    exec_output(arg, CHANNEL_STDOUT, data, len);
}

static void exec_on_err(void *arg, unsigned char *data, size_t len)
{
    exec_output(arg, CHANNEL_STDERR, data, len);
}

static void exec_on_out_end(void *arg)
{
    struct exec *e = arg;

    e->out = wire_close(e->out);
    exec_check(e);
}

static void exec_on_err_end(void *arg)
{
    struct exec *e = arg;

    e->err = wire_close(e->err);
    exec_check(e);
}

static void exec_on_in_drain(void *arg)
{
    struct exec *e = arg;

    if (e->is_held && e->client != NULL)
        channels_hold(e->client, false);
    e->is_held = false;
}

static void exec_on_hangup_late(void *arg)
{
    struct exec *e = arg;

    if (e->client != NULL && channels_backlog(e->client) > 0) {
        timer_start(e->timer, EXEC_HANGUP_MS);
        return;
    }
    e->out = wire_close(e->out);
    exec_check(e);
}

/* --- from the client --- */

static struct wire *exec_input(struct exec *e)
{
    return e->is_tty ? e->out : e->in;
}

static void exec_on_stdin(void *arg, const void *data, size_t len)
{
    struct exec *e = arg;
    struct wire *in = exec_input(e);

    if (in == NULL)
        return; /* a program that does not read */
    wire_write(in, data, len);
    if (wire_backlog(in) > PEER_BACKLOG) {
        e->is_held = true;
        channels_hold(e->client, true);
    }
}

static void exec_on_stdin_end(void *arg)
{
    struct exec *e = arg;

    if (e->in != NULL)
        wire_end(e->in);
}

static void exec_on_resize(void *arg, unsigned width, unsigned height)
{
    struct exec *e = arg;
    const struct winsize size = { .ws_row = (unsigned short)height,
                                  .ws_col = (unsigned short)width };

    e->width = width;
    e->height = height;
    if (e->is_tty && e->out != NULL)
        ioctl(wire_fd(e->out), TIOCSWINSZ, &size);
}

static void exec_on_drain(void *arg)
{
    struct exec *e = arg;

    if (e->out != NULL)
        wire_hold(e->out, false);
    if (e->err != NULL)
        wire_hold(e->err, false);
}

static void exec_on_gone(void *arg)
{
    struct exec *e = arg;

    e->client = NULL;
    e->in = wire_close(e->in);
    e->out = wire_close(e->out); /* hangs up a terminal */
    e->err = wire_close(e->err);
    exec_kill(e);
    if (e->keeper == NULL)
        exec_done(e); /* never begun, or over and not yet all told */
}

/* --- starting --- */

static void exec_listen_out(struct exec *e, int out, int err)
{
    const struct wire_listener on_out = {
        .on_data = exec_on_out, .on_end = exec_on_out_end, .on_drain = exec_on_in_drain, .arg = e
    };
    const struct wire_listener on_err = { .on_data = exec_on_err,
                                          .on_end = exec_on_err_end,
                                          .arg = e };

    if (out >= 0)
        e->out = wire_new(e->loop, out, &on_out, 0);
    if (err >= 0)
        e->err = wire_new(e->loop, err, &on_err, 0);
}

static void exec_on_master(void *arg, int fd)
{
    struct exec *e = arg;

    if (e->client == NULL) {
        close(fd);
        return;
    }
    exec_listen_out(e, fd, -1);
    if (e->width > 0)
        exec_on_resize(e, e->width, e->height);
    channels_hold(e->client, false);
}

/* The byte, or without it the end, of the keeper's report.  Until then nothing is read: on failure
 * runc says its error there, too. */
static void exec_on_report(void *arg, unsigned char *data UNUSED, size_t len UNUSED)
{
    struct exec *e = arg;

    e->is_started = true;
    e->report = wire_close(e->report);
    if (e->out != NULL && !e->is_tty)
        wire_hold(e->out, false);
    if (e->err != NULL)
        wire_hold(e->err, false);
}

static void exec_on_report_end(void *arg)
{
    struct exec *e = arg;

    e->report = wire_close(e->report);
}

static void exec_on_keeper(void *arg, int rc UNUSED, const struct child_result *result,
                           const struct err *err)
{
    struct exec *e = arg;
    char byte;

    e->keeper = NULL;
    if (e->client == NULL) {
        exec_done(e);
        return;
    }
    /* Both ends may be seen in one turn of the loop. */
    if (e->report != NULL && read(wire_fd(e->report), &byte, 1) == 1)
        exec_on_report(e, NULL, 0);
    if (!e->is_started && result->exit_code < 0)
        e->failure = *err;
    if (!e->is_started) {
        cleanup(freep) char *log = exec_file(e, "log");

        if (e->failure.code == 0)
            exec_process_read_log(log, &e->failure);
        exec_finish(e);
        return;
    }
    e->is_over = true;
    e->code = result->exit_code >= 0 ? result->exit_code : 128 + result->signal;
    e->in = wire_close(e->in);
    if (e->is_tty && e->out != NULL)
        timer_start(e->timer, EXEC_HANGUP_MS);
    exec_check(e);
}

static int exec_write_process(struct exec *e, struct err *err)
{
    cleanup(freep) char *config_path = runtime_bundle(e->rt, e->id, "config.json");
    cleanup(freep) char *path = exec_file(e, "json");
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *config = NULL, *process = NULL;
    cleanup(freep) char *printed = NULL;
    size_t len;
    int rc = file_read(&text, config_path, EXEC_CONFIG_MAX, err);

    if (rc == 0)
        rc = json_parse(&config, text_str(&text), text.len, NULL, err);
    if (rc < 0)
        return rc;
    process = exec_process(config, (const char *const *)e->argv, e->is_tty);
    printed = json_print(process, &len);
    return file_write_fast(path, printed, len, 0600, err);
}

struct exec_pipes { /* -1: none; theirs are closed by cleanup, ours moved out */
    int report[2], in[2], out[2], err[2], null;
};

static void exec_pipes_fini(struct exec_pipes *p)
{
    int *all[] = { p->report, p->in, p->out, p->err };

    for (size_t i = 0; i < N_ELEMENTS(all); i++) {
        closep(&all[i][0]);
        closep(&all[i][1]);
    }
    closep(&p->null);
}

static int exec_pipes_open(struct exec_pipes *ret, const struct exec *e, struct err *err)
{
    if (pipe2(ret->report, O_CLOEXEC) < 0 ||
        (!e->is_tty && (pipe2(ret->out, O_CLOEXEC) < 0 || pipe2(ret->err, O_CLOEXEC) < 0)) ||
        (!e->is_tty && e->has_stdin && pipe2(ret->in, O_CLOEXEC) < 0))
        return err_errno(err, errno, "make a pipe");
    ret->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    return ret->null < 0 ? err_errno(err, errno, "open /dev/null") : 0;
}

static void exec_run_keeper(struct exec *e, const struct exec_pipes *p)
{
    cleanup(freep) char *json = exec_file(e, "json");
    cleanup(freep) char *pid = exec_file(e, "pid");
    cleanup(freep) char *log = exec_file(e, "log");
    cleanup(freep) char *tty = exec_file(e, "tty");
    /* clang-format off */
    const char *argv[24] = {
        "/proc/self/exe", "exec-keeper", pid,
        runtime_runc(e->rt), "--root", runtime_runc_root(e->rt), "--log", log,
        "exec", "--detach", "--process", json, "--pid-file", pid,
    };
    /* clang-format on */
    const int fds[] = { p->report[1],
                        KEEPER_REPORT,
                        p->in[0] >= 0 ? p->in[0] : p->null,
                        KEEPER_STDIN,
                        p->out[1] >= 0 ? p->out[1] : p->null,
                        KEEPER_STDIN + 1,
                        p->err[1] >= 0 ? p->err[1] : p->null,
                        KEEPER_STDIN + 2,
                        -1 };
    const struct child_spec spec = { .argv = argv, .deadline_ms = -1, .pass_fds = fds };
    size_t n = 14;

    if (e->is_tty) {
        argv[n++] = "--console-socket";
        argv[n++] = tty;
    }
    argv[n++] = e->id;
    e->keeper = child_run(e->loop, &spec, exec_on_keeper, e);
}

static void exec_listen(struct exec *e, struct exec_pipes *p)
{
    const struct wire_listener report = { .on_data = exec_on_report,
                                          .on_end = exec_on_report_end,
                                          .arg = e };
    const struct wire_listener in = { .on_drain = exec_on_in_drain, .arg = e };

    e->report = wire_new(e->loop, p->report[0], &report, 0);
    p->report[0] = -1;
    if (p->in[1] >= 0)
        e->in = wire_new(e->loop, p->in[1], &in, 0);
    p->in[1] = -1;
    exec_listen_out(e, p->out[0], p->err[0]);
    p->out[0] = p->err[0] = -1;
    if (e->out != NULL)
        wire_hold(e->out, true);
    if (e->err != NULL)
        wire_hold(e->err, true);
}

static int exec_start(struct exec *e, struct err *err)
{
    cleanup(exec_pipes_fini) struct exec_pipes p = {
        { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 }, -1
    };
    cleanup(freep) char *tty = exec_file(e, "tty");
    int rc = exec_write_process(e, err);

    if (rc == 0 && e->is_tty)
        rc = console_new(&e->console, e->loop, tty, exec_on_master, e, err);
    if (rc == 0)
        rc = exec_pipes_open(&p, e, err);
    if (rc < 0)
        return rc;
    if (e->is_tty) /* what is typed waits for the terminal */
        channels_hold(e->client, true);
    exec_run_keeper(e, &p);
    exec_listen(e, &p);
    return 0;
}

static void exec_on_open(void *arg)
{
    struct exec *e = arg;

    if (exec_start(e, &e->failure) < 0)
        exec_finish(e);
    else if (!e->is_tty)
        channels_hold(e->client, false);
}

struct exec *exec_new(struct runtime *rt, struct peers *set, const struct exec_spec *spec,
                      const struct channels_opts *opts, void (*on_done)(void *arg), void *arg)
{
    struct exec *e = MEM_NEW(struct exec);
    const struct channels_listener listener = { .on_open = exec_on_open,
                                                .on_stdin = exec_on_stdin,
                                                .on_stdin_end = exec_on_stdin_end,
                                                .on_resize = exec_on_resize,
                                                .on_drain = exec_on_drain,
                                                .on_gone = exec_on_gone,
                                                .arg = e };
    cleanup(freep) char *name = NULL;
    uint32_t random;
    size_t n = 0;

    bits_random(&random, sizeof(random));
    name = mem_fmt("exec-%08x", random);
    e->rt = rt;
    runtime_hold(rt);
    e->loop = set->loop;
    e->id = mem_str(spec->container_id);
    e->base = runtime_bundle(rt, e->id, name);
    while (spec->argv[n] != NULL)
        n++;
    e->argv = MEM_NEW_ARRAY(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        e->argv[i] = mem_str(spec->argv[i]);
    e->is_tty = opts->is_tty;
    e->has_stdin = opts->has_stdin;
    e->on_done = on_done;
    e->arg = arg;
    e->timer = timer_new(e->loop, exec_on_hangup_late, e);
    e->client = channels_new(set, opts, &listener);
    return e;
}
