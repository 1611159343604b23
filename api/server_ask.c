/* Requests that store nothing, and of which webhooks hear all the same: streams into pods, tokens. */
#include "api/server_impl.h"

#include "base/http_args.h"
#include "base/mem.h"
#include "base/text.h"

struct server_ask {
    struct call *call;
    void (*go)(struct call *c);
};

static void ask_on_done(void *arg, const struct registry_answer *answer)
{
    struct server_ask *ask = arg;
    struct call *c = ask->call;
    void (*go)(struct call * c) = ask->go;

    free(ask);
    call_warn_all(c, answer->warnings);
    server_observe_annotations(c, answer->annotations);
    if (answer->http >= 400) {
        call_send_status(c, json_deep_copy(answer->body));
        return;
    }
    json_decref(c->body); /* a webhook may have changed it */
    c->body = json_deep_copy(answer->body);
    go(c);
}

void server_ask(struct call *c, enum registry_verb verb, void (*go)(struct call *c))
{
    struct registry_user user = call_user(c);
    const struct registry_request req = { .verb = verb,
                                          .resource = c->route.resource,
                                          .sub = c->route.sub,
                                          .ns = c->route.ns,
                                          .name = c->route.name,
                                          .body = c->body,
                                          .user = &user,
                                          .grace_seconds = -1 };
    struct server_ask *ask = MEM_NEW(struct server_ask);

    ask->call = c;
    ask->go = go;
    registry_write(c->s->registry, &req, ask_on_done, ask);
}

/* "stdin=true&command=ls&command=-l" as the kind that stands for it. */
static json_t *ask_options(const struct call *c)
{
    static const char *const flags[] = { "stdin", "stdout", "stderr", "tty" };
    json_t *options = json_pack("{s:s, s:s}", "kind", c->route.sub_row->kind, "apiVersion", "v1");
    const char *key, *value;

    if (str_eq(c->route.sub, "proxy")) {
        json_object_set_new(options, "path", json_string(c->route.rest));
        return options;
    }
    for (size_t it = 0; http_query_each(c->x, &it, &key, &value);) {
        bool flag = false;

        for (size_t i = 0; i < N_ELEMENTS(flags); i++)
            flag = flag || str_eq(key, flags[i]);
        if (flag && http_args_flag(value)) {
            json_object_set_new(options, key, json_true());
        } else if (str_eq(key, "container")) {
            json_object_set_new(options, key, json_string(value));
        } else if (str_eq(key, "command")) {
            if (json_object_get(options, key) == NULL)
                json_object_set_new(options, key, json_array());
            json_array_append_new(json_object_get(options, key), json_string(value));
        }
    }
    return options;
}

void server_ask_connect(struct call *c, void (*go)(struct call *c))
{
    json_decref(c->body);
    c->body = ask_options(c);
    server_ask(c, REGISTRY_CONNECT, go);
}
