/* layer: nodeagent */
#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "nodeagent/life.h"
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* These run real containers: root, runc, conmon and a static busybox are needed. */
#define BUSYBOX "/bin/busybox"

struct fixture {
    uv_loop_t loop;
    struct runtime *rt;
    const char *layers[2];
    struct image image;
    struct pod_view *pod;
    struct life *life;
    char id[65];
    char *log_path, *record_path;
    int n_started, n_exited, n_gone, rc;
    struct err err;
    int exit_code;
    bool oom;
    char message[256];
};

static bool can_run(void)
{
    return geteuid() == 0 && file_exists(BUSYBOX) && file_exists("/usr/sbin/runc") &&
           file_exists("/usr/bin/conmon") && file_exists("/sys/fs/cgroup");
}

static void on_started(void *arg, int rc, const struct err *err)
{
    struct fixture *f = arg;

    f->n_started++;
    f->rc = rc;
    if (err != NULL)
        f->err = *err;
}

static void on_exited(void *arg, const struct life_exit *end)
{
    struct fixture *f = arg;

    f->n_exited++;
    f->exit_code = end->exit_code;
    f->oom = end->oom_killed;
    snprintf(f->message, sizeof(f->message), "%s", end->message);
}

static void on_gone(void *arg)
{
    struct fixture *f = arg;

    f->n_gone++;
    f->life = NULL;
}

static void make_rootfs(struct fixture *f)
{
    static const char *const names[] = { "sh", "sleep", "echo", "cat", "dd", "true", "id" };
    cleanup(freep) char *bin = mem_fmt("%s/layer/bin", test_dir());
    cleanup(freep) char *target = mem_fmt("%s/busybox", bin);
    const char *argv[] = { "cp", BUSYBOX, target, NULL };
    struct err err = ERR_EMPTY;

    CHECK_INT(file_mkdirs(bin, 0755, &err), 0);
    CHECK_INT(child_run_sync(&(struct child_spec){ .argv = argv }, NULL, NULL, &err), 0);
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        cleanup(freep) char *link = mem_fmt("%s/%s", bin, names[i]);

        CHECK_INT(symlink("busybox", link), 0);
    }
    f->layers[0] = mem_fmt("%s/layer", test_dir());
    f->image = (struct image){ .refs = 1,
                               .ref = "test",
                               .id = "sha256:0",
                               .digest = "",
                               .layer_dirs = f->layers,
                               .config = json_object() };
}

static void up(struct fixture *f, const char *container_json)
{
    struct err err = ERR_EMPTY;
    cleanup(freep) char *data = mem_fmt("%s/data", test_dir());
    cleanup(freep) char *run = mem_fmt("%s/run", test_dir());
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u-%d\"},"
        "\"spec\":{\"containers\":[%s]}}",
        getpid(), container_json);
    json_t *tree = NULL;

    memset(f, 0, sizeof(*f));
    CHECK_INT(uv_loop_init(&f->loop), 0);
    CHECK_INT(runtime_new(&f->rt, &f->loop,
                          &(struct runtime_opts){
                              .data_dir = data, .run_dir = run, .cgroup_root = "/mkubetest" },
                          &err),
              0);
    make_rootfs(f);
    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    CHECK_INT(pod_view_new(&f->pod, tree, &err), 0);
    f->log_path = mem_fmt("%s/log/p/c/0.log", data);
    f->record_path = mem_fmt("%s/record", data);
    runtime_make_id(f->id);
}

static struct life_listener listener(struct fixture *f)
{
    return (struct life_listener){
        .on_started = on_started, .on_exited = on_exited, .on_gone = on_gone, .arg = f
    };
}

static void start(struct fixture *f)
{
    struct life_spec spec = { .id = f->id,
                              .pod = f->pod,
                              .image = &f->image,
                              .log_path = f->log_path,
                              .record_path = f->record_path,
                              .record = "{}" };
    struct life_listener l = listener(f);

    f->life = life_create(f->rt, &spec, &l);
    CHECK_SOON(&f->loop, f->n_started == 1, 10000);
}

static void down(struct fixture *f)
{
    cgroup_remove_pod(runtime_cgroup(f->rt), f->pod->uid);
    cgroup_remove_root(runtime_cgroup(f->rt));
    f->rt = runtime_close(f->rt);
    f->pod = pod_view_unref(f->pod);
    json_decref((json_t *)(uintptr_t)f->image.config);
    free((void *)(uintptr_t)f->layers[0]);
    free(f->log_path);
    free(f->record_path);
    loop_finish(&f->loop);
}

static void remove_life(struct fixture *f)
{
    cleanup(freep) char *bundle = runtime_bundle(f->rt, f->id, "");
    cleanup(freep) char *store = runtime_store(f->rt, f->id, "");

    life_remove(f->life);
    CHECK_SOON(&f->loop, f->n_gone == 1, 10000);
    CHECK(!file_exists(bundle) && !file_exists(store));
}

TEST(life, runs_to_its_end_and_leaves_log_message_and_no_trace)
{
    struct fixture f;
    cleanup(text_fini) struct text log = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/sh\",\"-c\",\"echo hello; echo bye >&2; exit 3\"],"
           "\"terminationMessagePolicy\":\"FallbackToLogsOnError\"}");
    start(&f);
    CHECK_INT(f.rc, 0);
    CHECK_SOON(&f.loop, f.n_exited == 1, 10000);
    CHECK_INT(f.exit_code, 3);
    CHECK(strstr(f.message, "hello") != NULL);
    CHECK_INT(file_read(&log, f.log_path, 4096, &err), 0);
    CHECK(strstr(log.data, " stdout F hello\n") != NULL &&
          strstr(log.data, " stderr F bye\n") != NULL);
    remove_life(&f);
    down(&f);
}

TEST(life, a_program_that_is_not_there_is_refused_with_its_name)
{
    struct fixture f;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/nothing-here\"]}");
    start(&f);
    CHECK(f.rc < 0);
    CHECK(strstr(f.err.text, "/bin/nothing-here") != NULL);
    remove_life(&f);
    down(&f);
}

TEST(life, a_signal_ends_it)
{
    struct fixture f;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/sleep\",\"1000\"]}");
    start(&f);
    CHECK_INT(f.rc, 0);
    CHECK(life_pid(f.life) > 0);
    life_signal(f.life, SIGKILL);
    CHECK_SOON(&f.loop, f.n_exited == 1, 10000);
    CHECK_INT(f.exit_code, 137);
    CHECK(!f.oom);
    remove_life(&f);
    down(&f);
}

TEST(life, outlives_its_agent_and_is_adopted)
{
    struct fixture f;
    struct life_listener l;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/sleep\",\"1000\"]}");
    start(&f);
    pid_t pid = life_pid(f.life);
    life_leave(f.life);
    l = listener(&f);
    CHECK_INT(life_adopt(&f.life, f.rt, f.id, f.pod, 0, f.log_path, &l), LIFE_FOUND_RUNNING);
    CHECK_INT(life_pid(f.life), pid);
    life_leave(f.life);
    kill(pid, SIGKILL);
    for (int i = 0; i < 500 && kill(pid, 0) == 0; i++)
        usleep(10000);
    /* conmon writes the exit code a moment after the process has gone. */
    cleanup(freep) char *exit_file = mem_fmt("%s/run/exits/%s", test_dir(), f.id);
    for (int i = 0; i < 500 && !file_exists(exit_file); i++)
        usleep(10000);
    CHECK_INT(life_adopt(&f.life, f.rt, f.id, f.pod, 0, f.log_path, &l), LIFE_FOUND_EXITED);
    CHECK_SOON(&f.loop, f.n_exited == 1, 10000);
    CHECK_INT(f.exit_code, 137);
    remove_life(&f);
    down(&f);
}

TEST(life, what_never_ran_is_not_adopted)
{
    struct fixture f;
    struct life_listener l;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\"}");
    l = listener(&f);
    CHECK_INT(life_adopt(&f.life, f.rt, f.id, f.pod, 0, f.log_path, &l), LIFE_FOUND_NOTHING);
    remove_life(&f);
    CHECK_INT(f.n_started + f.n_exited, 0);
    down(&f);
}

TEST(life, memory_limit_kills_and_is_told)
{
    struct fixture f;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/sh\",\"-c\",\"dd if=/dev/zero of=/dev/null bs=200M "
           "count=1\"],"
           "\"resources\":{\"limits\":{\"memory\":\"20Mi\"}}}");
    start(&f);
    CHECK_SOON(&f.loop, f.n_exited == 1, 20000);
    CHECK(f.exit_code != 0);
    CHECK(f.oom);
    remove_life(&f);
    down(&f);
}

TEST(life, leftovers_are_swept)
{
    struct fixture f;
    static const char *const none[] = { NULL };
    cleanup(freep) char *bundle = NULL;

    if (!can_run())
        skip();
    up(&f, "{\"name\":\"c\",\"command\":[\"/bin/sleep\",\"1000\"]}");
    start(&f);
    pid_t pid = life_pid(f.life);
    life_leave(f.life);
    runtime_sweep(f.rt, none);
    bundle = runtime_bundle(f.rt, f.id, "");
    CHECK(kill(pid, 0) < 0 && !file_exists(bundle));
    down(&f);
}
