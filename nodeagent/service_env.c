#include "nodeagent/service_env.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

/* "my-db" -> "MY_DB" */
static char *service_env_word(const char *name)
{
    char *word = mem_str(name);

    for (char *p = word; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return word;
}

static void service_env_put(struct env_list *to, const char *prefix, const char *suffix,
                            const char *value)
{
    cleanup(freep) char *name = mem_fmt("%s%s", prefix, suffix);

    env_list_set(to, name, value);
}

/* The variables that docker's links had: WORD_PORT_80_TCP=tcp://ip:80 and its parts. */
static void service_env_link(struct env_list *to, const char *word, const char *ip,
                             const json_t *port, bool is_first)
{
    cleanup(freep) char *number = mem_fmt("%lld", (long long)json_int(port, "port", 0));
    cleanup(freep) char *upper = service_env_word(json_str_or(port, "protocol", "TCP"));
    cleanup(freep) char *proto = mem_str(upper);
    cleanup(freep) char *url = NULL, *prefix = NULL;

    for (char *p = proto; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    url = mem_fmt("%s://%s:%s", proto, ip, number);
    prefix = mem_fmt("%s_PORT_%s_%s", word, number, upper);
    if (is_first)
        service_env_put(to, word, "_PORT", url);
    service_env_put(to, prefix, "", url);
    service_env_put(to, prefix, "_PROTO", proto);
    service_env_put(to, prefix, "_PORT", number);
    service_env_put(to, prefix, "_ADDR", ip);
}

void service_env_add(struct env_list *to, const json_t *service)
{
    const char *ip = json_str_or(service, "spec.clusterIP", "");
    const json_t *ports = json_at(service, "spec.ports");
    cleanup(freep) char *word = service_env_word(json_str_or(service, "metadata.name", ""));
    size_t i;
    json_t *port;

    if (ip[0] == '\0' || str_eq(ip, "None") || json_array_size(ports) == 0 ||
        str_eq(json_str(service, "spec.type"), "ExternalName"))
        return;
    service_env_put(to, word, "_SERVICE_HOST", ip);
    json_array_foreach (ports, i, port) {
        cleanup(freep) char *number = mem_fmt("%lld", (long long)json_int(port, "port", 0));
        const char *name = json_str(port, "name");

        if (i == 0)
            service_env_put(to, word, "_SERVICE_PORT", number);
        if (!str_empty(name)) {
            cleanup(freep) char *part = service_env_word(name);
            cleanup(freep) char *suffix = mem_fmt("_SERVICE_PORT_%s", part);

            service_env_put(to, word, suffix, number);
        }
    }
    json_array_foreach (ports, i, port)
        service_env_link(to, word, ip, port, i == 0);
}
