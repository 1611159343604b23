#include "client/oneshot.h"

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

struct oneshot {
    uv_loop_t loop;
    struct client *client; /* owned */
    struct client_config config;
    bool done; /* of the call under way */
    int rc;
    json_t *body;
    struct err err;
};

char *oneshot_find_config(const char *kubeconfig)
{
    static const char local[] = "/var/lib/mkube/admin.kubeconfig";
    const char *env = getenv("KUBECONFIG");
    const char *home = getenv("HOME");

    if (kubeconfig != NULL)
        return mem_str(kubeconfig);
    if (!str_empty(env))
        return mem_str(env);
    if (file_exists(local) || home == NULL)
        return mem_str(local);
    return mem_fmt("%s/.kube/config", home);
}

int oneshot_new(struct oneshot **ret, const char *kubeconfig, struct err *err)
{
    struct oneshot *o = MEM_NEW(struct oneshot);
    cleanup(freep) char *path = oneshot_find_config(kubeconfig);
    int rc;

    uv_loop_init(&o->loop);
    rc = client_config_load(&o->config, path, err);
    if (rc == 0)
        rc = client_new(&o->client, &o->loop, &o->config, err);
    if (rc < 0) {
        oneshot_free(o);
        return err_wrap(err, rc, "kubeconfig %s", path);
    }
    *ret = o;
    return 0;
}

struct oneshot *oneshot_free(struct oneshot *o)
{
    if (o == NULL)
        return NULL;
    o->client = client_close(o->client);
    client_config_fini(&o->config);
    loop_finish(&o->loop);
    free(o);
    return NULL;
}

struct client *oneshot_client(struct oneshot *o)
{
    return o->client;
}

uv_loop_t *oneshot_loop(struct oneshot *o)
{
    return &o->loop;
}

static void oneshot_on_done(void *arg, int rc, int status, const json_t *body,
                            const struct err *err)
{
    struct oneshot *o = arg;

    (void)status;
    o->done = true;
    o->rc = rc;
    o->body = body != NULL ? json_deep_copy(body) : NULL;
    if (rc < 0)
        o->err = *err;
}

int oneshot_call(struct oneshot *o, const char *method, const char *path, const char *content_type,
                 const json_t *body, json_t **ret_body, struct err *err)
{
    cleanup(json_decrefpp) json_t *got = NULL;

    o->done = false;
    client_call(o->client, method, path, content_type, body, oneshot_on_done, o);
    while (!o->done)
        uv_run(&o->loop, UV_RUN_ONCE);
    got = STEAL(o->body);
    if (o->rc < 0) {
        *err = o->err;
        return o->rc;
    }
    if (ret_body != NULL)
        *ret_body = STEAL(got);
    return 0;
}
