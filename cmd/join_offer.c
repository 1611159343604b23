#include "cmd/join_offer.h"

#include "api/token.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define JOIN_OFFER_LIFE_MS (24LL * 3600 * 1000)

struct join_offer {
    char *path, *line; /* owned */
};

static void join_offer_free(struct join_offer *o)
{
    free(o->path);
    free(o->line);
    free(o);
}

static char *join_offer_line(const char *server, const struct token_join *token)
{
    struct text t = TEXT_EMPTY;

    text_fmt(&t, "mkube agent --server %s --token ", server);
    token_join_print(&t, token);
    text_putc(&t, '\n');
    return text_take(&t);
}

static void join_offer_on_token(void *arg, const struct registry_answer *answer)
{
    struct join_offer *o = arg;
    struct err err = ERR_EMPTY;

    if (answer->http == 201 && file_write_atomic(o->path, o->line, strlen(o->line), 0600, &err) < 0)
        log_warn("join token not written", KV("path", "%s", o->path), KV_ERR(&err));
    if (answer->http == 201)
        printf(
            "Add a worker (this token works once, for 24 hours; `mkube token create` makes more):\n"
            "  %s",
            o->line);
    fflush(stdout);
    join_offer_free(o);
}

static bool join_offer_stands(const struct store *store, const char *path)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(freep) char *name = NULL;
    cleanup(freep) char *word = NULL;
    struct err err = ERR_EMPTY;
    struct token_join token;
    const char *at;

    if (file_read(&t, path, 4096, &err) < 0)
        return false;
    at = strstr(text_str(&t), "mk1.");
    word = mem_strn(at != NULL ? at : "", at != NULL ? strcspn(at, " \n") : 0);
    if (!token_join_parse(&token, word))
        return false;
    name = mem_fmt("bootstrap-token-%s", token.id);
    return store_get(store, "secrets", "kube-system", name) != NULL;
}

void join_offer(const struct join_offer_opts *opts)
{
    cleanup(json_decrefpp) json_t *secret = NULL;
    struct registry_request req = { .verb = REGISTRY_CREATE,
                                    .resource = schema_bucket("secrets"),
                                    .sub = "",
                                    .ns = "kube-system",
                                    .name = "",
                                    .user = &registry_itself,
                                    .grace_seconds = -1 };
    struct join_offer *o = MEM_NEW(struct join_offer);
    struct token_join token;

    o->path = mem_fmt("%s/join-token", opts->data_dir);
    if (join_offer_stands(registry_store(opts->registry), o->path)) {
        join_offer_free(o);
        return;
    }
    token_join_random(&token, opts->ca_hash);
    o->line = join_offer_line(opts->server, &token);
    req.body = secret = token_join_secret(&token, clock_wall_ms() + JOIN_OFFER_LIFE_MS);
    registry_write(opts->registry, &req, join_offer_on_token, o);
}
