#include "nodeagent/pod_view.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static enum restart_policy pod_view_restart(const char *policy)
{
    if (str_eq(policy, "Never"))
        return RESTART_NEVER;
    return str_eq(policy, "OnFailure") ? RESTART_ON_FAILURE : RESTART_ALWAYS;
}

static void pod_view_fill(struct container_view *ret, const json_t *spec, enum container_kind kind)
{
    *ret = (struct container_view){ .spec = spec,
                                    .name = json_str_or(spec, "name", ""),
                                    .image = json_str_or(spec, "image", ""),
                                    .kind = kind };
}

static int pod_view_add(struct pod_view *v, const json_t *list, bool is_init, struct err *err)
{
    size_t i;
    json_t *spec;

    json_array_foreach (list, i, spec) {
        struct container_view *c = &v->containers[v->n];

        if (v->n == POD_CONTAINERS_MAX)
            return err_set(err, ERR_INVALID, "more than %d containers", POD_CONTAINERS_MAX);
        pod_view_fill(c, spec,
                      !is_init                                            ? CONTAINER_MAIN
                      : str_eq(json_str(spec, "restartPolicy"), "Always") ? CONTAINER_SIDECAR
                                                                          : CONTAINER_INIT);
        if (c->name[0] == '\0')
            return err_set(err, ERR_INVALID, "a container has no name");
        v->n++;
    }
    return 0;
}

/* The API lets no more of them in than there is room for. */
static void pod_view_add_ephemeral(struct pod_view *v)
{
    size_t i;
    json_t *spec;

    json_array_foreach (json_at(v->spec, "ephemeralContainers"), i, spec)
        if (v->n < POD_CONTAINERS_MAX && json_str_or(spec, "name", "")[0] != '\0')
            pod_view_fill(&v->containers[v->n++], spec, CONTAINER_EPHEMERAL);
}

int pod_view_new(struct pod_view **ret, json_t *tree, struct err *err)
{
    cleanup(pod_view_unrefp) struct pod_view *v = MEM_NEW(struct pod_view);
    int rc;

    v->refs = 1;
    v->tree = tree;
    v->spec = json_at(tree, "spec");
    v->ns = json_str_or(tree, "metadata.namespace", "");
    v->name = json_str_or(tree, "metadata.name", "");
    v->uid = json_str_or(tree, "metadata.uid", "");
    v->restart = pod_view_restart(json_str(v->spec, "restartPolicy"));
    v->host_network = json_bool(v->spec, "hostNetwork", false);
    v->host_pid = json_bool(v->spec, "hostPID", false);
    v->host_ipc = json_bool(v->spec, "hostIPC", false);
    v->shares_pid = json_bool(v->spec, "shareProcessNamespace", false) && !v->host_pid;
    v->deleting = json_str(tree, "metadata.deletionTimestamp") != NULL;
    v->grace_s = json_int(tree, "metadata.deletionGracePeriodSeconds",
                          json_int(v->spec, "terminationGracePeriodSeconds", 30));
    v->deadline_s = json_int(v->spec, "activeDeadlineSeconds", -1);
    if (v->uid[0] == '\0' || strchr(v->uid, '/') != NULL || v->uid[0] == '.')
        return err_set(err, ERR_INVALID, "pod %s has no usable uid", v->name);
    rc = pod_view_add(v, json_at(v->spec, "initContainers"), true, err);
    if (rc == 0)
        rc = pod_view_add(v, json_at(v->spec, "containers"), false, err);
    if (rc < 0)
        return err_wrap(err, rc, "pod %s/%s", v->ns, v->name);
    if (v->n == 0 || v->containers[v->n - 1].kind != CONTAINER_MAIN)
        return err_set(err, ERR_INVALID, "pod %s/%s has no containers", v->ns, v->name);
    pod_view_add_ephemeral(v);
    *ret = STEAL(v);
    return 0;
}

struct pod_view *pod_view_ref(struct pod_view *v)
{
    v->refs++;
    return v;
}

struct pod_view *pod_view_unref(struct pod_view *v)
{
    if (v == NULL)
        return NULL;
    assert(v->refs > 0);
    if (--v->refs == 0) {
        json_decref(v->tree);
        free(v);
    }
    return NULL;
}

void pod_view_unrefp(struct pod_view **v)
{
    pod_view_unref(*v);
}

bool pod_view_continues(const struct pod_view *v, const struct pod_view *before)
{
    if (v->n < before->n)
        return false;
    for (size_t i = 0; i < before->n; i++)
        if (!str_eq(v->containers[i].name, before->containers[i].name) ||
            v->containers[i].kind != before->containers[i].kind)
            return false;
    return true;
}

bool pod_view_shares_pid(const struct pod_view *v, size_t container)
{
    return v->host_pid || v->shares_pid ||
           !str_empty(json_str(v->containers[container].spec, "targetContainerName"));
}

const json_t *pod_view_volume(const struct pod_view *v, const char *name)
{
    return json_find(json_at(v->spec, "volumes"), "name", name);
}

void pod_view_hostname(char ret[64], const struct pod_view *v)
{
    size_t len;

    snprintf(ret, 64, "%s", json_str_or(v->spec, "hostname", v->name));
    /* Kubernetes cuts at 63 and then drops what may not end a label. */
    for (len = strlen(ret); len > 0 && (ret[len - 1] == '-' || ret[len - 1] == '.'); len--)
        ret[len - 1] = '\0';
}

char *pod_view_nodename(const struct pod_view *v, const char *cluster_domain)
{
    const char *subdomain = json_str_or(v->spec, "subdomain", "");
    char hostname[64];

    pod_view_hostname(hostname, v);
    if (subdomain[0] == '\0' || !json_bool(v->spec, "setHostnameAsFQDN", false))
        return mem_str(hostname);
    return mem_fmt("%s.%s.%s.svc.%s", hostname, subdomain, v->ns, cluster_domain);
}
