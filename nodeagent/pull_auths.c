#include "nodeagent/pull_auths.h"

#include "base/bits.h"
#include "base/mem.h"
#include "nodeagent/env.h"

#include <string.h>

void pull_auths_fini(struct pull_auths *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free((void *)(uintptr_t)a->list[i].registry);
        free((void *)(uintptr_t)a->list[i].user);
        free((void *)(uintptr_t)a->list[i].password);
    }
    free(a->list);
    *a = (struct pull_auths){ .n = 0 };
}

static void pull_auths_add(struct pull_auths *a, const char *registry, const char *user,
                           const char *password)
{
    a->list = mem_grow(a->list, a->n + 2, sizeof(*a->list));
    a->list[a->n++] = (struct image_auth){ .registry = mem_str(registry),
                                           .user = mem_str(user),
                                           .password = mem_str(password) };
    a->list[a->n] = (struct image_auth){ .registry = NULL };
}

/* {"username","password"} or {"auth": base64("user:password")}. */
static void pull_auths_entry(struct pull_auths *a, const char *registry, const json_t *entry)
{
    const char *user = json_str(entry, "username"), *password = json_str(entry, "password");
    const char *auth = json_str(entry, "auth");
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    char *colon;

    if (user != NULL && password != NULL) {
        pull_auths_add(a, registry, user, password);
        return;
    }
    if (auth == NULL || !bits_unbase64(&plain, auth, strlen(auth), NULL) ||
        (colon = strchr(text_str(&plain), ':')) == NULL)
        return;
    *colon = '\0';
    pull_auths_add(a, registry, plain.data, colon + 1);
}

static void pull_auths_secret(struct pull_auths *a, const json_t *secret)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *config = NULL;
    struct err ignored = ERR_EMPTY;
    bool is_new = env_object_key(&t, secret, ".dockerconfigjson");
    const json_t *auths;
    const char *registry;
    json_t *entry;

    if ((!is_new && !env_object_key(&t, secret, ".dockercfg")) ||
        json_parse(&config, text_str(&t), t.len, NULL, &ignored) < 0)
        return;
    auths = is_new ? json_object_get(config, "auths") : config;
    json_object_foreach ((json_t *)(uintptr_t)auths, registry, entry)
        pull_auths_entry(a, registry, entry);
}

void pull_auths_make(struct pull_auths *ret, const struct pod_view *pod,
                     const json_t *(*find)(void *arg, const char *kind, const char *name),
                     void *arg)
{
    size_t i;
    json_t *ref;

    *ret = (struct pull_auths){ .n = 0 };
    json_array_foreach (json_at(pod->spec, "imagePullSecrets"), i, ref) {
        const json_t *secret = find(arg, "secrets", json_str_or(ref, "name", ""));

        if (secret != NULL)
            pull_auths_secret(ret, secret);
    }
}
