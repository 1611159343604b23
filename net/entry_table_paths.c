/* The paths of one host, when they are compared one after the other: regular expressions as
 * ingress-nginx orders them, and ALB's patterns. */
#include "net/entry_table_build.h"

#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

bool entry_route_rewrites(const struct entry_route *r)
{
    const char *target = r->policy->rewrite;

    return target != NULL && !str_eq(target, r->path != NULL ? r->path->path : "/");
}

/* --- order --- */

/* nginx takes the first expression that matches: the longest is written first, of one length
 * the last in the alphabet (sortLocations in ingress-nginx). */
static int entry_paths_before(const void *a, const void *b)
{
    const struct entry_route *const *x = a, *const *y = b;
    size_t p = strlen((*x)->path->path), q = strlen((*y)->path->path);
    int order = p != q ? (p > q ? -1 : 1) : strcmp((*y)->path->path, (*x)->path->path);

    return order != 0 ? order : (*x)->order < (*y)->order ? -1 : 1;
}

/* AWS' controller: exact ones, then prefixes from the longest, then patterns as written. */
static int entry_paths_before_alb(const void *a, const void *b)
{
    static const int ranks[] = {
        [ENTRY_PATH_EXACT] = 0,
        [ENTRY_PATH_PREFIX] = 1,
        [ENTRY_PATH_BEGIN] = 2,
        [ENTRY_PATH_GLOB] = 2,
    };
    const struct entry_route *const *x = a, *const *y = b;
    int p = ranks[(*x)->path->type], q = ranks[(*y)->path->type];

    if (p != q)
        return p - q;
    if (p < 2)
        return entry_paths_before(a, b);
    return (*x)->order < (*y)->order ? -1 : 1;
}

static bool entry_paths_has_exact(const struct entry_host *host, const char *path)
{
    for (unsigned i = 0; i < host->n_routes; i++)
        if (host->routes[i]->path->type == ENTRY_PATH_EXACT &&
            str_eq(host->routes[i]->path->path, path))
            return true;
    return false;
}

void entry_paths_arrange(struct entry_arena *a, struct entry_host *host)
{
    bool is_regex = false, is_glob = false;
    struct entry_listed *list;

    for (unsigned i = 0; i < host->n_routes; i++) {
        const struct entry_route *r = host->routes[i];

        is_regex = is_regex || r->policy->use_regex || entry_route_rewrites(r);
        is_glob = is_glob || r->path->type == ENTRY_PATH_GLOB;
    }
    if (!is_regex && !is_glob)
        return;
    qsort(host->routes, host->n_routes, sizeof(*host->routes),
          is_regex ? entry_paths_before : entry_paths_before_alb);
    list = entry_arena_array(a, host->n_routes, sizeof(*list));
    for (unsigned i = 0; i < host->n_routes; i++) {
        const struct entry_route *r = host->routes[i];

        list[i].route = r;
        list[i].is_regex = is_regex && r->path->type != ENTRY_PATH_GLOB;
        list[i].needs_slash = is_regex && r->path->type == ENTRY_PATH_PREFIX &&
                              !r->policy->use_regex && !entry_route_rewrites(r) &&
                              r->path->path[1] != '\0' &&
                              entry_paths_has_exact(host, r->path->path);
    }
    host->list = list;
    host->n_listed = host->n_routes;
}

/* --- comparing --- */

/* "*" stands for any bytes, "?" for one: without recursion, at most length times length steps. */
static bool entry_paths_globs(const char *pattern, const char *path)
{
    const char *star = NULL, *mark = NULL;

    while (*path != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            mark = path;
        } else if (*pattern == '?' || *pattern == *path) {
            pattern++;
            path++;
        } else if (star != NULL) {
            pattern = star + 1;
            path = ++mark;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool entry_paths_is_below(const char *prefix, const char *path)
{
    size_t len = strlen(prefix);

    while (len > 0 && prefix[len - 1] == '/')
        len--;
    return strncmp(prefix, path, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static bool entry_paths_match(const struct entry_listed *one, const char *path, bool *ret_gave_up)
{
    const struct entry_path *p = one->route->path;
    size_t len = strlen(p->path);

    if (one->is_regex) {
        if (p->broken != NULL)
            return false;
        if (p->regex != NULL)
            return entry_regex_matches(p->regex, path, ret_gave_up);
        return strncasecmp(p->path, path, len) == 0 && (!one->needs_slash || path[len] == '/');
    }
    switch (p->type) {
    case ENTRY_PATH_EXACT: return str_eq(p->path, path);
    case ENTRY_PATH_PREFIX: return entry_paths_is_below(p->path, path);
    case ENTRY_PATH_BEGIN: return strncmp(p->path, path, len) == 0;
    case ENTRY_PATH_GLOB: return entry_paths_globs(p->path, path);
    }
    return false;
}

const struct entry_route *entry_paths_find(const struct entry_host *host, const char *path)
{
    bool gave_up = false;

    for (unsigned i = 0; i < host->n_listed && !gave_up; i++)
        if (entry_paths_match(&host->list[i], path, &gave_up))
            return host->list[i].route;
    return NULL;
}
