/* mkube patch: changes fields of objects without their manifest. */
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "client/output.h"
#include "client/pick.h"
#include "client/verbs.h"

#include <stdio.h>

#define PATCH_FILE_MAX (4 * 1024 * 1024)

struct patch {
    struct session_opts session_opts;
    struct pick_opts pick;
    struct output output;
    const char *text, *file, *type, *sub, *dry_run, *output_text;
    const char *content_type; /* what @type is called on the wire */
    json_t *tree;             /* owned */
};

static int patch_one(struct patch *p, struct session *s, const struct pick_object *o)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(json_decrefpp) json_t *items = NULL;
    cleanup(text_fini) struct text out = TEXT_EMPTY;

    if (pick_patch(s, o, p->sub, p->content_type, p->tree, p->dry_run != NULL, &answer) !=
        VERB_DONE)
        return VERB_FAILED;
    if (output_is_table(&p->output)) {
        pick_say(o, json_equal(o->live, answer.body) ? "patched (no change)" : "patched",
                 p->dry_run != NULL);
        return VERB_DONE;
    }
    items = json_pack("[O]", answer.body);
    output_print(&out, &p->output, items, true);
    output_write(&out);
    return VERB_DONE;
}

/* The patch itself: YAML, which JSON is too. */
static int patch_read(struct patch *p, struct err *err)
{
    cleanup(text_fini) struct text text = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *docs = NULL;
    int rc = 0;

    if ((p->text != NULL) == (p->file != NULL))
        return err_set(err, ERR_INVALID,
                       p->text == NULL ? "must specify --patch or --patch-file containing the "
                                         "contents of the patch"
                                       : "cannot specify --patch and --patch-file together");
    if (p->text != NULL)
        text_puts(&text, p->text);
    else
        rc = file_read(&text, p->file, PATCH_FILE_MAX, err);
    if (rc < 0)
        return rc;
    rc = yaml_parse(&docs, text_str(&text), text.len, err);
    if (rc < 0)
        return err_wrap(err, ERR_INVALID, "unable to parse \"%.200s\"", text_str(&text));
    if (json_array_size(docs) != 1)
        return err_set(err, ERR_INVALID, "unable to parse \"%.200s\": it is not one document",
                       text_str(&text));
    p->tree = json_incref(json_array_get(docs, 0));
    return 0;
}

static int patch_check(struct patch *p, struct err *err)
{
    static const struct {
        const char *name, *content_type;
    } types[] = {
        { "strategic", PICK_STRATEGIC },
        { "merge", PICK_MERGE },
        { "json", PICK_JSON },
    };

    for (size_t i = 0; i < N_ELEMENTS(types); i++)
        if (str_eq(types[i].name, p->type))
            p->content_type = types[i].content_type;
    if (p->content_type == NULL)
        return err_set(err, ERR_INVALID, "--type must be one of [json merge strategic], not \"%s\"",
                       p->type);
    if (p->dry_run != NULL && !str_eq(p->dry_run, "server"))
        return err_set(err, ERR_INVALID, "Invalid dry-run value (%s). Must be \"server\".",
                       p->dry_run);
    return output_parse(&p->output, p->output_text, err);
}

static int patch_run(struct patch *p, int n, char **argv)
{
    cleanup(session_freep) struct session *session = NULL;
    cleanup(pick_fini) struct pick pick = { .n = 0 };
    struct err err = ERR_EMPTY;
    int exit_code;

    if (patch_check(p, &err) < 0 || patch_read(p, &err) < 0 ||
        session_new(&session, &p->session_opts, &err) < 0 ||
        pick_find(&pick, session, &p->pick, n, argv, &err) < 0)
        return verb_error(&err);
    exit_code = pick.failed ? VERB_FAILED : VERB_DONE;
    for (size_t i = 0; i < pick.n; i++)
        if (patch_one(p, session, &pick.objects[i]) != VERB_DONE)
            exit_code = VERB_FAILED;
    return exit_code;
}

int patch_main(const struct verb *self, int argc, char **argv)
{
    struct patch p = { .type = "strategic" };
    const struct opt table[] = {
        SESSION_FLAGS(&p.session_opts),
        { "filename", 'f', OPT_LIST, &p.pick.files, "FILE", "what these manifests name" },
        { "patch", 'p', OPT_TEXT, &p.text, "PATCH", "the patch, as JSON or YAML" },
        { "patch-file", 0, OPT_TEXT, &p.file, "FILE", "a file that holds it" },
        { "type", 0, OPT_TEXT, &p.type, "TYPE", "strategic (the default), merge or json" },
        { "subresource", 0, OPT_TEXT, &p.sub, "NAME", "status or scale instead of the object" },
        { "dry-run", 0, OPT_TEXT, &p.dry_run, "WHO", "server: say what would be done" },
        OUTPUT_FLAG(&p.output_text, "what became of it: yaml, json, name, jsonpath={...}"),
        { .name = NULL },
    };
    int n, exit_code;

    if (!verb_begin(self, table, argc, argv, &n, &exit_code))
        return exit_code;
    exit_code = patch_run(&p, n, argv);
    output_fini(&p.output);
    json_decref(p.tree);
    return exit_code;
}
