#include "client/taint_change.h"

#include "api/validate.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

bool taint_change_is_word(const char *word)
{
    return strpbrk(word, "=:") != NULL || str_ends(word, "-");
}

void taint_change_fini(struct taint_change *c)
{
    json_decref(c->add);
    json_decref(c->take);
    *c = (struct taint_change){ NULL };
}

/* --- words --- */

static const char *taint_key(const json_t *taint)
{
    return json_str_or(taint, "key", "");
}

static const char *taint_effect(const json_t *taint)
{
    return json_str_or(taint, "effect", "");
}

static bool taint_is_same(const json_t *a, const json_t *b)
{
    return str_eq(taint_key(a), taint_key(b)) && str_eq(taint_effect(a), taint_effect(b));
}

static int taint_check_effect(const char *effect, struct err *err)
{
    static const char *const known[] = { "NoSchedule", "PreferNoSchedule", "NoExecute" };

    for (size_t i = 0; i < N_ELEMENTS(known); i++)
        if (str_eq(effect, known[i]))
            return 0;
    return err_set(err, ERR_INVALID, "invalid taint effect: %s, unsupported taint effect", effect);
}

static int taint_check_text(const char *spec, const char *wrong, struct err *err)
{
    return wrong == NULL ? 0 : err_set(err, ERR_INVALID, "invalid taint spec: %s, %s", spec, wrong);
}

/* "key=value:effect", "key:effect" or "key"; without an effect '=' belongs to no key. */
static int taint_read(json_t **ret, const char *spec, struct err *err)
{
    cleanup(freep) char *key = mem_str(spec);
    char *effect = strchr(key, ':'), *value = NULL;
    int rc;

    if (effect != NULL) {
        *effect++ = '\0';
        value = strchr(key, '=');
        if (value != NULL)
            *value++ = '\0';
        if (strchr(effect, ':') != NULL || (value != NULL && strchr(value, '=') != NULL))
            return err_set(err, ERR_INVALID, "invalid taint spec: %s", spec);
        rc = taint_check_effect(effect, err);
        if (rc == 0 && value != NULL)
            rc = taint_check_text(spec, validate_label_value(value), err);
        if (rc < 0)
            return rc;
    }
    rc = taint_check_text(spec, validate_label_key(key), err);
    if (rc < 0)
        return rc;
    *ret = json_pack("{s:s}", "key", key);
    if (!str_empty(value))
        json_put_str(*ret, "value", value);
    if (effect != NULL)
        json_put_str(*ret, "effect", effect);
    return 0;
}

static const json_t *taint_in(const json_t *list, const json_t *taint)
{
    const json_t *other;
    size_t i;

    json_array_foreach (list, i, other)
        if (taint_is_same(other, taint))
            return other;
    return NULL;
}

static int taint_read_word(struct taint_change *c, const char *word, struct err *err)
{
    size_t len = strlen(word);
    bool takes = str_ends(word, "-");
    cleanup(freep) char *spec = mem_strn(word, takes ? len - 1 : len);
    cleanup(json_decrefpp) json_t *taint = NULL;
    int rc = taint_read(&taint, spec, err);

    if (rc < 0)
        return rc;
    if (takes) {
        json_object_del(taint, "value");
        json_array_append(c->take, taint);
        return 0;
    }
    if (taint_effect(taint)[0] == '\0')
        return err_set(err, ERR_INVALID, "invalid taint spec: %s", word);
    if (taint_in(c->add, taint) != NULL)
        return err_set(err, ERR_INVALID, "duplicated taints with the same key and effect: %s",
                       word);
    json_array_append(c->add, taint);
    return 0;
}

/* Whether @take names @taint: by its key, or by key and effect. */
static bool taint_is_named(const json_t *take, const json_t *taint)
{
    return str_eq(taint_key(take), taint_key(taint)) &&
           (taint_effect(take)[0] == '\0' || str_eq(taint_effect(take), taint_effect(taint)));
}

static int taint_check_both(const struct taint_change *c, struct err *err)
{
    cleanup(text_fini) struct text both = TEXT_EMPTY;
    const json_t *add, *take;
    size_t i, k;

    json_array_foreach (c->add, i, add)
        json_array_foreach (c->take, k, take)
            if (taint_is_named(take, add))
                text_fmt(&both, "%s{\"%s\":\"%s\"}", both.len > 0 ? ", " : "", taint_key(take),
                         taint_effect(take));
    if (both.len == 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "can not both modify and remove the following taint(s) in the same command: %s",
                   text_str(&both));
}

int taint_change_parse(struct taint_change *ret, int argc, char **argv, struct err *err)
{
    struct taint_change c = { json_array(), json_array() };
    int rc = 0;

    if (argc == 0)
        rc = err_set(err, ERR_INVALID, "at least one taint update is required");
    for (int i = 0; i < argc && rc == 0; i++)
        rc = taint_change_is_word(argv[i])
                 ? taint_read_word(&c, argv[i], err)
                 : err_set(err, ERR_INVALID,
                           "all resources must be specified before taint changes: %s", argv[i]);
    if (rc == 0)
        rc = taint_check_both(&c, err);
    if (rc < 0)
        taint_change_fini(&c);
    else
        *ret = c;
    return rc;
}

/* --- taints --- */

static int taint_check_there(const struct taint_change *c, const json_t *node, struct err *err)
{
    cleanup(text_fini) struct text there = TEXT_EMPTY;
    const json_t *add;
    size_t i;

    json_array_foreach (c->add, i, add)
        if (taint_in(json_at(node, "spec.taints"), add) != NULL)
            text_fmt(&there, "%s%s", there.len > 0 ? "," : "", taint_key(add));
    if (there.len == 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "node %s already has %s taint(s) with same effect(s) and --overwrite is false",
                   json_str_or(node, "metadata.name", ""), text_str(&there));
}

/* Takes away what @take names; false: nothing was. */
static bool taint_take(json_t *taints, const json_t *take)
{
    size_t before = json_array_size(taints);

    for (size_t i = before; i > 0; i--)
        if (taint_is_named(take, json_array_get(taints, i - 1)))
            json_array_remove(taints, i - 1);
    return json_array_size(taints) < before;
}

static int taint_take_all(json_t *taints, const struct taint_change *c, bool *ret_taken,
                          struct err *err)
{
    const json_t *take;
    size_t i;

    *ret_taken = false;
    json_array_foreach (c->take, i, take) {
        const char *effect = taint_effect(take);

        *ret_taken = taint_take(taints, take);
        if (!*ret_taken)
            return err_set(err, ERR_INVALID, "taint \"%s%s%s\" not found", taint_key(take),
                           effect[0] != '\0' ? ":" : "", effect);
    }
    return 0;
}

int taint_change_apply(json_t **ret, const char **ret_done, const struct taint_change *c,
                       const json_t *node, bool overwrite, struct err *err)
{
    json_t *old = json_at(node, "spec.taints"), *taint;
    cleanup(json_decrefpp) json_t *taints = json_copy(c->add);
    bool added, taken;
    size_t i;
    int rc = overwrite ? 0 : taint_check_there(c, node, err);

    if (rc < 0)
        return rc;
    json_array_foreach (old, i, taint)
        if (taint_in(c->add, taint) == NULL)
            json_array_append(taints, taint);
    added = json_array_size(taints) != json_array_size(old);
    rc = taint_take_all(taints, c, &taken, err);
    if (rc < 0)
        return rc;
    *ret_done = (added && taken) || overwrite ? "modified" : added ? "tainted" : "untainted";
    *ret = STEAL(taints);
    return 0;
}
