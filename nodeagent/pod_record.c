#include "nodeagent/pod_record.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define POD_RECORD_MAX (16 << 20)

char *pod_record_dir(const char *data_dir, const char *uid)
{
    return mem_fmt("%s/pods/%s", data_dir, uid);
}

char *pod_record_container(const char *data_dir, const char *uid, const char *name)
{
    return mem_fmt("%s/pods/%s/containers/%s.json", data_dir, uid, name);
}

int pod_record_save(const char *data_dir, const char *uid, const char *pod, const char *sources,
                    struct err *err)
{
    cleanup(freep) char *dir = pod_record_dir(data_dir, uid);
    cleanup(freep) char *containers = mem_fmt("%s/containers", dir);
    cleanup(freep) char *pod_path = mem_fmt("%s/pod.json", dir);
    cleanup(freep) char *sources_path = mem_fmt("%s/sources.json", dir);
    int rc = file_mkdirs(containers, 0700, err);

    if (rc == 0 && sources != NULL)
        rc = file_write_fast(sources_path, sources, strlen(sources), 0600, err);
    if (rc == 0 && pod != NULL)
        rc = file_write_atomic(pod_path, pod, strlen(pod), 0600, err);
    return rc;
}

char *pod_record_print(const struct pod_view *pod, int64_t started_wall_ms, bool is_over)
{
    cleanup(json_decrefpp)
        json_t *tree = json_pack("{s:O, s:I, s:b}", "pod", pod->tree, "startedMs",
                                 (json_int_t)started_wall_ms, "isOver", is_over);
    size_t len;

    return json_print(tree, &len);
}

static int pod_record_read(json_t **ret, const char *path, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc = file_read(&t, path, POD_RECORD_MAX, err);

    if (rc == 0)
        rc = json_parse(ret, text_str(&t), t.len, NULL, err);
    return rc < 0 ? err_wrap(err, rc, "record %s", path) : 0;
}

int pod_record_load(json_t **ret_pod, json_t **ret_sources, const char *data_dir, const char *uid,
                    struct err *err)
{
    cleanup(freep) char *pod = mem_fmt("%s/pods/%s/pod.json", data_dir, uid);
    cleanup(freep) char *sources = mem_fmt("%s/pods/%s/sources.json", data_dir, uid);
    struct err ignored = ERR_EMPTY;
    int rc = pod_record_read(ret_pod, pod, err);

    if (rc < 0)
        return rc;
    *ret_sources = NULL;
    pod_record_read(ret_sources, sources, &ignored);
    return 0;
}

char **pod_record_list(const char *data_dir)
{
    cleanup(freep) char *path = mem_fmt("%s/pods", data_dir);
    DIR *d = opendir(path);
    char **v = MEM_NEW_ARRAY(char *, 1);
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        v = mem_grow(v, n + 2, sizeof(*v));
        v[n++] = mem_str(e->d_name);
        v[n] = NULL;
    }
    if (d != NULL)
        closedir(d);
    return v;
}

int pod_record_remove(const char *data_dir, const char *uid, struct err *err)
{
    cleanup(freep) char *dir = pod_record_dir(data_dir, uid);

    return file_remove_tree(dir, err);
}

/* --- facts of a container --- */

static json_t *pod_record_end(const struct container_end *end)
{
    json_t *tree = json_pack("{s:s, s:i, s:s, s:I, s:I}", "id", end->id, "exitCode", end->exit_code,
                             "reason", end->reason, "startedMs", (json_int_t)end->started_ms,
                             "finishedMs", (json_int_t)end->finished_ms);

    if (!str_empty(end->message))
        json_put_str(tree, "message", end->message);
    return tree;
}

static void pod_record_read_end(struct container_end *ret, const json_t *tree)
{
    snprintf(ret->id, sizeof(ret->id), "%s", json_str_or(tree, "id", ""));
    snprintf(ret->reason, sizeof(ret->reason), "%s", json_str_or(tree, "reason", ""));
    ret->exit_code = (int)json_int(tree, "exitCode", 0);
    ret->started_ms = json_int(tree, "startedMs", 0);
    ret->finished_ms = json_int(tree, "finishedMs", 0);
    ret->message = mem_str(json_str(tree, "message"));
}

char *pod_record_facts(const struct container_facts *facts, const char *log_path)
{
    cleanup(json_decrefpp) json_t *tree = json_pack(
        "{s:i, s:s, s:I, s:i, s:o, s:o, s:I, s:b, s:s, s:s}", "phase", facts->phase, "id",
        facts->id, "startedMs", (json_int_t)facts->started_ms, "restarts", (int)facts->restarts,
        "end", pod_record_end(&facts->end), "last", pod_record_end(&facts->last), "crashDelayMs",
        (json_int_t)facts->crash.delay_ms, "crashed", facts->crash.has_failed, "imageID",
        facts->image_id == NULL ? "" : facts->image_id, "log", log_path == NULL ? "" : log_path);
    size_t len;

    return json_print(tree, &len);
}

bool pod_record_read_facts(struct container_facts *ret, char **ret_log_path, const char *data_dir,
                           const char *uid, const char *name)
{
    cleanup(freep) char *path = pod_record_container(data_dir, uid, name);
    cleanup(json_decrefpp) json_t *tree = NULL;
    struct err ignored = ERR_EMPTY;

    if (pod_record_read(&tree, path, &ignored) < 0)
        return false;
    ret->phase = (enum container_phase)json_int(tree, "phase", CONTAINER_ABSENT);
    snprintf(ret->id, sizeof(ret->id), "%s", json_str_or(tree, "id", ""));
    ret->started_ms = json_int(tree, "startedMs", 0);
    ret->restarts = (unsigned)json_int(tree, "restarts", 0);
    pod_record_read_end(&ret->end, json_at(tree, "end"));
    pod_record_read_end(&ret->last, json_at(tree, "last"));
    ret->crash.delay_ms = json_int(tree, "crashDelayMs", 0);
    ret->crash.has_failed = json_bool(tree, "crashed", false);
    ret->image_id = mem_str(json_str(tree, "imageID"));
    *ret_log_path = mem_str(json_str_or(tree, "log", ""));
    return true;
}
