#include "nodeagent/image.h"

#include "base/child.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/work.h"
#include "nodeagent/image_gc.h"
#include "nodeagent/image_layout.h"
#include "nodeagent/image_object.h"
#include "nodeagent/image_ref.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_PULLS_MAX   3
#define IMAGE_PULL_MS     (30 * 60 * 1000)
#define IMAGE_MIRRORS_MAX 32

/* One fetch, however many wait for it. */
struct image_fetch {
    struct list link; /* in store.fetches */
    struct image_store *s;
    char *ref;             /* owned: normalised */
    char *user, *password; /* owned or NULL */
    bool is_fresh;         /* what is there already does not do */
    struct list requests;  /* of struct image_request */
    struct child *child;   /* running, or NULL = waits for a slot */
    int64_t asked_ms, started_ms;
};

struct image_request {
    struct list link;          /* in fetch.requests */
    struct image_fetch *fetch; /* NULL: answered from what is known */
    struct image_store *s;
    struct image *known;  /* ref or NULL */
    struct timer *answer; /* answers that need no fetch still come from the loop */
    int rc;
    struct err err;
    image_done_fn done;
    void *arg;
};

struct image_store {
    uv_loop_t *loop;
    struct image_layout layout;
    char *data_dir;                       /* owned */
    char *mirrors[IMAGE_MIRRORS_MAX + 1]; /* owned, NULL-terminated */
    struct map *images;                   /* normalised ref -> struct image, owned refs */
    struct list fetches;
    unsigned running;
    struct child *load;                  /* reads the archive directory; fetches wait for it */
    struct image_collection *collection; /* removes images; fetches wait for it too */
};

/* --- images --- */

static void image_unref_value(void *value)
{
    image_unref(value);
}

/* From the record on disk into the map; NULL when it is not there whole. */
static const struct image *image_recall(struct image_store *s, const char *ref)
{
    struct err ignored = ERR_EMPTY;
    cleanup(json_decrefpp) json_t *record = NULL;
    json_t *config = NULL;
    struct image *img;

    if (image_layout_read(&s->layout, ref, &record, &config, &ignored) < 0)
        return NULL;
    img = image_object_make(&s->layout, record, config);
    map_put(s->images, ref, img);
    return img;
}

static const struct image *image_find(struct image_store *s, const char *ref)
{
    const struct image *img = map_get(s->images, ref);

    return img != NULL ? img : image_recall(s, ref);
}

const struct image *image_known(const struct image_store *s, const char *ref)
{
    struct image_name name;
    struct err ignored = ERR_EMPTY;
    cleanup(text_fini) struct text full = TEXT_EMPTY;

    if (image_name_parse(&name, ref, &ignored) < 0)
        return NULL;
    image_name_print(&full, &name);
    return image_find((struct image_store *)(uintptr_t)s, text_str(&full));
}

const struct image *image_next(const struct image_store *s, size_t *it)
{
    const char *key;
    void *value;

    return map_each(s->images, it, &key, &value) ? value : NULL;
}

/* --- fetching --- */

static void image_start_more(struct image_store *s);

static struct image_request *image_request_free(struct image_request *r)
{
    list_del(&r->link);
    timer_close(r->answer);
    image_unref(r->known);
    free(r);
    return NULL;
}

static void image_fetch_free(struct image_fetch *f)
{
    list_del(&f->link);
    free(f->ref);
    free(f->user);
    free(f->password);
    free(f);
}

/* Tells everyone who waits.  A callback may cancel others or ask for more: take them one by one. */
static void image_fetch_end(struct image_fetch *f, int rc, const struct image *img,
                            const struct err *err)
{
    int64_t now_ms = clock_mono_ms();
    struct image_event_info info = { .pull_ms = now_ms - f->started_ms,
                                     .wait_ms = now_ms - f->asked_ms,
                                     .size = img != NULL ? img->size : 0 };
    cleanup(freep) char *ref = mem_str(f->ref);
    struct image *held = img != NULL ? image_ref(img) : NULL;

    while (!list_empty(&f->requests)) {
        struct image_request *r = list_entry(f->requests.next, struct image_request, link);
        image_done_fn done = r->done;
        void *arg = r->arg;

        image_request_free(r);
        done(arg, rc, held, &info, err);
    }
    image_unref(held);
    image_fetch_free(f);
}

/* The child's last line of stderr is its message: "mkube image: ..." */
static void image_fetch_failed(struct image_fetch *f, const struct child_result *result,
                               const struct err *child_err)
{
    struct err err = ERR_EMPTY;
    const char *said = result != NULL && result->errors != NULL ? result->errors : "";
    const char *mark = strstr(said, "mkube image: ");
    cleanup(freep) char *line = NULL;

    if (mark != NULL)
        said = mark + strlen("mkube image: ");
    line = mem_strn(said, strcspn(said, "\n"));
    err_set(&err, ERR_UNAVAILABLE, "%s", line[0] != '\0' ? line : child_err->text);
    image_fetch_end(f, IMAGE_PULL_FAILED, NULL, &err);
}

static void image_on_pulled(void *arg, int rc, const struct child_result *result,
                            const struct err *err)
{
    struct image_fetch *f = arg;
    struct image_store *s = f->s;
    const struct image *img;

    f->child = NULL;
    s->running--;
    map_del(s->images, f->ref);
    img = rc == 0 ? image_recall(s, f->ref) : NULL;
    if (img != NULL) {
        image_fetch_end(f, 0, img, NULL);
    } else if (rc == 0) {
        struct err lost = ERR_EMPTY;

        err_set(&lost, ERR_CORRUPT, "image %s was pulled but cannot be read back", f->ref);
        image_fetch_end(f, IMAGE_PULL_FAILED, NULL, &lost);
    } else {
        image_fetch_failed(f, result, err);
    }
    image_start_more(s);
}

static void image_fetch_start(struct image_fetch *f)
{
    struct image_store *s = f->s;
    const char *argv[10 + 2 * IMAGE_MIRRORS_MAX];
    cleanup(freep) char *credentials = NULL;
    size_t n = 0;
    struct child_spec spec = { .argv = argv, .deadline_ms = IMAGE_PULL_MS };

    argv[n++] = "/proc/self/exe";
    argv[n++] = "image";
    argv[n++] = "pull";
    argv[n++] = "--data-dir";
    argv[n++] = s->data_dir;
    for (size_t i = 0; s->mirrors[i] != NULL; i++) {
        argv[n++] = "--registry-mirror";
        argv[n++] = s->mirrors[i];
    }
    /* The password by stdin: argv is for everybody to read. */
    if (f->user != NULL) {
        argv[n++] = "--credentials-stdin";
        credentials = mem_fmt("%s\n%s\n", f->user, f->password != NULL ? f->password : "");
        spec.input = credentials;
        spec.input_len = strlen(credentials);
    }
    argv[n++] = f->ref;
    argv[n] = NULL;
    f->started_ms = clock_mono_ms();
    s->running++;
    f->child = child_run(s->loop, &spec, image_on_pulled, f);
}

static void image_start_more(struct image_store *s)
{
    LIST_EACH (it, &s->fetches) {
        struct image_fetch *f = list_entry(it, struct image_fetch, link);

        if (s->running >= IMAGE_PULLS_MAX || s->load != NULL || s->collection != NULL)
            return;
        if (f->child == NULL)
            image_fetch_start(f);
    }
}

/* The credential for the image's registry: its host, with or without scheme and path. */
static const struct image_auth *image_auth_find(const struct image_auth *auths,
                                                const char *registry)
{
    for (const struct image_auth *a = auths; a != NULL && a->registry != NULL; a++) {
        const char *host = strstr(a->registry, "://") != NULL ? strstr(a->registry, "://") + 3
                                                              : a->registry;
        size_t len = strcspn(host, "/");

        if ((len == strlen(registry) && strncmp(host, registry, len) == 0) ||
            (str_eq(registry, "docker.io") && str_starts(host, "index.docker.io")))
            return a;
    }
    return NULL;
}

static struct image_fetch *image_fetch_find(struct image_store *s, const char *ref)
{
    LIST_EACH (it, &s->fetches) {
        struct image_fetch *f = list_entry(it, struct image_fetch, link);

        if (str_eq(f->ref, ref))
            return f;
    }
    return NULL;
}

static struct image_fetch *image_fetch_new(struct image_store *s, const char *ref,
                                           const struct image_auth *auth)
{
    struct image_fetch *f = MEM_NEW(struct image_fetch);

    f->s = s;
    f->ref = mem_str(ref);
    f->user = auth != NULL ? mem_str(auth->user) : NULL;
    f->password = auth != NULL ? mem_str(auth->password) : NULL;
    f->asked_ms = f->started_ms = clock_mono_ms();
    list_init(&f->requests);
    list_init(&f->link);
    list_add_tail(&s->fetches, &f->link);
    return f;
}

/* --- asking --- */

static void image_on_answer(void *arg)
{
    struct image_request *r = arg;
    struct image_event_info info = { .was_present = r->known != NULL };
    struct image *known = STEAL(r->known);
    image_done_fn done = r->done;
    void *done_arg = r->arg;
    int rc = r->rc;
    struct err err = r->err;

    image_request_free(r);
    done(done_arg, rc, known, &info, &err);
    image_unref(known);
}

static void image_answer_later(struct image_request *r, int rc, const struct image *img)
{
    r->rc = rc;
    r->known = img != NULL ? image_ref(img) : NULL;
    r->answer = timer_new(r->s->loop, image_on_answer, r);
    timer_start(r->answer, 0);
}

struct image_request *image_ensure(struct image_store *s, const char *ref,
                                   enum image_pull_policy policy, const struct image_auth *auths,
                                   image_done_fn done, void *arg)
{
    struct image_request *r = MEM_NEW(struct image_request);
    struct image_name name;
    cleanup(text_fini) struct text full = TEXT_EMPTY;
    const struct image *img;

    r->s = s;
    r->done = done;
    r->arg = arg;
    list_init(&r->link);
    if (image_name_parse(&name, ref, &r->err) < 0) {
        image_answer_later(r, IMAGE_INVALID_NAME, NULL);
        return r;
    }
    image_name_print(&full, &name);
    img = image_find(s, text_str(&full));
    /* What came from an archive is what the site has: there may be no registry to ask. */
    if (img != NULL && policy == IMAGE_ALWAYS && img->digest[0] != '\0')
        img = NULL;
    if (img != NULL)
        image_layout_touch(&s->layout, text_str(&full));
    /* It might be the very one that goes. */
    if (policy != IMAGE_NEVER && s->collection != NULL)
        img = NULL;
    if (img != NULL) {
        image_answer_later(r, 0, img);
    } else if (policy == IMAGE_NEVER) {
        err_set(&r->err, ERR_NOT_FOUND,
                "Container image \"%s\" is not present with pull policy of Never", ref);
        image_answer_later(r, IMAGE_NEVER_PULL, NULL);
    } else {
        r->fetch = image_fetch_find(s, text_str(&full));
        if (r->fetch == NULL)
            r->fetch = image_fetch_new(s, text_str(&full), image_auth_find(auths, name.registry));
        r->fetch->is_fresh |= policy == IMAGE_ALWAYS;
        list_add_tail(&r->fetch->requests, &r->link);
        image_start_more(s);
    }
    return r;
}

void image_request_cancel(struct image_request *r)
{
    image_request_free(r);
}

/* --- what holds fetches back --- */

/* What was asked for meanwhile may be there now. */
static void image_recall_asked(struct image_store *s, bool but_fresh)
{
    LIST_EACH_SAFE (it, &s->fetches) {
        struct image_fetch *f = list_entry(it, struct image_fetch, link);
        const struct image *img = but_fresh && f->is_fresh ? NULL : image_recall(s, f->ref);

        if (img != NULL)
            image_fetch_end(f, 0, img, NULL);
    }
}

struct image_collection {
    struct image_store *s; /* NULL: it has gone */
    struct image_layout layout;
    char **in_use; /* owned */
    int64_t wanted;
    struct image_gc_result result;
};

static int image_collect_run(void *arg, struct err *err)
{
    struct image_collection *c = arg;

    return image_gc_run(&c->result, &c->layout, (const char *const *)c->in_use, c->wanted,
                        clock_wall_ms(), err);
}

static void image_collect_done(void *arg, int rc, const struct err *err)
{
    struct image_collection *c = arg;
    struct image_store *s = c->s;

    if (rc < 0)
        log_warn("images are not removed", KV_ERR(err));
    for (size_t i = 0; s != NULL && c->result.removed != NULL && c->result.removed[i] != NULL;
         i++) {
        log_info("image removed, the disk is full", KV("image", "%s", c->result.removed[i]));
        map_del(s->images, c->result.removed[i]);
    }
    if (rc == 0 && c->result.bytes < c->wanted)
        log_warn("too few images to remove", KV("wanted", "%lld", (long long)c->wanted),
                 KV("found", "%lld", (long long)c->result.bytes));
    image_gc_result_fini(&c->result);
    strv_free(c->in_use);
    free(c);
    if (s == NULL)
        return;
    s->collection = NULL;
    image_recall_asked(s, true);
    image_start_more(s);
}

/* "busybox" -> "docker.io/library/busybox:latest"; NULL: not a name. */
static char *image_full_name(const char *ref)
{
    struct image_name name;
    struct err ignored = ERR_EMPTY;
    struct text full = TEXT_EMPTY;

    if (image_name_parse(&name, ref, &ignored) < 0)
        return NULL;
    image_name_print(&full, &name);
    return text_take(&full);
}

bool image_store_collect(struct image_store *s, const char *const *in_use, int64_t wanted)
{
    struct image_collection *c;
    size_t n = 0, n_full = 0;

    /* A pull counts on the layers it saw. */
    if (s->collection != NULL || s->running > 0 || s->load != NULL)
        return false;
    while (in_use[n] != NULL)
        n++;
    c = MEM_NEW(struct image_collection);
    c->s = s;
    c->layout = s->layout;
    c->wanted = wanted;
    c->in_use = MEM_NEW_ARRAY(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        if ((c->in_use[n_full] = image_full_name(in_use[i])) != NULL)
            n_full++;
    s->collection = c;
    work_submit(s->loop, image_collect_run, image_collect_done, c);
    return true;
}

/* --- life --- */

static void image_on_loaded(void *arg, int rc, const struct child_result *result,
                            const struct err *err)
{
    struct image_store *s = arg;

    (void)result;
    s->load = NULL;
    if (rc < 0)
        log_warn("image archives not loaded", KV_ERR(err));
    image_recall_asked(s, false);
    image_start_more(s);
}

static void image_load_archives(struct image_store *s, const char *dir)
{
    const char *argv[] = {
        "/proc/self/exe", "image", "load", "--data-dir", s->data_dir, dir, NULL
    };
    struct child_spec spec = { .argv = argv, .deadline_ms = IMAGE_PULL_MS };

    s->load = child_run(s->loop, &spec, image_on_loaded, s);
}

int image_store_new(struct image_store **ret, uv_loop_t *loop, const struct image_store_opts *opts,
                    struct err *err)
{
    struct image_store *s = MEM_NEW(struct image_store);
    int rc = image_layout_init(&s->layout, opts->data_dir, err);

    s->loop = loop;
    s->data_dir = mem_str(opts->data_dir);
    s->images = map_new(image_unref_value);
    list_init(&s->fetches);
    for (size_t i = 0; rc == 0 && opts->mirrors != NULL && opts->mirrors[i] != NULL; i++) {
        if (i == IMAGE_MIRRORS_MAX || strchr(opts->mirrors[i], '=') == NULL)
            rc = err_set(err, ERR_INVALID, "--registry-mirror %s: not HOST=URL, or too many",
                         opts->mirrors[i]);
        else
            s->mirrors[i] = mem_str(opts->mirrors[i]);
    }
    if (rc < 0) {
        image_store_free(s);
        return rc;
    }
    image_layout_clean(&s->layout);
    if (opts->archive_dir != NULL)
        image_load_archives(s, opts->archive_dir);
    *ret = s;
    return 0;
}

struct image_store *image_store_free(struct image_store *s)
{
    if (s == NULL)
        return NULL;
    while (!list_empty(&s->fetches)) {
        struct image_fetch *f = list_entry(s->fetches.next, struct image_fetch, link);

        while (!list_empty(&f->requests))
            image_request_free(list_entry(f->requests.next, struct image_request, link));
        if (f->child != NULL)
            child_cancel(f->child);
        image_fetch_free(f);
    }
    if (s->load != NULL)
        child_cancel(s->load);
    if (s->collection != NULL)
        s->collection->s = NULL;
    for (size_t i = 0; s->mirrors[i] != NULL; i++)
        free(s->mirrors[i]);
    map_free(s->images);
    free(s->data_dir);
    free(s);
    return NULL;
}
