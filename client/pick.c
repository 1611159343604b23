#include "client/pick.h"

#include "base/mem.h"
#include "client/verb.h"

#include <stdio.h>

/* --- manifests --- */

static int pick_manifest(struct session *s, struct target_list *ret,
                         const struct manifest_object *o, struct err *err)
{
    const struct schema_resource *r;
    const char *ns;
    int rc;

    if (o->tree == NULL)
        return err_set(err, ERR_INVALID, "%s: %s", o->source, o->err->text);
    rc = session_of_object(s, &r, &ns, o->tree, err);
    if (rc < 0)
        return err_wrap(err, rc, "%s", o->source);
    if (ret->n == TARGET_MAX)
        return err_set(err, ERR_INVALID, "more than %d objects named", TARGET_MAX);
    ret->items[ret->n++] = (struct target){ .resource = r,
                                            .ns = ns,
                                            .name = json_str_or(o->tree, "metadata.name", "") };
    return 0;
}

int pick_manifests(struct session *s, struct target_list *ret, struct manifest *m,
                   const struct opt_list *files, bool recursive, struct err *err)
{
    int rc = 0;

    for (unsigned i = 0; i < files->n; i++)
        manifest_read(m, files->values[i], recursive);
    for (size_t i = 0; i < m->n && rc == 0; i++)
        rc = pick_manifest(s, ret, &m->objects[i], err);
    return rc;
}

/* --- objects --- */

static void pick_add(struct pick *p, const struct schema_resource *r, json_t *live)
{
    struct pick_object *o;
    char version[128];

    schema_api_version(version, sizeof(version), r);
    json_put_str(live, "apiVersion", version); /* items of lists may leave them out */
    json_put_str(live, "kind", r->kind);
    p->objects = mem_grow(p->objects, p->n + 1, sizeof(*p->objects));
    o = &p->objects[p->n++];
    *o = (struct pick_object){ .resource = r, .live = json_incref(live) };
    o->ns = json_str(live, "metadata.namespace");
    o->name = json_str_or(live, "metadata.name", "");
}

static void pick_fetch(struct pick *p, struct session *s, const struct pick_opts *o,
                       const struct target *t)
{
    cleanup(session_answer_fini) struct session_answer answer = { .status = 0 };
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    const char *ns = t->ns != NULL ? t->ns : o->all_namespaces ? NULL : session_namespace(s);
    struct err err = ERR_EMPTY;
    json_t *item;
    size_t i;

    target_path(&path, t->resource, ns, t->name);
    if (o->selector != NULL)
        session_query(&path, "labelSelector", o->selector);
    if (o->fields != NULL)
        session_query(&path, "fieldSelector", o->fields);
    if (session_call(s, "GET", text_str(&path), NULL, NULL, &answer, &err) < 0) {
        if (answer.status == 404 && t->name != NULL && o->ignore_absent)
            return;
        session_complain(&answer, &err, NULL);
        p->failed = true;
    } else if (t->name != NULL) {
        pick_add(p, t->resource, answer.body);
    } else {
        json_array_foreach (json_at(answer.body, "items"), i, item)
            pick_add(p, t->resource, item);
    }
}

static int pick_check(const struct pick_opts *o, const struct target_list *targets, struct err *err)
{
    bool picks = o->selector != NULL || o->all || o->fields != NULL;

    for (size_t i = 0; i < targets->n; i++) {
        if (targets->items[i].name == NULL && !picks && !o->bare_is_all)
            return err_set(err, ERR_INVALID,
                           "resource(s) were provided, but no name was specified");
        if (targets->items[i].name != NULL && picks && o->files.n == 0)
            return err_set(err, ERR_INVALID,
                           "name cannot be provided when a selector is specified");
        if (targets->items[i].name != NULL && o->all_namespaces &&
            targets->items[i].resource->namespaced && o->files.n == 0)
            return err_set(err, ERR_INVALID,
                           "a resource cannot be retrieved by name across all namespaces");
    }
    return 0;
}

int pick_find(struct pick *ret, struct session *s, const struct pick_opts *o, int argc, char **argv,
              struct err *err)
{
    cleanup(target_list_fini) struct target_list targets = { .n = 0 };
    cleanup(manifest_fini) struct manifest m = { .n = 0 };
    int rc;

    *ret = (struct pick){ .n = 0 };
    if (o->files.n > 0 && argc > 0)
        return err_set(err, ERR_INVALID,
                       "when paths, URLs, or stdin is provided as input, you may "
                       "not specify resource arguments as well");
    rc = o->files.n > 0 ? pick_manifests(s, &targets, &m, &o->files, o->recursive, err)
                        : session_targets(s, &targets, argc, argv, err);
    if (rc == 0)
        rc = pick_check(o, &targets, err);
    for (size_t i = 0; i < targets.n && rc == 0; i++)
        pick_fetch(ret, s, o, &targets.items[i]);
    return rc;
}

void pick_fini(struct pick *p)
{
    for (size_t i = 0; i < p->n; i++)
        json_decref(p->objects[i].live);
    free(p->objects);
    *p = (struct pick){ .n = 0 };
}

void pick_name(struct text *ret, const struct pick_object *o)
{
    target_kind(ret, o->resource);
    text_fmt(ret, "/%s", o->name);
}

void pick_path(struct text *ret, const struct pick_object *o, const char *sub)
{
    target_path(ret, o->resource, o->ns, o->name);
    if (sub != NULL)
        text_fmt(ret, "/%s", sub);
}

int pick_patch(struct session *s, const struct pick_object *o, const char *sub, const char *type,
               const json_t *patch, bool dry_run, struct session_answer *ret)
{
    cleanup(text_fini) struct text path = TEXT_EMPTY;
    struct err err = ERR_EMPTY;

    pick_path(&path, o, sub);
    if (dry_run)
        session_query(&path, "dryRun", "All");
    if (session_call(s, "PATCH", text_str(&path), type, patch, ret, &err) < 0)
        return session_complain(ret, &err, NULL);
    return VERB_DONE;
}

void pick_say(const struct pick_object *o, const char *what, bool dry_run)
{
    cleanup(text_fini) struct text name = TEXT_EMPTY;

    pick_name(&name, o);
    printf("%s %s%s\n", text_str(&name), what, dry_run ? " (server dry run)" : "");
    fflush(stdout);
}
