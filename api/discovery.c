/* discovery: what is served, in the legacy form (one document per group version) and the
 * aggregated one (apidiscovery.k8s.io), both straight from the tables.
 */
#include "api/openapi.h"

#include "api/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- groups and versions --- */

/* "v2" before "v1" before "v1beta1": stable ones first, higher numbers first. */
static int discovery_version_rank(const char *version)
{
    char *end;
    long major = strtol(version + 1, &end, 10), minor = 0;
    int stage = 2; /* stable */

    if (strncmp(end, "beta", strlen("beta")) == 0)
        stage = 1;
    else if (*end != '\0')
        stage = 0;
    if (stage < 2)
        minor = strtol(end + strcspn(end, "0123456789"), NULL, 10);
    return stage * 1000000 + (int)major * 1000 + (int)minor;
}

enum { DISCOVERY_VERSIONS_MAX = 8 };

struct discovery_group {
    const char *name;
    const char *versions[DISCOVERY_VERSIONS_MAX]; /* best first */
    size_t n;
};

static void discovery_group_add(struct discovery_group *g, const char *version)
{
    size_t at = 0;

    while (at < g->n && discovery_version_rank(g->versions[at]) > discovery_version_rank(version))
        at++;
    if ((at < g->n && strcmp(g->versions[at], version) == 0) || g->n == DISCOVERY_VERSIONS_MAX)
        return;
    memmove(&g->versions[at + 1], &g->versions[at], (g->n - at) * sizeof(g->versions[0]));
    g->versions[at] = version;
    g->n++;
}

/* The group that starts at resource @index; moves it to the next one.  False: no more. */
static bool discovery_next_group(struct discovery_group *ret, size_t *index)
{
    const struct schema_resource *r = schema_at(*index);

    if (r == NULL)
        return false;
    *ret = (struct discovery_group){ .name = r->group };
    for (; r != NULL && strcmp(r->group, ret->name) == 0; r = schema_at(++*index))
        discovery_group_add(ret, r->version);
    return true;
}

/* --- pieces --- */

static void discovery_words(struct text *ret, const char *name, const char *const *words)
{
    if (words[0] == NULL)
        return;
    text_fmt(ret, ",\"%s\":[", name);
    for (size_t i = 0; words[i] != NULL; i++)
        text_fmt(ret, "%s\"%s\"", i > 0 ? "," : "", words[i]);
    text_putc(ret, ']');
}

static void discovery_put_verbs(struct text *ret, unsigned verbs)
{
    const char *comma = "";

    text_puts(ret, ",\"verbs\":[");
    for (size_t i = 0; schema_verb_names[i].name != NULL; i++) {
        if ((verbs & schema_verb_names[i].bit) == 0)
            continue;
        text_fmt(ret, "%s\"%s\"", comma, schema_verb_names[i].name);
        comma = ",";
    }
    text_putc(ret, ']');
}

static const char *discovery_sub_group(const struct schema_resource *r, const struct schema_sub *s)
{
    return s->group[0] != '\0' || s->version[0] != '\0' ? s->group : r->group;
}

static const char *discovery_sub_version(const struct schema_resource *r,
                                         const struct schema_sub *s)
{
    return s->version[0] != '\0' ? s->version : r->version;
}

/* --- legacy --- */

static void discovery_group_version(struct text *ret, const char *group, const char *version)
{
    text_fmt(ret, "{\"groupVersion\":\"%s%s%s\",\"version\":\"%s\"}", group,
             group[0] != '\0' ? "/" : "", version, version);
}

static void discovery_put_group(struct text *ret, const struct discovery_group *g, bool alone)
{
    text_putc(ret, '{');
    if (alone)
        text_puts(ret, "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",");
    text_fmt(ret, "\"name\":\"%s\",\"versions\":[", g->name);
    for (size_t i = 0; i < g->n; i++) {
        text_puts(ret, i > 0 ? "," : "");
        discovery_group_version(ret, g->name, g->versions[i]);
    }
    text_puts(ret, "],\"preferredVersion\":");
    discovery_group_version(ret, g->name, g->versions[0]);
    text_putc(ret, '}');
}

static void discovery_groups(struct text *ret)
{
    struct discovery_group g;
    const char *comma = "";

    text_puts(ret, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; discovery_next_group(&g, &i);) {
        if (g.name[0] == '\0')
            continue;
        text_puts(ret, comma);
        discovery_put_group(ret, &g, false);
        comma = ",";
    }
    text_puts(ret, "]}\n");
}

static bool discovery_group_document(struct text *ret, const char *name)
{
    struct discovery_group g;

    for (size_t i = 0; discovery_next_group(&g, &i);) {
        if (g.name[0] == '\0' || strcmp(g.name, name) != 0)
            continue;
        discovery_put_group(ret, &g, true);
        text_putc(ret, '\n');
        return true;
    }
    return false;
}

static void discovery_api_versions(struct text *ret, const char *server_address)
{
    text_fmt(ret,
             "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":["
             "{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"%s\"}]}\n",
             server_address);
}

static void discovery_legacy_sub(struct text *ret, const struct schema_resource *r,
                                 const struct schema_sub *s)
{
    const char *group = discovery_sub_group(r, s), *version = discovery_sub_version(r, s);

    text_fmt(ret, ",{\"name\":\"%s/%s\",\"singularName\":\"\",\"namespaced\":%s", r->plural,
             s->name, r->namespaced ? "true" : "false");
    if (strcmp(group, r->group) != 0 || strcmp(version, r->version) != 0)
        text_fmt(ret, ",\"group\":\"%s\",\"version\":\"%s\"", group, version);
    text_fmt(ret, ",\"kind\":\"%s\"", s->kind);
    discovery_put_verbs(ret, s->verbs);
    text_putc(ret, '}');
}

static void discovery_legacy_resource(struct text *ret, const struct schema_resource *r)
{
    text_fmt(ret, "{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\"",
             r->plural, r->singular, r->namespaced ? "true" : "false", r->kind);
    discovery_put_verbs(ret, r->verbs);
    discovery_words(ret, "shortNames", r->short_names);
    discovery_words(ret, "categories", r->categories);
    text_putc(ret, '}');
    for (size_t i = 0; i < r->n_subs; i++)
        discovery_legacy_sub(ret, r, &r->subs[i]);
}

static bool discovery_resources(struct text *ret, const char *group, const char *version)
{
    const struct schema_resource *r;
    const char *comma = "";

    if (!schema_serves(group, version))
        return false;
    text_fmt(ret,
             "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":"
             "\"%s%s%s\",\"resources\":[",
             group, group[0] != '\0' ? "/" : "", version);
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (strcmp(r->group, group) != 0 || strcmp(r->version, version) != 0)
            continue;
        text_puts(ret, comma);
        discovery_legacy_resource(ret, r);
        comma = ",";
    }
    text_puts(ret, "]}\n");
    return true;
}

bool discovery_legacy(struct text *ret, const char *path, const char *server_address)
{
    char group[128];
    const char *slash;

    if (str_eq(path, "api")) {
        discovery_api_versions(ret, server_address);
        return true;
    }
    if (str_eq(path, "apis")) {
        discovery_groups(ret);
        return true;
    }
    if (str_starts(path, "api/"))
        return discovery_resources(ret, "", path + strlen("api/"));
    if (!str_starts(path, "apis/"))
        return false;
    path += strlen("apis/");
    slash = strchr(path, '/');
    if (slash == NULL)
        return discovery_group_document(ret, path);
    if (slash == path || (size_t)(slash - path) >= sizeof(group))
        return false;
    snprintf(group, sizeof(group), "%.*s", (int)(slash - path), path);
    return discovery_resources(ret, group, slash + 1);
}

/* --- aggregated --- */

static void discovery_response_kind(struct text *ret, const char *group, const char *version,
                                    const char *kind)
{
    text_fmt(ret, ",\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}", group,
             version, kind);
}

static void discovery_aggregated_resource(struct text *ret, const struct schema_resource *r)
{
    text_fmt(ret, "{\"resource\":\"%s\"", r->plural);
    discovery_response_kind(ret, r->group, r->version, r->kind);
    text_fmt(ret, ",\"scope\":\"%s\",\"singularResource\":\"%s\"",
             r->namespaced ? "Namespaced" : "Cluster", r->singular);
    discovery_put_verbs(ret, r->verbs);
    discovery_words(ret, "shortNames", r->short_names);
    discovery_words(ret, "categories", r->categories);
    for (size_t i = 0; i < r->n_subs; i++) {
        const struct schema_sub *s = &r->subs[i];

        text_fmt(ret, "%s{\"subresource\":\"%s\"", i > 0 ? "," : ",\"subresources\":[", s->name);
        discovery_response_kind(ret, discovery_sub_group(r, s), discovery_sub_version(r, s),
                                s->kind);
        discovery_put_verbs(ret, s->verbs);
        text_putc(ret, '}');
    }
    text_puts(ret, r->n_subs > 0 ? "]}" : "}");
}

static void discovery_aggregated_version(struct text *ret, const char *group, const char *version)
{
    const struct schema_resource *r;
    const char *comma = "";

    text_fmt(ret, "{\"version\":\"%s\",\"resources\":[", version);
    for (size_t i = 0; (r = schema_at(i)) != NULL; i++) {
        if (strcmp(r->group, group) != 0 || strcmp(r->version, version) != 0)
            continue;
        text_puts(ret, comma);
        discovery_aggregated_resource(ret, r);
        comma = ",";
    }
    text_puts(ret, "],\"freshness\":\"Current\"}");
}

static void discovery_aggregated_group(struct text *ret, const struct discovery_group *g)
{
    text_puts(ret, "{\"metadata\":{");
    if (g->name[0] != '\0')
        text_fmt(ret, "\"name\":\"%s\",", g->name);
    text_puts(ret, "\"creationTimestamp\":null},\"versions\":[");
    for (size_t i = 0; i < g->n; i++) {
        text_puts(ret, i > 0 ? "," : "");
        discovery_aggregated_version(ret, g->name, g->versions[i]);
    }
    text_puts(ret, "]}");
}

bool discovery_aggregated(struct text *ret, const char *path, const char *version)
{
    bool core = str_eq(path, "api");
    struct discovery_group g;
    const char *comma = "";

    if (!core && !str_eq(path, "apis"))
        return false;
    text_fmt(ret,
             "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\","
             "\"metadata\":{},\"items\":[",
             version);
    for (size_t i = 0; discovery_next_group(&g, &i);) {
        if (core != (g.name[0] == '\0'))
            continue;
        text_puts(ret, comma);
        discovery_aggregated_group(ret, &g);
        comma = ",";
    }
    text_puts(ret, "]}\n");
    return true;
}
