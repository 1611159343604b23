/* Objects of custom kinds whose versions only their author's webhook can translate: in the way of
 * a write, and for whoever reads. */
#include "api/registry_impl.h"

#include "api/convert.h"
#include "api/custom.h"
#include "base/bits.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

#define CONVERT_BATCH      500 /* objects in one question */
#define CONVERT_TIMEOUT_MS 30000

struct conversion {
    struct registry *r;
    const struct schema_resource *row; /* held: the version that is wanted */
    json_t *config;                    /* owned: spec.conversion */
    json_t *objects;                   /* owned array: the question */
    char uid[BITS_UUID_MAX];
    char *kind; /* owned: "example.com/v1, Kind=Thing", for messages */
    registry_converted_fn done;
    void *arg;
};

static void conversion_end(struct conversion *v, json_t *converted, const struct err *err)
{
    registry_converted_fn done = v->done;
    void *arg = v->arg;
    struct err told = ERR_EMPTY;

    if (converted == NULL)
        err_set(&told, ERR_INTERNAL, "conversion webhook for %s %s", v->kind, err->text);
    custom_release(v->row);
    json_decref(v->config);
    json_decref(v->objects);
    free(v->kind);
    free(v);
    done(arg, converted, &told);
    json_decref(converted);
}

static void conversion_on_posted(void *arg, int rc, int http, const char *body, size_t len,
                                 const struct err *post_err)
{
    struct conversion *v = arg;
    struct err err = ERR_EMPTY;
    json_t *converted = NULL;

    if (rc < 0)
        err_set(&err, rc, "failed: %s", post_err->text);
    else
        convert_read(&converted, v->config, v->uid, v->row, v->objects, http, body, len, &err);
    conversion_end(v, converted, &err);
}

static char *conversion_kind(const json_t *tree)
{
    return mem_fmt("%s, Kind=%s", json_str_or(tree, "apiVersion", ""),
                   json_str_or(tree, "kind", ""));
}

void registry_convert(struct registry *r, const struct schema_resource *row, json_t *objects_steal,
                      registry_converted_fn done, void *arg)
{
    struct conversion *v = MEM_NEW(struct conversion);
    struct registry_post post = { .timeout_ms = CONVERT_TIMEOUT_MS };
    cleanup(freep) char *body = NULL;
    char version[128];
    struct err err = ERR_EMPTY;

    assert(json_array_size(objects_steal) > 0);
    *v = (struct conversion){
        .r = r, .row = row, .config = custom_conversion(row), .objects = objects_steal
    };
    v->done = done;
    v->arg = arg;
    v->kind = conversion_kind(json_array_get(objects_steal, 0));
    custom_hold(row);
    bits_uuid(v->uid);
    schema_api_version(version, sizeof(version), row);
    post.body = body = convert_write(v->config, v->uid, version, objects_steal, &post.len);
    post.client_config = json_at(v->config, "webhook.clientConfig");
    if (body == NULL)
        err_set(&err, ERR_INTERNAL, "failed: no conversionReviewVersion that is known");
    else if (r->out.post == NULL)
        err_set(&err, ERR_INTERNAL, "failed: the server is shutting down");
    if (err.code != 0)
        conversion_end(v, NULL, &err);
    else
        r->out.post(r->out.arg, &post, conversion_on_posted, v);
}

/* --- many stored objects, in batches --- */

bool registry_must_convert(const struct schema_resource *row, const json_t *tree)
{
    char version[128];

    if (!custom_converts(row))
        return false;
    schema_api_version(version, sizeof(version), row);
    return !str_eq(json_str(tree, "apiVersion"), version);
}

struct batches {
    struct registry *r;
    const struct schema_resource *row; /* held */
    struct object **objects;           /* borrowed array of references */
    size_t n, at;                      /* looked at so far */
    size_t *where;                     /* owned: of the objects under way */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void batches_go(struct batches *b);

static void batches_end(struct batches *b, const struct err *err)
{
    void (*done)(void *arg, const struct err *err) = b->done;
    void *arg = b->arg;

    custom_release(b->row);
    free(b->where);
    free(b);
    done(arg, err);
}

static void batches_on_converted(void *arg, json_t *converted, const struct err *err)
{
    struct batches *b = arg;
    size_t i;
    json_t *tree;

    if (converted == NULL) {
        batches_end(b, err);
        return;
    }
    json_array_foreach (converted, i, tree) {
        struct object **o = &b->objects[b->where[i]];
        struct object *now = object_new((*o)->bucket, (*o)->revision, tree);

        object_unref(*o);
        *o = now;
    }
    batches_go(b);
}

/* The next ones that are not in the version that is wanted. */
static void batches_go(struct batches *b)
{
    json_t *asked = json_array();

    while (b->at < b->n && json_array_size(asked) < CONVERT_BATCH) {
        bool stale = custom_is_stale(b->row, b->objects[b->at]);
        json_t *tree = stale ? object_tree(b->objects[b->at]) : NULL;

        if (stale && registry_must_convert(b->row, tree)) {
            b->where[json_array_size(asked)] = b->at;
            json_array_append(asked, tree);
        }
        json_decref(tree);
        b->at++;
    }
    if (json_array_size(asked) > 0) {
        registry_convert(b->r, b->row, asked, batches_on_converted, b);
        return;
    }
    json_decref(asked);
    batches_end(b, NULL);
}

void registry_convert_objects(struct registry *r, const struct schema_resource *row,
                              struct object **objects, size_t n,
                              void (*done)(void *arg, const struct err *err), void *arg)
{
    struct batches *b = MEM_NEW(struct batches);

    *b = (struct batches){ .r = r, .row = row, .objects = objects, .n = n };
    b->done = done;
    b->arg = arg;
    b->where = MEM_NEW_ARRAY(size_t, CONVERT_BATCH);
    custom_hold(row);
    batches_go(b);
}

/* --- in the way of a write --- */

static void op_on_converted(void *arg, json_t *converted, const struct err *err)
{
    struct op *op = arg;
    void (*next)(struct op * op) = op->after;

    op->r->n_parked--;
    if (converted == NULL) {
        op_refuse(op, status_from_err(err));
    } else {
        json_decref(*op->converting);
        *op->converting = json_incref(json_array_get(converted, 0));
    }
    op_resume(op, next);
}

void op_convert(struct op *op, json_t **tree, const struct schema_resource *row,
                void (*next)(struct op *op))
{
    if (!op_ok(op) || *tree == NULL || !registry_must_convert(row, *tree)) {
        next(op);
        return;
    }
    if (op->r->n_parked >= REGISTRY_PARKED_MAX) {
        op_refuse(op, status_too_many());
        next(op);
        return;
    }
    op_park(op);
    op->r->n_parked++;
    op->after = next;
    op->converting = tree;
    registry_convert(op->r, row, json_pack("[O]", *tree), op_on_converted, op);
}
