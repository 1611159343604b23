#include "nodeagent/action.h"

#include "base/mem.h"
#include "nodeagent/grpc_health.h"

#include <string.h>

#define ACTION_VERSION "1.32" /* as in the kubelet's User-Agent "kube-probe/1.32" */

void action_fini(struct action *a)
{
    a->argv = strv_free(a->argv);
    a->headers = strv_free(a->headers);
    free(a->url);
    free(a->host);
    free(a->service);
    *a = (struct action){ .type = ACTION_EXEC };
}

/* A number, or the name of one of the container's ports. */
static bool action_port(uint16_t *ret, const json_t *port, const struct container_view *c)
{
    int64_t n = 0;

    if (json_is_integer(port)) {
        n = json_integer_value(port);
    } else if (json_is_string(port)) {
        const json_t *named = json_find(json_at(c->spec, "ports"), "name", json_string_value(port));

        if (named != NULL)
            n = json_int(named, "containerPort", 0);
        else
            str_i64(json_string_value(port), &n);
    }
    if (n < 1 || n > 65535)
        return false;
    *ret = (uint16_t)n;
    return true;
}

/* In the words of the kubelet, which takes a name that no port has for a number. */
static int action_no_port(const json_t *port, struct err *err)
{
    return json_is_string(port)
               ? err_set(err, ERR_INVALID, "strconv.Atoi: parsing \"%s\": invalid syntax",
                         json_string_value(port))
               : err_set(err, ERR_INVALID, "invalid port number: %lld",
                         (long long)json_integer_value(port));
}

/* "http://host:80/x?y" -> the length of "host" from its start. */
static const char *action_url_host(const char *url, size_t *ret_len)
{
    const char *host = strstr(url, "://");

    host = host == NULL ? url : host + 3;
    *ret_len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    return host;
}

char *action_redirect(const char *url, const char *location)
{
    size_t len, to_len;
    const char *host = action_url_host(url, &len), *to, *end;

    if (str_starts(location, "http://") || str_starts(location, "https://")) {
        to = action_url_host(location, &to_len);
        return to_len == len && strncasecmp(host, to, len) == 0 ? mem_str(location) : NULL;
    }
    if (str_starts(location, "//") || strstr(location, "://") != NULL)
        return NULL;
    end = host + strcspn(host, "/?#");
    if (location[0] != '/') /* relative to the last path segment */
        for (const char *p = end; *p != '\0' && *p != '?' && *p != '#'; p++)
            if (*p == '/')
                end = p + 1;
    return mem_fmt("%.*s%s%s", (int)(end - url), url,
                   location[0] == '/' || end[-1] == '/' ? "" : "/", location);
}

static char **action_strings(const json_t *list)
{
    char **v = MEM_NEW_ARRAY(char *, json_array_size(list) + 1);
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item)
        v[i] = mem_str(json_is_string(item) ? json_string_value(item) : "");
    return v;
}

static char **action_headers(const json_t *list, const char *kind)
{
    /* Ours, theirs (which come later and win in http_call), end. */
    char **v = MEM_NEW_ARRAY(char *, json_array_size(list) + 3);
    bool has_agent = false, has_accept = false;
    size_t i, n = 0;
    json_t *item;

    json_array_foreach (list, i, item) {
        const char *name = json_str_or(item, "name", "");

        has_agent |= strcasecmp(name, "User-Agent") == 0;
        has_accept |= strcasecmp(name, "Accept") == 0;
        v[n++] = mem_fmt("%s: %s", name, json_str_or(item, "value", ""));
    }
    if (!has_agent)
        v[n++] = mem_fmt("User-Agent: %s/" ACTION_VERSION, kind);
    if (!has_accept)
        v[n++] = mem_str("Accept: */*");
    return v;
}

static int action_parse_http(struct action *a, const json_t *get, const struct container_view *c,
                             const char *pod_ip, const char *kind, struct err *err)
{
    const char *host = json_str_or(get, "host", "");
    const char *path = json_str_or(get, "path", "/");
    bool is_tls = str_eq(json_str(get, "scheme"), "HTTPS");

    if (!action_port(&a->port, json_object_get(get, "port"), c))
        return action_no_port(json_object_get(get, "port"), err);
    if (host[0] == '\0')
        host = pod_ip;
    a->url = mem_fmt(
        "%s://%s%s%s:%u%s%s", is_tls ? "https" : "http", strchr(host, ':') != NULL ? "[" : "", host,
        strchr(host, ':') != NULL ? "]" : "", a->port, path[0] == '/' ? "" : "/", path);
    a->headers = action_headers(json_object_get(get, "httpHeaders"), kind);
    return 0;
}

static int action_parse_tcp(struct action *a, const json_t *tcp, const struct container_view *c,
                            const char *pod_ip, struct err *err)
{
    const char *host = json_str_or(tcp, "host", "");

    if (!action_port(&a->port, json_object_get(tcp, "port"), c))
        return action_no_port(json_object_get(tcp, "port"), err);
    a->host = mem_str(host[0] == '\0' ? pod_ip : host);
    return 0;
}

static int action_parse_grpc(struct action *a, const json_t *grpc, const char *pod_ip,
                             const char *kind, struct err *err)
{
    int64_t port = json_int(grpc, "port", 0);
    bool is_v6 = strchr(pod_ip, ':') != NULL;

    if (port < 1 || port > 65535)
        return err_set(err, ERR_INVALID, "invalid port number: %lld", (long long)port);
    a->port = (uint16_t)port;
    a->url = mem_fmt("http://%s%s%s:%u" GRPC_HEALTH_PATH, is_v6 ? "[" : "", pod_ip,
                     is_v6 ? "]" : "", a->port);
    a->service = mem_str(json_str_or(grpc, "service", ""));
    a->headers = MEM_NEW_ARRAY(char *, 5);
    a->headers[0] = mem_fmt("User-Agent: %s/" ACTION_VERSION, kind);
    a->headers[1] = mem_str("Content-Type: application/grpc");
    a->headers[2] = mem_str("TE: trailers");
    a->headers[3] = mem_str("Accept:");
    return 0;
}

int action_parse(struct action *ret, const json_t *handler, const struct container_view *c,
                 const char *pod_ip, enum action_use use, struct err *err)
{
    const char *kind = use == ACTION_HOOK ? "kube-lifecycle" : "kube-probe";
    struct action a = { .use = use, .type = ACTION_EXEC };
    const json_t *x;
    int rc = 0;

    if ((x = json_at(handler, "exec")) != NULL) {
        a.argv = action_strings(json_object_get(x, "command"));
        if (a.argv[0] == NULL)
            rc = err_set(err, ERR_INVALID, "exec: no command");
    } else if ((x = json_at(handler, "httpGet")) != NULL) {
        a.type = ACTION_HTTP;
        rc = action_parse_http(&a, x, c, pod_ip, kind, err);
    } else if ((x = json_at(handler, "tcpSocket")) != NULL) {
        a.type = ACTION_TCP;
        rc = action_parse_tcp(&a, x, c, pod_ip, err);
    } else if ((x = json_at(handler, "grpc")) != NULL) {
        a.type = ACTION_GRPC;
        rc = action_parse_grpc(&a, x, pod_ip, kind, err);
    } else if ((x = json_at(handler, "sleep")) != NULL) {
        a.type = ACTION_SLEEP;
        a.sleep_ms = json_int(x, "seconds", 0) * 1000;
    } else {
        rc = err_set(err, ERR_INVALID, "missing handler");
    }
    if (rc < 0) {
        action_fini(&a);
        return rc;
    }
    *ret = a;
    return 0;
}
