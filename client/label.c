/* mkube label, annotate: sets and takes away labels and annotations. */
#include "base/mem.h"
#include "client/pick.h"
#include "client/print.h"
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

struct label {
    const char *field; /* "metadata.labels" */
    const char *done;  /* "labeled" */
    const char *noun;  /* "label" */
    bool overwrite, list, server_dry_run;
    const char *dry_run, *version;
    struct pick_opts pick;
    json_t *set; /* owned: key to text, or null for those to take away */
};

/* "a=b" or "a-". */
static int label_read(struct label *l, const char *word, struct err *err)
{
    const char *equals = strchr(word, '=');
    size_t len = strlen(word);
    cleanup(freep) char *key = NULL;

    if (equals != NULL && equals > word) {
        key = mem_strn(word, (size_t)(equals - word));
        json_object_set_new(l->set, key, json_string(equals + 1));
        return 0;
    }
    if (equals != NULL || len < 2 || word[len - 1] != '-')
        return err_set(err, ERR_INVALID, "unknown %s spec: %s", l->noun, word);
    key = mem_strn(word, len - 1);
    json_object_set_new(l->set, key, json_null());
    return 0;
}

/* Words that set something: from the first with '=' or a '-' at its end. */
static int label_split(struct label *l, int *n, char **argv, struct err *err)
{
    int first = *n, rc = 0;

    while (first > 0 && (strchr(argv[first - 1], '=') != NULL ||
                         (str_ends(argv[first - 1], "-") && strchr(argv[first - 1], '/') == NULL) ||
                         (str_ends(argv[first - 1], "-") && first > 1)))
        first--;
    for (int i = first; i < *n && rc == 0; i++)
        rc = label_read(l, argv[i], err);
    if (rc == 0 && json_object_size(l->set) == 0 && !l->list)
        rc = err_set(err, ERR_INVALID, "at least one %s update is required", l->noun);
    *n = first;
    return rc;
}

/* What has a value already is changed only with --overwrite. */
static int label_check(const struct label *l, const json_t *have, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach (l->set, key, value) {
        const char *old = json_string_value(json_object_get(have, key));

        if (l->overwrite || old == NULL || !json_is_string(value) ||
            str_eq(old, json_string_value(value)))
            continue;
        if (str_eq(l->noun, "label"))
            return err_set(err, ERR_INVALID,
                           "'%s' already has a value (%s), and --overwrite is false", key, old);
        return err_set(err, ERR_INVALID,
                       "--overwrite is false but found the following declared annotation(s): '%s' "
                       "already has a value (%s)",
                       key, old);
    }
    return 0;
}

static void label_list(const struct pick_object *o, const json_t *have, bool many)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (many)
        printf("Listing %ss for %s/%s:\n", "label", o->resource->kind, o->name);
    if (json_object_size(have) > 0) {
        print_labels(&t, have, "\n");
        printf("%s\n", text_str(&t));
    }
}

/* What is taken away but not there. */
static bool label_tell_absent(const struct label *l, const json_t *have)
{
    bool changes = false;
    const char *key;
    json_t *value;

    json_object_foreach (l->set, key, value) {
        const char *old = json_string_value(json_object_get(have, key));

        if (json_is_null(value) && old == NULL)
            printf("%s \"%s\" not found.\n", l->noun, key);
        changes = changes || !str_eq(old, json_string_value(value));
    }
    return changes;
}

static int label_one(const struct label *l, struct session *s, const struct pick_object *o,
                     bool many)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *patch = json_object();
    const json_t *have = json_at(o->live, l->field);
    cleanup(freep) char *not_done = mem_fmt("not %s", l->done);
    cleanup(freep) char *undone = mem_fmt("un%s", l->done);
    struct err err = ERR_EMPTY;
    bool changes, fewer;

    if (l->list) {
        label_list(o, have, many);
        return VERB_DONE;
    }
    if (label_check(l, have, &err) < 0)
        return verb_error(&err);
    changes = label_tell_absent(l, have);
    json_put(patch, l->field, json_incref(l->set));
    if (l->version != NULL)
        json_put_str(patch, "metadata.resourceVersion", l->version);
    if (changes &&
        pick_patch(s, o, NULL, PICK_MERGE, patch, l->server_dry_run, &answer) != VERB_DONE)
        return VERB_FAILED;
    fewer = !l->overwrite &&
            json_object_size(json_at(answer.body, l->field)) < json_object_size(have);
    pick_say(o,
             !str_eq(l->noun, "label") ? l->done
             : !changes                ? not_done
             : fewer                   ? undone
                                       : l->done,
             l->server_dry_run);
    return VERB_DONE;
}

static int label_run(struct label *l, const struct session_opts *opts, int n, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int exit_code;

    l->server_dry_run = str_eq(l->dry_run, "server");
    if (l->dry_run != NULL && !l->server_dry_run) {
        err_set(&err, ERR_INVALID, "Invalid dry-run value (%s). Must be \"server\".", l->dry_run);
        return verb_error(&err);
    }
    if (label_split(l, &n, argv, &err) < 0 || session_new(&session, opts, &err) < 0 ||
        pick_find(&pick, session, &l->pick, n, argv, &err) < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (label_one(l, session, &pick.objects[i], pick.n > 1) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

static int label_begin(struct label *l, const struct verb *self, int argc, char **argv)
{
    struct session_opts session_opts = { .ns = NULL };
    const struct opt table[] = {
        PICK_FLAGS(&l->pick),
        SESSION_FLAGS(&session_opts),
        { "all-namespaces", 'A', OPT_FLAG, &l->pick.all_namespaces, NULL, "in every namespace" },
        { "field-selector", 0, OPT_TEXT, &l->pick.fields, "SEL", "those with these fields" },
        { "overwrite", 0, OPT_FLAG, &l->overwrite, NULL, "change those that are there" },
        { "list", 0, OPT_FLAG, &l->list, NULL, "show them" },
        { "resource-version", 0, OPT_TEXT, &l->version, "N", "only if the object is still this" },
        { "dry-run", 0, OPT_TEXT, &l->dry_run, "WHO", "server: say what would be done" },
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    l->set = json_object();
    exit_code = label_run(l, &session_opts, n, argv);
    json_decref(l->set);
    return exit_code;
}

int label_main(const struct verb *self, int argc, char **argv)
{
    struct label l = { .field = "metadata.labels", .done = "labeled", .noun = "label" };

    return label_begin(&l, self, argc, argv);
}

int label_annotate_main(const struct verb *self, int argc, char **argv)
{
    struct label l = { .field = "metadata.annotations", .done = "annotated", .noun = "annotation" };

    return label_begin(&l, self, argc, argv);
}
