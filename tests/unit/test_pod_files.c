/* layer: nodeagent */
#include "base/file.h"
#include "base/mem.h"
#include "nodeagent/payload.h"
#include "nodeagent/pod_etc.h"
#include "nodeagent/volume.h"
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static json_t *parse(const char *text)
{
    struct err err = ERR_EMPTY;
    json_t *tree = NULL;

    CHECK_INT(json_parse(&tree, text, strlen(text), NULL, &err), 0);
    return tree;
}

static struct pod_view *pod_of(const char *spec)
{
    cleanup(freep) char *text = mem_fmt(
        "{\"metadata\":{\"name\":\"web-0\",\"namespace\":\"shop\",\"uid\":\"u1\","
        "\"labels\":{\"b\":\"2\",\"a\":\"x\\\"y\"}},\"spec\":%s}",
        spec);
    struct err err = ERR_EMPTY;
    struct pod_view *pod = NULL;

    CHECK_INT(pod_view_new(&pod, parse(text), &err), 0);
    return pod;
}

static const json_t *find(void *arg, const char *kind, const char *name)
{
    return json_object_get(json_object_get(arg, kind), name);
}

static const char *token(void *arg UNUSED, const char *volume UNUSED, const json_t *source UNUSED)
{
    return "tok";
}

static char *read_file(const char *dir, const char *name)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", dir, name);
    struct text t = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    return file_read(&t, path, 4096, &err) < 0 ? (text_fini(&t), NULL) : text_take(&t);
}

static void check_file(const char *dir, const char *name, const char *want)
{
    cleanup(freep) char *have = read_file(dir, name);

    CHECK_STR(have, want);
}

static mode_t mode_of(const char *dir, const char *name)
{
    cleanup(freep) char *path = mem_fmt("%s/%s", dir, name);
    struct stat st;

    return stat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

#define CONTAINER "\"containers\":[{\"name\":\"c\"}]"

static int make(struct payload *ret, const char *spec, json_t *objects, struct err *err)
{
    static const struct pod_surroundings around = { .node_name = "n1" };
    struct payload_sources sources = {
        .find = find, .token = token, .arg = objects, .around = &around
    };
    struct pod_view *pod = pod_of(spec);
    int rc = payload_make(ret, pod, json_array_get(json_at(pod->spec, "volumes"), 0), &sources,
                          err);

    pod_view_unref(pod);
    return rc;
}

TEST(payload, a_configmap_becomes_files_and_changes_at_once)
{
    json_t *objects = parse("{\"configmaps\":{\"cm\":{\"data\":{\"a.txt\":\"one\",\"b\":\"two\"},"
                            "\"binaryData\":{\"c\":\"aGk=\"}}}}");
    const char *dir = test_path("v");
    const char *spec =
        "{" CONTAINER
        ",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"cm\",\"defaultMode\":256}}]}";
    struct payload p = PAYLOAD_EMPTY;
    struct err err = ERR_EMPTY;
    char before[64] = "", after[64] = "";
    cleanup(freep) char *link = mem_fmt("%s/..data", dir);

    CHECK_INT(make(&p, spec, objects, &err), 0);
    CHECK_INT(p.n, 3);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    check_file(dir, "a.txt", "one");
    check_file(dir, "c", "hi");
    CHECK_INT(mode_of(dir, "b"), 0400);
    CHECK(readlink(link, before, sizeof(before) - 1) > 0);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0); /* the same again: untouched */
    CHECK(readlink(link, after, sizeof(after) - 1) > 0);
    CHECK_STR(after, before);
    payload_fini(&p);

    json_del(json_at(objects, "configmaps.cm.data"), "b");
    json_object_set_new(json_at(objects, "configmaps.cm.data"), "a.txt", json_string("three"));
    CHECK_INT(make(&p, spec, objects, &err), 0);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    check_file(dir, "a.txt", "three");
    check_file(dir, "b", NULL);
    payload_fini(&p);
    json_decref(objects);
}

TEST(payload, items_choose_path_and_mode)
{
    json_t *objects = parse("{\"secrets\":{\"s\":{\"kind\":\"Secret\",\"data\":{\"pw\":"
                            "\"czNjcmV0\",\"x\":\"eA==\"}}}}");
    struct payload p = PAYLOAD_EMPTY;
    struct err err = ERR_EMPTY;
    const char *dir = test_path("v");

    CHECK_INT(make(&p,
                   "{" CONTAINER ",\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\","
                   "\"items\":[{\"key\":\"pw\",\"path\":\"deep/er/pass\",\"mode\":288}]}}]}",
                   objects, &err),
              0);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    check_file(dir, "deep/er/pass", "s3cret");
    CHECK_INT(mode_of(dir, "deep/er/pass"), 0440);
    check_file(dir, "x", NULL);
    payload_fini(&p);
    CHECK_INT(make(&p,
                   "{" CONTAINER ",\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\","
                   "\"items\":[{\"key\":\"no\",\"path\":\"p\"}]}}]}",
                   objects, &err),
              ERR_NOT_FOUND);
    CHECK_STR(err.text, "references non-existent secret key: no");
    CHECK_INT(make(&p,
                   "{" CONTAINER ",\"volumes\":[{\"name\":\"v\",\"secret\":{\"secretName\":\"s\","
                   "\"items\":[{\"key\":\"pw\",\"path\":\"../../etc/shadow\"}]}}]}",
                   objects, &err),
              ERR_INVALID);
    json_decref(objects);
}

TEST(payload, a_mount_below_it_finds_its_directory)
{
    json_t *objects = parse("{\"configmaps\":{\"cm\":{\"data\":{\"a\":\"one\",\"taken\":\"x\"}}}}");
    struct payload p = PAYLOAD_EMPTY;
    struct err err = ERR_EMPTY;
    const char *dir = test_path("v");
    static const char spec[] = "{\"containers\":[{\"name\":\"c\",\"volumeMounts\":["
                               "{\"name\":\"e\",\"mountPath\":\"/etc/p/rules/deep/"
                               "\"},{\"name\":\"v\",\"mountPath\":\"/etc/p/\"},"
                               "{\"name\":\"e\",\"mountPath\":\"/etc/p/"
                               "taken\"},{\"name\":\"e\",\"mountPath\":\"/etc/p2\"},"
                               "{\"name\":\"e\",\"mountPath\":\"/etc/p/../q\"},"
                               "{\"name\":\"v\",\"mountPath\":\"/etc/p2/x\",\"subPath\":\"a\"}]}],"
                               "\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"cm\"}}]}";

    CHECK_INT(make(&p, spec, objects, &err), 0);
    CHECK_INT(p.n_dirs, 1);
    CHECK_STR(p.dirs[0], "rules/deep");
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    CHECK_INT(mode_of(dir, "rules/deep"), 0755);
    payload_fini(&p);
    /* A change of the content leaves it in place. */
    json_put_str(objects, "configmaps.cm.data.a", "two");
    CHECK_INT(make(&p, spec, objects, &err), 0);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    check_file(dir, "a", "two");
    CHECK_INT(mode_of(dir, "rules/deep"), 0755);
    payload_fini(&p);
    json_decref(objects);
}

TEST(payload, projected_joins_token_objects_and_fields)
{
    json_t *objects = parse("{\"configmaps\":{\"ca\":{\"data\":{\"ca.crt\":\"PEM\"}}}}");
    struct payload p = PAYLOAD_EMPTY;
    struct err err = ERR_EMPTY;
    const char *dir = test_path("v");

    CHECK_INT(
        make(&p,
             "{" CONTAINER ",\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":["
             "{\"serviceAccountToken\":{\"path\":\"token\"}},{\"configMap\":{\"name\":\"ca\"}},"
             "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"fieldPath\":"
             "\"metadata.namespace\"}},"
             "{\"path\":\"labels\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}]}}]}",
             objects, &err),
        0);
    CHECK_INT(payload_write(dir, &p, -1, &err), 0);
    check_file(dir, "token", "tok");
    check_file(dir, "ca.crt", "PEM");
    check_file(dir, "namespace", "shop");
    check_file(dir, "labels", "a=\"x\\\"y\"\nb=\"2\"");
    payload_fini(&p);
    json_decref(objects);
}

TEST(payload, a_missing_object_is_an_error_unless_optional)
{
    json_t *objects = json_object();
    struct payload p = PAYLOAD_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK_INT(make(&p,
                   "{" CONTAINER ",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"no\"}}]}",
                   objects, &err),
              ERR_NOT_FOUND);
    CHECK_STR(err.text, "configmap \"no\" not found");
    CHECK_INT(
        make(&p,
             "{" CONTAINER
             ",\"volumes\":[{\"name\":\"v\",\"configMap\":{\"name\":\"no\",\"optional\":true}}]}",
             objects, &err),
        0);
    CHECK_INT(p.n, 0);
    payload_fini(&p);
    json_decref(objects);
}

TEST(volume, mounts_go_from_outer_to_inner_and_expand_sub_paths)
{
    struct pod_view *pod = pod_of(
        "{\"containers\":[{\"name\":\"c\",\"volumeMounts\":["
        "{\"name\":\"a\",\"mountPath\":\"/x/y/z\"},{\"name\":\"b\",\"mountPath\":\"/"
        "x\",\"readOnly\":true},"
        "{\"name\":\"a\",\"mountPath\":\"/s\",\"subPathExpr\":\"$(N)/d\"}]}],"
        "\"volumes\":[{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"b\",\"hostPath\":{\"path\":\"/"
        "srv\"}}]}");
    struct volume_context ctx = { .run_dir = "/r", .data_dir = "/d", .node_data_dir = "/d" };
    struct volumes v = VOLUMES_EMPTY;
    struct env_list env = ENV_LIST_EMPTY;
    struct runc_mount *mounts = NULL;
    char **subs = NULL;
    size_t n = 0;
    struct err err = ERR_EMPTY;

    env_list_set(&env, "N", "web-0");
    CHECK_INT(volumes_plan(&v, pod, &ctx, &err), 0);
    CHECK_INT(volume_mounts(&mounts, &subs, &n, pod, &pod->containers[0], &v, &env, &err), 0);
    CHECK_INT(n, 3);
    CHECK_STR(mounts[0].destination, "/x");
    CHECK(mounts[0].read_only && !mounts[1].read_only);
    CHECK_STR(mounts[1].destination, "/s");
    CHECK_STR(subs[1], "web-0/d");
    CHECK_STR(mounts[2].destination, "/x/y/z");
    CHECK_STR(mounts[2].source, "/d/volumes/a");
    for (size_t i = 0; i < n; i++) {
        free(mounts[i].source);
        free(mounts[i].destination);
        free(subs[i]);
    }
    free(mounts);
    free(subs);
    volumes_fini(&v);
    env_list_fini(&env);
    pod_view_unref(pod);
}

TEST(volume, unknown_types_are_refused_by_name)
{
    struct pod_view *pod = pod_of("{" CONTAINER
                                  ",\"volumes\":[{\"name\":\"n\",\"nfs\":{\"server\":\"x\"}}]}");
    struct volume_context ctx = { .run_dir = "/r", .data_dir = "/d", .node_data_dir = "/d" };
    struct volumes v = VOLUMES_EMPTY;
    struct err err = ERR_EMPTY;

    CHECK(volumes_plan(&v, pod, &ctx, &err) < 0);
    CHECK(strstr(err.text, "MountVolume.SetUp failed for volume \"n\"") != NULL);
    pod_view_unref(pod);
}

TEST(volume, a_sub_path_never_leaves_its_volume)
{
    const char *root = test_path("vol"), *target = test_path("target");
    cleanup(freep) char *link = mem_fmt("%s/out", root);
    struct err err = ERR_EMPTY;

    if (geteuid() != 0)
        skip();
    CHECK_INT(file_mkdirs(root, 0755, &err), 0);
    CHECK_INT(symlink("/etc", link), 0);
    CHECK(volume_bind_sub(root, "out", target, &err) < 0);
    CHECK(volume_bind_sub(root, "../x", target, &err) < 0);
    CHECK_INT(volume_bind_sub(root, "new/dir", target, &err), 0);
    CHECK_INT(mode_of(root, "new/dir"), 0755);
    CHECK_INT(umount2(target, MNT_DETACH), 0);
}

TEST(volume, an_empty_dir_belongs_to_the_group_of_the_pod)
{
    struct pod_view *pod = pod_of("{" CONTAINER ",\"securityContext\":{\"fsGroup\":2000},"
                                  "\"volumes\":[{\"name\":\"e\",\"emptyDir\":{}}]}");
    struct volume_context ctx = { .run_dir = test_dir(),
                                  .data_dir = test_dir(),
                                  .node_data_dir = test_dir() };
    struct volumes v = VOLUMES_EMPTY;
    struct err err = ERR_EMPTY;
    struct stat st;

    if (geteuid() != 0)
        skip();
    CHECK_INT(file_mkdirs(test_path("volumes"), 0755, &err), 0);
    CHECK_INT(volumes_plan(&v, pod, &ctx, &err), 0);
    CHECK_INT(volumes_make(&v, &err), 0);
    CHECK_INT(stat(v.list[0].path, &st), 0);
    CHECK_INT(st.st_gid, 2000);
    CHECK_INT(st.st_mode & 07777, 02777);
    volumes_fini(&v);
    pod_view_unref(pod);
}

static const json_t *claimed(void *arg, const char *claim UNUSED, struct err *err UNUSED)
{
    return arg;
}

/* As local-path makes them: whoever the container runs as may write. */
TEST(volume, a_local_one_is_made_for_every_user_once)
{
    struct pod_view *pod = pod_of("{" CONTAINER ",\"volumes\":[{\"name\":\"d\","
                                  "\"persistentVolumeClaim\":{\"claimName\":\"c\"}}]}");
    const char *path = test_path("volumes/pvc-1");
    cleanup(json_decrefpp) json_t *pv = json_pack("{s:{s:{s:s}}}", "spec", "local", "path", path);
    struct volume_context ctx = { .run_dir = test_dir(),
                                  .data_dir = test_dir(),
                                  .node_data_dir = test_dir(),
                                  .claim = claimed,
                                  .arg = pv };
    struct volumes v = VOLUMES_EMPTY;
    struct err err = ERR_EMPTY;

    /* A power cut came before the one of last time had its mode and name. */
    CHECK_INT(file_mkdirs(test_path("volumes/.new-pvc-1"), 0700, &err), 0);
    CHECK_INT(volumes_plan(&v, pod, &ctx, &err), 0);
    CHECK_INT(volumes_make(&v, &err), 0);
    CHECK_INT(mode_of(path, "."), 0777);
    CHECK_INT(chmod(path, 0750), 0);
    CHECK_INT(volumes_make(&v, &err), 0);
    CHECK_INT(mode_of(path, "."), 0750); /* what the user made of it stays */
    volumes_fini(&v);
    pod_view_unref(pod);
}

TEST(pod_etc, cluster_names_come_first_and_dns_config_wins)
{
    struct pod_view *pod = pod_of(
        "{" CONTAINER ",\"dnsConfig\":{\"nameservers\":[\"9.9.9.9\"],\"searches\":[\"corp\"],"
        "\"options\":[{\"name\":\"ndots\",\"value\":\"2\"},{\"name\":\"edns0\"}]}}");
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    pod_etc_resolv(&t, pod, "10.96.0.10", "cluster.local", "nameserver 1.1.1.1\nsearch lan\n");
    CHECK_STR(text_str(&t),
              "search shop.svc.cluster.local svc.cluster.local cluster.local lan corp\n"
              "nameserver 10.96.0.10\nnameserver 9.9.9.9\noptions ndots:2 edns0\n");
    pod_view_unref(pod);
}

TEST(pod_etc, policies_default_and_none)
{
    struct pod_view *pod = pod_of("{" CONTAINER ",\"dnsPolicy\":\"Default\"}");
    struct pod_view *none = pod_of(
        "{" CONTAINER ",\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"8.8.8.8\"]}}");
    cleanup(text_fini) struct text t = TEXT_EMPTY, u = TEXT_EMPTY;

    pod_etc_resolv(&t, pod, "10.96.0.10", "cluster.local", "nameserver 1.1.1.1\noptions rotate\n");
    CHECK_STR(text_str(&t), "nameserver 1.1.1.1\noptions rotate\n");
    pod_etc_resolv(&u, none, "10.96.0.10", "cluster.local", "nameserver 1.1.1.1\n");
    CHECK_STR(text_str(&u), "nameserver 8.8.8.8\n");
    pod_view_unref(pod);
    pod_view_unref(none);
}

TEST(pod_etc, hosts_knows_the_pod_its_subdomain_and_aliases)
{
    struct pod_view *pod = pod_of(
        "{" CONTAINER ",\"hostname\":\"web-0\",\"subdomain\":\"web\","
        "\"hostAliases\":[{\"ip\":\"1.2.3.4\",\"hostnames\":[\"a\",\"b\"]}]}");
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    pod_etc_hosts(&t, pod, "10.1.0.5", "cluster.local", NULL);
    CHECK(strstr(t.data, "10.1.0.5\tweb-0.web.shop.svc.cluster.local\tweb-0\n") != NULL);
    CHECK(strstr(t.data, "1.2.3.4\ta\tb\n") != NULL);
    pod_view_unref(pod);
}
