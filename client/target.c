#include "client/target.h"

#include "api/client.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* --- words --- */

static int target_add(struct target_list *l, const struct schema_resource *r, const char *name,
                      struct err *err)
{
    if (l->n == TARGET_MAX)
        return err_set(err, ERR_INVALID, "more than %d objects named", TARGET_MAX);
    l->items[l->n++] = (struct target){ .resource = r, .name = name };
    return 0;
}

static bool target_in_category(const struct schema_resource *r, const char *word)
{
    for (size_t i = 0; r->categories[i] != NULL; i++)
        if (str_eq(r->categories[i], word))
            return r->stored;
    return false;
}

/* @word is a kind, or a category such as "all"; adds @name of it (or of each). */
static int target_add_word(struct target_list *l, const char *word, const char *name,
                           struct err *err)
{
    const struct schema_resource *r = schema_guess(word);
    size_t before = l->n;
    int rc = 0;

    if (r != NULL)
        return target_add(l, r, name, err);
    for (size_t i = 0; (r = schema_at(i)) != NULL && rc == 0; i++)
        if (target_in_category(r, word))
            rc = target_add(l, r, name, err);
    if (rc == 0 && l->n == before)
        return err_set(err, ERR_INVALID, "the server doesn't have a resource type \"%s\"", word);
    return rc;
}

static int target_add_slashed(struct target_list *l, char *word, struct err *err)
{
    char *slash = strchr(word, '/');

    if (slash == NULL || slash == word || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return err_set(err, ERR_INVALID,
                       "there is no need to specify a resource type as a separate argument when "
                       "passing arguments in resource/name form (e.g. 'get resource/name' instead "
                       "of 'get resource resource/name')");
    *slash = '\0';
    return target_add_word(l, word, slash + 1, err);
}

/* "po,svc" with the names that follow. */
static int target_add_kinds(struct target_list *l, char *kinds, char **names, int n,
                            struct err *err)
{
    char *save = NULL;
    int rc = 0;

    for (char *kind = strtok_r(kinds, ",", &save); kind != NULL && rc == 0;
         kind = strtok_r(NULL, ",", &save)) {
        if (n == 0)
            rc = target_add_word(l, kind, NULL, err);
        for (int i = 0; i < n && rc == 0; i++)
            rc = target_add_word(l, kind, names[i], err);
    }
    return rc;
}

int target_parse(struct target_list *ret, int argc, char **argv, struct err *err)
{
    cleanup(text_fini) struct text words = TEXT_EMPTY;
    char *at;
    int rc = 0;

    *ret = (struct target_list){ .n = 0 };
    if (argc == 0)
        return err_set(err, ERR_INVALID, "you must specify the type of resource");
    for (int i = 0; i < argc; i++)
        text_add(&words, argv[i], strlen(argv[i]) + 1);
    at = ret->words = text_take(&words);
    if (strchr(argv[0], '/') == NULL)
        return target_add_kinds(ret, at, argv + 1, argc - 1, err);
    for (int i = 0; i < argc && rc == 0; i++) {
        rc = target_add_slashed(ret, at, err);
        at += strlen(argv[i]) + 1;
    }
    return rc;
}

void target_list_fini(struct target_list *l)
{
    free(l->words);
    *l = (struct target_list){ .n = 0 };
}

/* --- objects --- */

int target_of_object(const struct schema_resource **ret, const char **ret_ns, const json_t *object,
                     const char *ns, bool forced, struct err *err)
{
    const char *kind = json_str_or(object, "kind", "");
    const char *version = json_str_or(object, "apiVersion", "");
    const char *own = json_str_or(object, "metadata.namespace", "");
    const struct schema_resource *r;

    if (str_empty(kind))
        return err_set(err, ERR_BAD_REQUEST, "Object 'Kind' is missing");
    if (str_empty(version))
        return err_set(err, ERR_BAD_REQUEST, "Object 'apiVersion' is missing");
    r = schema_by_api_version(version, kind);
    if (r == NULL)
        return err_set(err, ERR_BAD_REQUEST,
                       "resource mapping not found for name: \"%s\" namespace: \"%s\": no matches "
                       "for kind \"%s\" in version \"%s\"",
                       json_str_or(object, "metadata.name", ""), own, kind, version);
    if (r->namespaced && forced && !str_empty(own) && !str_eq(own, ns))
        return err_set(err, ERR_BAD_REQUEST,
                       "the namespace from the provided object \"%s\" does not match the namespace "
                       "\"%s\". You must pass '--namespace=%s' to perform this operation.",
                       own, ns, own);
    if (str_empty(json_str(object, "metadata.name")))
        return err_set(err, ERR_BAD_REQUEST, "resource name may not be empty");
    *ret = r;
    *ret_ns = !r->namespaced ? NULL : str_empty(own) ? ns : own;
    return 0;
}

void target_kind(struct text *ret, const struct schema_resource *r)
{
    for (const char *c = r->kind; *c != '\0'; c++)
        text_putc(ret, (char)tolower((unsigned char)*c));
    if (r->group[0] != '\0')
        text_fmt(ret, ".%s", r->group);
}

void target_path(struct text *ret, const struct schema_resource *r, const char *ns,
                 const char *name)
{
    client_path(ret, r, ns, name, NULL);
}
