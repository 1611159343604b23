#include "cmd/entry_guard.h"

#include "api/client.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD_LOOK_MS 1000

extern char **environ;

struct entry_guard {
    struct timer *look;
    char *run_dir, *kubeconfig, *publish_ip, *log_path, *certs_dir; /* owned */
    char http_port[8], https_port[8];
    pid_t pid; /* of the one we started, 0 if none */
};

static int entry_lock_open(const char *run_dir, struct err *err)
{
    cleanup(freep) char *path = mem_fmt("%s/entry.lock", run_dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? err_errno(err, errno, "open %s", path) : fd;
}

int entry_lock_take(const char *run_dir, struct err *err)
{
    int rc = file_mkdirs(run_dir, 0755, err);
    int fd = rc < 0 ? rc : entry_lock_open(run_dir, err);

    if (fd < 0)
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0; /* held until the process ends */
    close(fd);
    return 1;
}

/* A look: can the lock be had?  Then nobody runs. */
static bool entry_guard_is_running(struct entry_guard *g)
{
    struct err err = ERR_EMPTY;
    int fd = entry_lock_open(g->run_dir, &err);
    bool held;

    if (fd < 0)
        return false;
    held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return held;
}

static int entry_guard_spawn(struct entry_guard *g, struct err *err)
{
    char *argv[] = { (char *)(uintptr_t) "mkube",
                     (char *)(uintptr_t) "entry",
                     (char *)(uintptr_t) "--kubeconfig",
                     g->kubeconfig,
                     (char *)(uintptr_t) "--run-dir",
                     g->run_dir,
                     (char *)(uintptr_t) "--data-dir",
                     g->certs_dir,
                     (char *)(uintptr_t) "--publish-address",
                     g->publish_ip,
                     (char *)(uintptr_t) "--http-port",
                     g->http_port,
                     (char *)(uintptr_t) "--https-port",
                     g->https_port,
                     NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int rc;

    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, g->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_init(&attr);
    /* Its own session: a signal to the server's group, or its end, is none of the entry's business. */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attr, &none);
    rc = posix_spawn(&g->pid, "/proc/self/exe", &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (rc != 0)
        g->pid = 0;
    return rc == 0 ? 0 : err_errno(err, rc, "start the entry proxy");
}

static void entry_guard_reap(struct entry_guard *g)
{
    int status;

    if (g->pid > 0 && waitpid(g->pid, &status, WNOHANG) == g->pid) {
        log_warn("entry proxy ended", KV("status", "%d", status));
        g->pid = 0;
    }
}

static void entry_guard_on_look(void *arg)
{
    struct entry_guard *g = arg;
    struct err err = ERR_EMPTY;

    entry_guard_reap(g);
    if (g->pid == 0 && !entry_guard_is_running(g) && entry_guard_spawn(g, &err) < 0)
        log_error("entry proxy not started", KV_ERR(&err));
    timer_start(g->look, GUARD_LOOK_MS);
}

/* Without fsync: each start of the server writes it anew. */
static int entry_guard_write_kubeconfig(struct entry_guard *g, const struct entry_guard_opts *opts,
                                        struct err *err)
{
    cleanup(freep) char *url = mem_fmt("https://127.0.0.1:%u", opts->server_port);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct client_config config = { .server = url,
                                    .ca_pem = (char *)(uintptr_t)opts->ca_pem,
                                    .cert_pem = opts->pair->cert_pem,
                                    .key_pem = opts->pair->key_pem };

    client_config_print(&t, &config, "mkube");
    return file_write_fast(g->kubeconfig, text_str(&t), t.len, 0600, err);
}

int entry_guard_renew(struct entry_guard *g, const struct entry_guard_opts *opts, struct err *err)
{
    return entry_guard_write_kubeconfig(g, opts, err);
}

int entry_guard_new(struct entry_guard **ret, uv_loop_t *loop, const struct entry_guard_opts *opts,
                    struct err *err)
{
    struct entry_guard *g = MEM_NEW(struct entry_guard);
    int rc = file_mkdirs(opts->run_dir, 0755, err);

    g->run_dir = mem_str(opts->run_dir);
    g->kubeconfig = mem_fmt("%s/pki/entry.kubeconfig", opts->data_dir);
    g->log_path = mem_fmt("%s/entry.log", opts->data_dir);
    g->certs_dir = mem_fmt("%s/pki/entry", opts->data_dir);
    g->publish_ip = mem_str(opts->publish_ip);
    snprintf(g->http_port, sizeof(g->http_port), "%u", (unsigned)opts->http_port & 0xffff);
    snprintf(g->https_port, sizeof(g->https_port), "%u", (unsigned)opts->https_port & 0xffff);
    if (rc == 0)
        rc = entry_guard_write_kubeconfig(g, opts, err);
    if (rc < 0) {
        entry_guard_close(g);
        return rc;
    }
    g->look = timer_new(loop, entry_guard_on_look, g);
    timer_start(g->look, 0);
    *ret = g;
    return 0;
}

struct entry_guard *entry_guard_close(struct entry_guard *g)
{
    if (g == NULL)
        return NULL;
    timer_close(g->look);
    free(g->run_dir);
    free(g->kubeconfig);
    free(g->publish_ip);
    free(g->log_path);
    free(g->certs_dir);
    free(g);
    return NULL;
}
