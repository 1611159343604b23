#include "nodeagent/runc_spec.h"

#include "api/pod_resources.h"
#include "api/quantity.h"
#include "base/mem.h"
#include "nodeagent/runc_caps.h"
#include "nodeagent/runc_seccomp.h"

#include <string.h>

#define CPU_PERIOD_US  100000
#define CPU_QUOTA_MIN  1000 /* cfs_quota_us below 1 ms is refused by the kernel */
#define CPU_SHARES_MIN 2
#define NOFILE_WANTED  1048576

bool runc_spec_is_privileged(const struct container_view *c)
{
    return json_bool(c->spec, "securityContext.privileged", false);
}

/* --- process --- */

static void spec_append(json_t *to, const json_t *list, const struct env_list *expand)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        const char *s = json_is_string(item) ? json_string_value(item) : "";
        cleanup(freep) char *expanded = expand == NULL ? mem_str(s) : env_expand_list(s, expand);

        json_array_append_new(to, json_string(expanded));
    }
}

/* command replaces the image's Entrypoint and Cmd, args only Cmd; the image's own words are
 * not expanded. */
static int spec_args(json_t **ret, const struct runc_spec_input *in, struct err *err)
{
    const json_t *command = json_at(in->container->spec, "command");
    const json_t *args = json_at(in->container->spec, "args");
    json_t *argv = json_array();

    if (json_array_size(command) > 0)
        spec_append(argv, command, in->env);
    else
        spec_append(argv, json_at(in->image_config, "config.Entrypoint"), NULL);
    if (json_array_size(args) > 0)
        spec_append(argv, args, in->env);
    else if (json_array_size(command) == 0)
        spec_append(argv, json_at(in->image_config, "config.Cmd"), NULL);
    if (json_array_size(argv) == 0) {
        json_decref(argv);
        return err_set(err, ERR_INVALID, "no command specified");
    }
    *ret = argv;
    return 0;
}

static void spec_env_add(json_t *to, const char *name, const char *value)
{
    cleanup(freep) char *word = mem_fmt("%s=%s", name, value);

    json_array_append_new(to, json_string(word));
}

/* The image's variables unless the container defines them, then the container's. */
static json_t *spec_env(const struct runc_spec_input *in, bool is_tty)
{
    struct env_list all = ENV_LIST_EMPTY;
    const json_t *image_env = json_at(in->image_config, "config.Env");
    json_t *list = json_array();
    size_t i;
    json_t *item;

    env_list_set(&all, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    if (in->hostname != NULL)
        env_list_set(&all, "HOSTNAME", in->hostname);
    if (is_tty)
        env_list_set(&all, "TERM", "xterm");
    json_array_foreach (image_env, i, item) {
        const char *s = json_is_string(item) ? json_string_value(item) : "";
        const char *eq = strchr(s, '=');
        cleanup(freep) char *name = eq == NULL ? mem_str(s) : mem_strn(s, (size_t)(eq - s));

        env_list_set(&all, name, eq == NULL ? "" : eq + 1);
    }
    for (i = 0; i < in->env->n; i++)
        env_list_set(&all, in->env->vars[i].name, in->env->vars[i].value);
    if (env_list_get(&all, "HOME") == NULL)
        env_list_set(&all, "HOME", in->user->home);
    for (i = 0; i < all.n; i++)
        spec_env_add(list, all.vars[i].name, all.vars[i].value);
    env_list_fini(&all);
    return list;
}

static json_t *spec_user(const struct user *u)
{
    json_t *groups = json_array();

    for (size_t i = 0; i < u->n_groups; i++)
        json_array_append_new(groups, json_integer(u->groups[i]));
    return json_pack("{s:I, s:I, s:o}", "uid", (json_int_t)u->uid, "gid", (json_int_t)u->gid,
                     "additionalGids", groups);
}

/* The kubelet's policy: Guaranteed last to go, BestEffort first, others by share of memory. */
static int64_t spec_oom_score(const struct runc_spec_input *in)
{
    const char *qos = pod_qos(in->pod->spec);
    int64_t request = quantity_text_value(
        json_str(in->container->spec, "resources.requests.memory"), 0);
    int64_t score;

    if (str_eq(qos, "Guaranteed")) {
        score = -997;
    } else if (str_eq(qos, "BestEffort")) {
        score = 1000;
    } else {
        score = in->host->memory_bytes <= 0
                    ? 999
                    : 1000 - (int64_t)((__int128)1000 * request / in->host->memory_bytes);
        score = score < 3 ? 3 : score > 999 ? 999 : score;
    }
    if (!in->host->may_lower_oom && score < in->host->oom_floor)
        score = in->host->oom_floor; /* the kernel refuses to go below our own */
    return score;
}

static json_t *spec_rlimits(const struct runc_host *host)
{
    json_int_t n = host->nofile_hard < NOFILE_WANTED ? (json_int_t)host->nofile_hard
                                                     : NOFILE_WANTED;

    return json_pack("[{s:s, s:I, s:I}]", "type", "RLIMIT_NOFILE", "hard", n, "soft", n);
}

static json_t *spec_capabilities(uint64_t set, bool is_root)
{
    json_t *caps = json_object();

    json_object_set_new(caps, "bounding", runc_caps_list(set));
    /* The kernel drops these of a process that leaves uid 0, and images rely on it. */
    json_object_set_new(caps, "effective", runc_caps_list(is_root ? set : 0));
    json_object_set_new(caps, "permitted", runc_caps_list(is_root ? set : 0));
    return caps;
}

static int spec_process(json_t **ret, const struct runc_spec_input *in, uint64_t caps,
                        struct err *err)
{
    const json_t *spec = in->container->spec;
    bool is_tty = json_bool(spec, "tty", false);
    const char *cwd = json_str_or(spec, "workingDir", "");
    json_t *args = NULL, *process;
    int rc = spec_args(&args, in, err);

    if (rc < 0)
        return rc;
    if (cwd[0] == '\0')
        cwd = json_str_or(in->image_config, "config.WorkingDir", "");
    process = json_pack("{s:b, s:o, s:o, s:o, s:s, s:o, s:o, s:I}", "terminal", is_tty, "user",
                        spec_user(in->user), "args", args, "env", spec_env(in, is_tty), "cwd",
                        cwd[0] == '/' ? cwd : "/", "capabilities",
                        spec_capabilities(caps, in->user->uid == 0), "rlimits",
                        spec_rlimits(in->host), "oomScoreAdj", (json_int_t)spec_oom_score(in));
    json_put_bool(process, "noNewPrivileges",
                  !json_bool(spec, "securityContext.allowPrivilegeEscalation", true));
    *ret = process;
    return 0;
}

/* --- mounts --- */

static const struct {
    const char *destination, *type, *source;
    const char *options[8];
} base_mounts[] = {
    { "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
    { "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
    { "/dev/pts",
      "devpts",
      "devpts",
      { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
    { "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
    { "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
    { "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static json_t *spec_bind(const char *source, const char *destination, const char *rights,
                         const char *propagation)
{
    return json_pack("{s:s, s:s, s:s, s:[s,s,s]}", "destination", destination, "type", "bind",
                     "source", source, "options", "rbind", propagation, rights);
}

static json_t *spec_mounts(const struct runc_spec_input *in)
{
    bool is_privileged = runc_spec_is_privileged(in->container);
    json_t *list = json_array();

    for (size_t i = 0; i < N_ELEMENTS(base_mounts); i++) {
        json_t *options = json_array();

        for (size_t k = 0; k < 8 && base_mounts[i].options[k] != NULL; k++) {
            bool opens = is_privileged && str_starts(base_mounts[i].destination, "/sys") &&
                         str_eq(base_mounts[i].options[k], "ro");

            json_array_append_new(options, json_string(opens ? "rw" : base_mounts[i].options[k]));
        }
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:o}", "destination",
                                        base_mounts[i].destination, "type", base_mounts[i].type,
                                        "source", base_mounts[i].source, "options", options));
    }
    json_array_append_new(
        list, spec_bind(in->shm != NULL ? in->shm : "/dev/shm", "/dev/shm", "rw", "rprivate"));
    for (size_t i = 0; i < in->n_mounts; i++) {
        const struct runc_mount *m = &in->mounts[i];

        json_array_append_new(list,
                              spec_bind(m->source, m->destination,
                                        m->recursive   ? "rro"
                                        : m->read_only ? "ro"
                                                       : "rw",
                                        m->propagation == NULL ? "rprivate" : m->propagation));
    }
    return list;
}

/* --- linux --- */

static json_t *spec_resources(const struct runc_spec_input *in)
{
    const json_t *have = json_at(in->container->spec, "resources");
    int64_t request = quantity_text_milli(json_str(have, "requests.cpu"), 0);
    int64_t limit = quantity_text_milli(json_str(have, "limits.cpu"), 0);
    int64_t memory = quantity_text_value(json_str(have, "limits.memory"), 0);
    int64_t shares;
    json_t *r = json_object();

    if (request == 0)
        request = limit;
    shares = request * 1024 / 1000;
    json_put_int(r, "cpu.shares",
                 shares < CPU_SHARES_MIN ? CPU_SHARES_MIN
                 : shares > 262144       ? 262144
                                         : shares);
    if (limit > 0) {
        int64_t quota = limit * CPU_PERIOD_US / 1000;

        json_put_int(r, "cpu.period", CPU_PERIOD_US);
        json_put_int(r, "cpu.quota", quota < CPU_QUOTA_MIN ? CPU_QUOTA_MIN : quota);
    }
    if (memory > 0)
        json_put_int(r, "memory.limit", memory);
    /* One process over the limit takes the others along, as the kubelet has it on version 2: a
     * container that lost a child of its own would limp on unseen. */
    if (in->host->cgroup_v2 && memory > 0)
        json_put(r, "unified", json_pack("{s:s}", "memory.oom.group", "1"));
    if (runc_spec_is_privileged(in->container))
        json_put(r, "devices", json_pack("[{s:b, s:s}]", "allow", 1, "access", "rwm"));
    else
        json_put(r, "devices", json_pack("[{s:b, s:s}]", "allow", 0, "access", "rwm"));
    return r;
}

static void spec_namespace(json_t *list, const char *type, const char *path)
{
    json_t *ns = json_pack("{s:s}", "type", type);

    if (path != NULL)
        json_put_str(ns, "path", path);
    json_array_append_new(list, ns);
}

static json_t *spec_namespaces(const struct runc_spec_input *in)
{
    json_t *list = json_array();

    spec_namespace(list, "mount", NULL);
    spec_namespace(list, "cgroup", NULL);
    if (!in->pod->host_pid)
        spec_namespace(list, "pid", in->pid_ns);
    if (in->net_ns != NULL)
        spec_namespace(list, "network", in->net_ns);
    if (in->uts_ns != NULL)
        spec_namespace(list, "uts", in->uts_ns);
    if (in->ipc_ns != NULL)
        spec_namespace(list, "ipc", in->ipc_ns);
    return list;
}

static const char *const masked_paths[] = {
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};
static const char *const read_only_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static json_t *spec_strings(const char *const *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(v[i]));
    return list;
}

static void spec_sysctls(json_t *lin, const struct pod_view *pod)
{
    size_t i;
    json_t *item;
    json_t *all = json_object();

    json_array_foreach (json_at(pod->spec, "securityContext.sysctls"), i, item)
        json_object_set_new(all, json_str_or(item, "name", ""),
                            json_string(json_str_or(item, "value", "")));
    json_put(lin, "sysctl", all);
}

static bool spec_wants_seccomp(const struct runc_spec_input *in)
{
    const char *type = json_str(in->container->spec, "securityContext.seccompProfile.type");

    if (type == NULL)
        type = json_str(in->pod->spec, "securityContext.seccompProfile.type");
    return str_eq(type, "RuntimeDefault");
}

/* A mount can only receive (or share) what its container's root does. */
static const char *spec_root_propagation(const struct runc_spec_input *in)
{
    const char *found = NULL;

    for (size_t i = 0; i < in->n_mounts; i++)
        if (str_eq(in->mounts[i].propagation, "rshared") ||
            (found == NULL && str_eq(in->mounts[i].propagation, "rslave")))
            found = in->mounts[i].propagation;
    return found;
}

static json_t *spec_linux(const struct runc_spec_input *in, uint64_t caps)
{
    bool is_privileged = runc_spec_is_privileged(in->container);
    json_t *lin = json_object();

    json_put_str(lin, "cgroupsPath", in->cgroup);
    json_put(lin, "namespaces", spec_namespaces(in));
    json_put(lin, "resources", spec_resources(in));
    spec_sysctls(lin, in->pod);
    if (spec_root_propagation(in) != NULL)
        json_put_str(lin, "rootfsPropagation", spec_root_propagation(in));
    if (is_privileged) {
        json_put(lin, "devices",
                 in->host->devices == NULL ? json_array() : json_deep_copy(in->host->devices));
        return lin;
    }
    if (!str_eq(json_str(in->container->spec, "securityContext.procMount"), "Unmasked")) {
        json_put(lin, "maskedPaths", spec_strings(masked_paths, N_ELEMENTS(masked_paths)));
        json_put(lin, "readonlyPaths", spec_strings(read_only_paths, N_ELEMENTS(read_only_paths)));
    }
    if (spec_wants_seccomp(in))
        json_put(lin, "seccomp", runc_seccomp_make(caps));
    return lin;
}

int runc_spec_make(json_t **ret, const struct runc_spec_input *in, struct err *err)
{
    const json_t *sc = json_at(in->container->spec, "securityContext");
    uint64_t caps;
    json_t *process = NULL;
    int rc = runc_caps_decide(&caps, json_at(sc, "capabilities.add"),
                              json_at(sc, "capabilities.drop"),
                              runc_spec_is_privileged(in->container), in->host->capabilities, err);

    if (rc == 0)
        rc = spec_process(&process, in, caps, err);
    if (rc < 0)
        return rc;
    *ret = json_pack("{s:s, s:o, s:{s:s, s:b}, s:o, s:o}", "ociVersion", "1.0.2", "process",
                     process, "root", "path", in->rootfs, "readonly",
                     json_bool(sc, "readOnlyRootFilesystem", false), "mounts", spec_mounts(in),
                     "linux", spec_linux(in, caps));
    return 0;
}
