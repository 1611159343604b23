/* layer: nodeagent */
#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/disk_usage.h"
#include "nodeagent/eviction.h"
#include "nodeagent/log_paths.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pod_view *pod_of(const char *spec)
{
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u1\"},\"spec\":%s}", spec);
    struct err err = ERR_EMPTY;
    struct pod_view *pod = NULL;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    CHECK_INT(pod_view_new(&pod, tree, &err), 0);
    return pod;
}

#define LIMITED(name, limit) \
    "{\"name\":\"" name "\",\"resources\":{\"limits\":{\"ephemeral-storage\":\"" limit "\"}}}"
#define MI (INT64_C(1) << 20)

TEST(eviction, says_which_limit_was_passed_in_the_kubelets_order)
{
    static const struct {
        const char *spec;
        int64_t container, volume;
        const char *want;
    } cases[] = {
        { "{\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{"
          "\"sizeLimit\":"
          "\"1Mi\"}}]}",
          100 * MI, MI, NULL },
        { "{\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{"
          "\"sizeLimit\":"
          "\"1Mi\"}}]}",
          0, MI + 1, "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". " },
        { "{\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{"
          "\"sizeLimit\":"
          "\"1Mi\",\"medium\":\"Memory\"}}]}",
          0, MI + 1, NULL },
        { "{\"containers\":[" LIMITED("a", "1Mi") "," LIMITED("b", "2Mi") "]}", 2 * MI, 2 * MI,
          "Pod ephemeral local storage usage exceeds the total limit of containers 3Mi. " },
        { "{\"containers\":[" LIMITED("a", "1Mi") "," LIMITED("b", "2Mi") "]}", 2 * MI, 0,
          "Container a exceeded its local ephemeral storage limit \"1Mi\". " },
        { "{\"containers\":[" LIMITED("a", "1Mi") "],\"initContainers\":[" LIMITED("i", "9Mi") "]}",
          0, 5 * MI, NULL },
        { "{\"containers\":[{\"name\":\"c\"}]}", 1000 * MI, 1000 * MI, NULL },
    };

    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct pod_view *pod = pod_of(cases[i].spec);
        struct pod_usage usage = { .volumes = &cases[i].volume, .n_volumes = 1 };
        cleanup(freep) char *why = NULL;

        usage.containers[0] = cases[i].container;
        why = eviction_over_limit(pod, &usage);
        CHECK_STR(why, cases[i].want);
        CHECK(why == NULL || eviction_has_limits(pod));
        pod_view_unref(pod);
    }
}

TEST(eviction, a_full_disk_takes_those_over_their_requests_first)
{
    static const char *const specs[] = {
        "{\"priority\":2000000000,\"containers\":[{\"name\":\"critical\"}]}",
        ("{\"containers\":[{\"name\":\"within\",\"resources\":{\"requests\":{\"ephemeral-storage\":"
         "\"9Mi\"}}}]}"),
        "{\"priority\":10,\"containers\":[{\"name\":\"high\"}]}",
        "{\"containers\":[{\"name\":\"little\"}]}",
        "{\"containers\":[{\"name\":\"much\"}]}",
    };
    static const int64_t used[] = { 90 * MI, 8 * MI, 50 * MI, 1 * MI, 3 * MI };
    static const size_t order[] = { 4, 3, 2, 1 };
    struct eviction_candidate all[5];
    struct pod_usage usage[5] = { { .n_volumes = 0 } };
    cleanup(freep) char *message = NULL;

    for (size_t i = 0; i < 5; i++) {
        usage[i].containers[0] = used[i];
        all[i] = (struct eviction_candidate){ .pod = pod_of(specs[i]), .usage = &usage[i] };
    }
    message = eviction_disk_message(&all[4], 100 * MI, 12 * MI);
    CHECK_STR(message,
              "The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, "
              "available: 12Mi. Container much was using 3Mi, request is 0, has larger "
              "consumption of ephemeral-storage. ");
    for (size_t n = 5; n > 1; n--) {
        size_t chosen = eviction_choose(all, n);

        CHECK_INT(chosen, order[5 - n]);
        pod_view_unref((struct pod_view *)(uintptr_t)all[n - 1].pod);
    }
    CHECK_INT(eviction_choose(all, 1), 1);
    pod_view_unref((struct pod_view *)(uintptr_t)all[0].pod);
}

TEST(disk_usage, counts_blocks_below_and_follows_no_link)
{
    const char *dir = test_path("d");
    cleanup(freep) char *sub = mem_fmt("%s/a/b", dir), *file = mem_fmt("%s/f", sub),
                        *twin = mem_fmt("%s/twin", sub), *link = mem_fmt("%s/root", dir);
    cleanup(freep) char *data = mem_zero(300000);
    struct err err = ERR_EMPTY;
    int64_t n;

    CHECK_INT(disk_usage(dir), 0);
    CHECK_INT(file_mkdirs(sub, 0700, &err), 0);
    memset(data, 'x', 300000);
    CHECK_INT(file_write_fast(file, data, 300000, 0600, &err), 0);
    CHECK(symlink("/usr", link) == 0 && linkat(-1, file, -1, twin, 0) == 0);
    sync();
    n = disk_usage(dir);
    CHECK(n >= 300000 && n < 600000);
    CHECK(disk_usage(file) >= 300000);
}

TEST(log_paths, links_lead_to_logs_and_go_with_them)
{
    const char *dir = test_path("log");
    struct pod_view *pod = pod_of("{\"containers\":[{\"name\":\"c\"}]}");
    cleanup(freep) char *path = log_paths_container(dir, pod, "c", 2);
    cleanup(freep) char *link = log_paths_link(dir, pod, "c", "abc");
    cleanup(freep) char *own = log_paths_pod(dir, pod), *below = mem_fmt("%s/c", own);
    struct err err = ERR_EMPTY;
    struct stat st;

    CHECK(str_ends(path, "/pods/n_p_u1/c/2.log") && str_ends(link, "/containers/p_n_c-abc.log"));
    CHECK_INT(file_mkdirs(below, 0755, &err), 0);
    CHECK_INT(file_write_fast(path, "x", 1, 0640, &err), 0);
    CHECK_INT(log_paths_make_link(link, "/nowhere", &err), 0);
    CHECK_INT(log_paths_make_link(link, path, &err), 0);
    CHECK(stat(link, &st) == 0 && st.st_size == 1);
    log_paths_sweep(dir);
    CHECK(lstat(link, &st) == 0);
    CHECK_INT(file_remove_tree(own, &err), 0);
    log_paths_sweep(dir);
    CHECK(lstat(link, &st) < 0);
    pod_view_unref(pod);
}
