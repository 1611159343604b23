/* /livez, /readyz and /healthz in the words of Kubernetes (apiserver/pkg/server/healthz), and the old
 * componentstatuses, which say the same. */
#include "api/server_impl.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define HEALTH_ALL        (SERVER_LIVEZ | SERVER_READYZ | SERVER_HEALTHZ)
#define HEALTH_CHECKS_MAX 32

static bool health_ping(void *server)
{
    (void)server;
    return true;
}

/* Not well: the last batch could not be made durable. */
static bool health_store(void *server)
{
    struct store_stats stats;

    store_stats(((struct server *)server)->store, &stats);
    return !stats.failing;
}

static bool health_shutdown(void *server)
{
    return !((struct server *)server)->closing;
}

static const struct server_check health_own[] = {
    { "ping", HEALTH_ALL, health_ping },
    { "store", HEALTH_ALL, health_store },
    { "shutdown", SERVER_READYZ, health_shutdown },
};

/* The checks of @face, ours and then those of the process around us. */
struct health_row {
    const struct server_check *check;
    void *arg;
};

static size_t health_rows(struct health_row ret[HEALTH_CHECKS_MAX], struct server *s, unsigned face)
{
    size_t n = 0;

    for (size_t i = 0; i < N_ELEMENTS(health_own); i++)
        if ((health_own[i].faces & face) != 0)
            ret[n++] = (struct health_row){ &health_own[i], s };
    for (const struct server_check *k = s->site.checks;
         k != NULL && k->name != NULL && n < HEALTH_CHECKS_MAX; k++)
        if ((k->faces & face) != 0)
            ret[n++] = (struct health_row){ k, s->site.arg };
    return n;
}

static void health_send(struct call *c, int http, struct text *t)
{
    http_set_header(c->x, "X-Content-Type-Options", "nosniff");
    call_send_text(c, http, "text/plain; charset=utf-8", t);
}

/* Whether ?exclude= names @name. */
static bool health_excluded(const struct call *c, const char *name)
{
    const char *key, *value;

    for (size_t it = 0; http_query_each(c->x, &it, &key, &value);)
        if (str_eq(key, "exclude") && str_eq(value, name))
            return true;
    return false;
}

static void health_warn_unmatched(struct text *ret, const struct call *c,
                                  const struct health_row *rows, size_t n)
{
    cleanup(text_fini) struct text unmatched = TEXT_EMPTY;
    const char *key, *value;

    for (size_t it = 0; http_query_each(c->x, &it, &key, &value);) {
        bool found = !str_eq(key, "exclude") || str_empty(value);

        for (size_t i = 0; i < n && !found; i++)
            found = str_eq(rows[i].check->name, value);
        if (!found)
            text_fmt(&unmatched, "%s\"%s\"", unmatched.len > 0 ? "," : "", value);
    }
    if (unmatched.len > 0)
        text_fmt(ret, "warn: some health checks cannot be excluded: no matches for %s\n",
                 text_str(&unmatched));
}

static void health_all(struct call *c, const char *face_name, const struct health_row *rows,
                       size_t n)
{
    struct text t = TEXT_EMPTY;
    bool failed = false;

    for (size_t i = 0; i < n; i++) {
        const char *name = rows[i].check->name;
        bool well;

        if (health_excluded(c, name)) {
            text_fmt(&t, "[+]%s excluded: ok\n", name);
            continue;
        }
        well = rows[i].check->is_well(rows[i].arg);
        failed = failed || !well;
        text_fmt(&t, well ? "[+]%s ok\n" : "[-]%s failed: reason withheld\n", name);
    }
    health_warn_unmatched(&t, c, rows, n);
    if (failed) {
        text_fmt(&t, "%s check failed\n", face_name);
    } else if (http_query(c->x, "verbose") == NULL) {
        text_clear(&t);
        text_puts(&t, "ok");
    } else {
        text_fmt(&t, "%s check passed\n", face_name);
    }
    health_send(c, failed ? 500 : 200, &t);
}

static void health_one(struct call *c, const char *name, const struct health_row *rows, size_t n)
{
    struct text t = TEXT_EMPTY;

    for (size_t i = 0; i < n; i++) {
        bool well;

        if (!str_eq(rows[i].check->name, name))
            continue;
        well = rows[i].check->is_well(rows[i].arg);
        text_puts(&t, well ? "ok" : "internal server error: not well\n");
        health_send(c, well ? 200 : 500, &t);
        return;
    }
    call_fail(c, ERR_NOT_FOUND, "the server could not find the requested resource");
}

void server_health(struct call *c)
{
    static const struct {
        const char *name;
        enum server_face face;
    } faces[] = { { "livez", SERVER_LIVEZ },
                  { "readyz", SERVER_READYZ },
                  { "healthz", SERVER_HEALTHZ } };
    const char *path = http_path(c->x) + 1;
    struct health_row rows[HEALTH_CHECKS_MAX];

    for (size_t i = 0; i < N_ELEMENTS(faces); i++) {
        size_t len = strlen(faces[i].name);
        size_t n;

        if (!str_starts(path, faces[i].name))
            continue;
        n = health_rows(rows, c->s, faces[i].face);
        if (path[len] == '/' && path[len + 1] != '\0')
            health_one(c, path + len + 1, rows, n);
        else
            health_all(c, faces[i].name, rows, n);
        return;
    }
}

/* --- componentstatuses: deprecated since v1.19, and still asked for --- */

bool server_is_components(const struct schema_resource *r)
{
    return str_eq(r->bucket, "componentstatuses");
}

static bool components_well(struct server *s, const char *check)
{
    struct health_row rows[HEALTH_CHECKS_MAX];
    size_t n = health_rows(rows, s, HEALTH_ALL);
    bool well = true;

    for (size_t i = 0; i < n; i++)
        if (check == NULL || str_eq(rows[i].check->name, check))
            well = well && rows[i].check->is_well(rows[i].arg);
    return well;
}

static json_t *components_one(struct server *s, const char *name, const char *check)
{
    bool well = components_well(s, check);

    return json_pack("{s:s, s:s, s:{s:s, s:n}, s:[{s:s, s:s, s:s}]}", "apiVersion", "v1", "kind",
                     "ComponentStatus", "metadata", "name", name, "creationTimestamp", "conditions",
                     "type", "Healthy", "status", well ? "True" : "False", "message",
                     well ? "ok" : "not well");
}

/* kubectl get cs names these; what mkube has in their place is one process. */
static const struct {
    const char *name, *check; /* NULL: all of them */
} components[] = { { "controller-manager", "controllers" },
                   { "scheduler", "controllers" },
                   { "etcd-0", "store" } };

static void components_table(struct text *ret, const struct call *c, const json_t *items)
{
    struct table_opts opts;
    json_t *item;
    size_t i;

    server_table_opts(&opts, c);
    table_open(ret, &opts, "", NULL, 0, false);
    json_array_foreach (items, i, item) {
        struct object *o = object_new("componentstatuses", 0, item);

        if (i > 0)
            text_putc(ret, ',');
        table_row(ret, &opts, o);
        object_unref(o);
    }
    table_close(ret);
}

static void components_send(struct call *c, json_t *items)
{
    struct text t = TEXT_EMPTY;
    bool all = str_eq(c->route.verb, "list");

    if (c->form == CALL_TABLE) {
        components_table(&t, c, items);
    } else if (all) {
        cleanup(json_decrefpp)
            json_t *list = json_pack("{s:s, s:s, s:{}, s:O}", "kind", "ComponentStatusList",
                                     "apiVersion", "v1", "metadata", "items", items);

        json_print_to(&t, list);
    } else {
        json_print_to(&t, json_array_get(items, 0));
    }
    call_send_text(c, 200, "application/json", &t);
}

void server_components(struct call *c)
{
    cleanup(json_decrefpp) json_t *items = json_array();
    bool all = str_eq(c->route.verb, "list");

    if (!all && !str_eq(c->route.verb, "get")) {
        call_fail(c, ERR_METHOD, "the server does not allow this method on the requested resource");
        return;
    }
    if (!call_read_form(c))
        return;
    call_warn(c, "v1 ComponentStatus is deprecated in v1.19+");
    for (size_t i = 0; i < N_ELEMENTS(components); i++)
        if (all || str_eq(c->route.name, components[i].name))
            json_array_append_new(items,
                                  components_one(c->s, components[i].name, components[i].check));
    if (json_array_size(items) == 0)
        call_send_status(c, status_not_found(c->route.resource, c->route.name));
    else
        components_send(c, items);
}
