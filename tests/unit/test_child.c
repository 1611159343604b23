/* layer: base */
#include "base/child.h"
#include "base/loop.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct child_fixture {
    uv_loop_t loop;
    unsigned n_done;
    int rc;
    int exit_code, signal;
    char *output, *errors; /* owned */
    size_t output_len;
    struct err err;
};

static void child_fixture_up(struct child_fixture *f)
{
    *f = (struct child_fixture){ .rc = 1 };
    uv_loop_init(&f->loop);
}

static void child_fixture_down(struct child_fixture *f)
{
    loop_finish(&f->loop);
    free(f->output);
    free(f->errors);
    /* Nothing may be left to wait for. */
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}

static void child_fixture_done(void *arg, int rc, const struct child_result *result,
                               const struct err *err)
{
    struct child_fixture *f = arg;

    f->n_done++;
    f->rc = rc;
    f->err = *err;
    f->exit_code = result->exit_code;
    f->signal = result->signal;
    f->output = mem_strn(result->output, result->output_len);
    f->output_len = result->output_len;
    f->errors = mem_str(result->errors);
}

static void child_fixture_run(struct child_fixture *f, const struct child_spec *spec)
{
    child_run(&f->loop, spec, child_fixture_done, f);
    CHECK_INT(f->n_done, 0);
    CHECK_SOON(&f->loop, f->n_done == 1, 10000);
}

#define SH(script)                 \
    (const char *const[])          \
    {                              \
        "sh", "-c", (script), NULL \
    }

TEST(child, gives_back_what_the_program_wrote)
{
    const struct child_spec spec = { .argv = SH("tr a-z A-Z"), .input = "hello", .input_len = 5 };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, 0);
    CHECK_STR(f.output, "HELLO");
    child_fixture_down(&f);
}

TEST(child, without_input_reads_nothing)
{
    const struct child_spec spec = { .argv = (const char *const[]){ "cat", NULL } };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, 0);
    CHECK_STR(f.output, "");
    child_fixture_down(&f);
}

TEST(child, failure_carries_the_last_lines_of_stderr)
{
    const struct child_spec spec = { .argv = SH("echo out; echo one >&2; echo two >&2; exit 3") };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, ERR_INTERNAL);
    CHECK_INT(f.exit_code, 3);
    CHECK_STR(f.err.text, "sh: one; two");
    CHECK_STR(f.errors, "one\ntwo\n");
    CHECK_STR(f.output, "out\n");
    child_fixture_down(&f);
}

TEST(child, a_long_stderr_is_cut_from_the_front)
{
    const struct child_spec spec = {
        .argv = SH("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done >&2; exit 1"),
    };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK(strlen(f.errors) <= 8192);
    CHECK(strstr(f.errors, "line 1999\n") != NULL);
    CHECK(strstr(f.err.text, "sh: line 1") == f.err.text);
    CHECK(strcmp(f.err.text + strlen(f.err.text) - 9, "line 1999") == 0);
    child_fixture_down(&f);
}

TEST(child, a_missing_program_is_not_found_and_never_told_at_once)
{
    const struct child_spec spec = { .argv = (const char *const[]){ "no-such-program", NULL } };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, ERR_NOT_FOUND);
    CHECK(strstr(f.err.text, "no-such-program") != NULL);
    child_fixture_down(&f);
}

TEST(child, the_deadline_kills)
{
    const struct child_spec spec = {
        .argv = (const char *const[]){ "sleep", "60", NULL },
        .deadline_ms = 30,
    };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, ERR_TIMEOUT);
    CHECK_INT(f.exit_code, -1);
    CHECK_INT(f.signal, SIGKILL);
    child_fixture_down(&f);
}

TEST(child, too_much_output_ends_it)
{
    const struct child_spec spec = {
        .argv = SH("while :; do echo 0123456789; done"),
        .max_output = 1000,
    };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, ERR_LIMIT);
    CHECK(f.output_len <= 1000);
    child_fixture_down(&f);
}

TEST(child, a_large_output_arrives_whole)
{
    const struct child_spec spec = { .argv = SH("head -c 1000000 /dev/zero") };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, 0);
    CHECK_INT(f.output_len, 1000000);
    child_fixture_down(&f);
}

TEST(child, cancel_kills_and_says_nothing)
{
    const struct child_spec spec = { .argv = (const char *const[]){ "sleep", "60", NULL } };
    struct child_fixture f;
    struct child *c;
    pid_t pid;

    child_fixture_up(&f);
    c = child_run(&f.loop, &spec, child_fixture_done, &f);
    pid = child_pid(c);
    CHECK(pid > 0);
    child_cancel(c);
    child_fixture_down(&f);
    CHECK_INT(f.n_done, 0);
    CHECK(kill(pid, 0) < 0);
}

TEST(child, cancel_of_one_that_never_began_says_nothing)
{
    const struct child_spec spec = { .argv = (const char *const[]){ "no-such-program", NULL } };
    struct child_fixture f;

    child_fixture_up(&f);
    child_cancel(child_run(&f.loop, &spec, child_fixture_done, &f));
    child_fixture_down(&f);
    CHECK_INT(f.n_done, 0);
}

TEST(child, a_daemon_left_behind_is_not_waited_for)
{
    const struct child_spec spec = { .argv = SH("sleep 3 & echo started $!"), .new_session = true };
    struct child_fixture f;
    uint64_t started = uv_hrtime();
    int pid;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, 0);
    CHECK(uv_hrtime() - started < 2000000000ULL);
    CHECK(sscanf(f.output, "started %d", &pid) == 1);
    CHECK_INT(kill(pid, SIGKILL), 0);
    child_fixture_down(&f);
}

TEST(child, one_that_is_left_lives_on_in_its_own_session)
{
    const struct child_spec spec = {
        .argv = (const char *const[]){ "sleep", "60", NULL },
        .new_session = true,
        .deadline_ms = -1,
    };
    struct child_fixture f;
    struct child *c;
    pid_t pid;

    child_fixture_up(&f);
    c = child_run(&f.loop, &spec, child_fixture_done, &f);
    pid = child_pid(c);
    CHECK_INT(getsid(pid), pid);
    child_leave(c);
    loop_finish(&f.loop);
    CHECK_INT(f.n_done, 0);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static int child_open(const char *name)
{
    return open(test_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

TEST(child, descriptors_are_passed_under_their_numbers)
{
    cleanup(closep) int a = child_open("alpha");
    cleanup(closep) int b = child_open("beta");
    cleanup(closep) int c = child_open("gamma");
    /* Crosswise, so that a naive dup2 would overwrite the second source. */
    const int pass[] = { a, b, b, a, -1 };
    struct child_spec spec = { .pass_fds = pass };
    cleanup(freep) char *script = mem_fmt(
        "for i in %d %d; do basename $(readlink /proc/self/fd/$i); done; "
        "readlink /proc/self/fd/* | grep -c %s",
        b, a, test_dir());
    struct child_fixture f;

    child_fixture_up(&f);
    spec.argv = SH(script);
    child_fixture_run(&f, &spec);
    CHECK(c >= 0); /* the third one stays ours */
    CHECK_STR(f.output, "alpha\nbeta\n2\n");
    child_fixture_down(&f);
}

TEST(child, gets_only_the_environment_it_is_given)
{
    const struct child_spec spec = {
        .argv = (const char *const[]){ "env", NULL },
        .env = (const char *const[]){ "COLOUR=blue", NULL },
    };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_STR(f.output, "COLOUR=blue\n");
    child_fixture_down(&f);
}

TEST(child, starts_where_it_is_told)
{
    const struct child_spec spec = { .argv = (const char *const[]){ "pwd", NULL }, .cwd = "/proc" };
    struct child_fixture f;

    child_fixture_up(&f);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.rc, 0);
    CHECK_STR(f.output, "/proc\n");
    child_fixture_down(&f);
}

TEST(child, starts_with_default_signals)
{
    const struct child_spec spec = { .argv = SH("kill -PIPE $$") };
    struct child_fixture f;

    child_fixture_up(&f);
    signal(SIGPIPE, SIG_IGN);
    child_fixture_run(&f, &spec);
    CHECK_INT(f.signal, SIGPIPE);
    child_fixture_down(&f);
}

TEST(child, the_blocking_twin_does_the_same)
{
    struct child_spec spec = { .argv = SH("cat; exit 4"), .input = "in", .input_len = 2 };
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    struct err err = ERR_EMPTY;
    int code = 0;

    CHECK_INT(child_run_sync(&spec, &out, &code, &err), ERR_INTERNAL);
    CHECK_INT(code, 4);
    CHECK_STR(text_str(&out), "in");
    CHECK_STR(err.text, "sh: exit code 4");
    spec.argv = (const char *const[]){ "true", NULL };
    CHECK_INT(child_run_sync(&spec, NULL, NULL, &err), 0);
    spec.argv = (const char *const[]){ "no-such-program", NULL };
    CHECK_INT(child_run_sync(&spec, NULL, &code, &err), ERR_NOT_FOUND);
    CHECK_INT(code, -1);
    spec.argv = (const char *const[]){ "sleep", "60", NULL };
    spec.deadline_ms = 20;
    CHECK_INT(child_run_sync(&spec, NULL, NULL, &err), ERR_TIMEOUT);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}
