#include "nodeagent/pod_etc.h"

#include "base/mem.h"

#include <string.h>

#define POD_ETC_SERVERS_MAX 3
#define POD_ETC_SEARCH_MAX  32

static void pod_etc_aliases(struct text *ret, const struct pod_view *pod)
{
    const json_t *aliases = json_at(pod->spec, "hostAliases");
    size_t i, k;
    json_t *alias, *name;

    if (json_array_size(aliases) > 0)
        text_puts(ret, "\n# Entries added by HostAliases.\n");
    json_array_foreach (aliases, i, alias) {
        text_puts(ret, json_str_or(alias, "ip", ""));
        json_array_foreach (json_at(alias, "hostnames"), k, name)
            text_fmt(ret, "\t%s", json_string_value(name));
        text_putc(ret, '\n');
    }
}

void pod_etc_hosts(struct text *ret, const struct pod_view *pod, const char *pod_ip,
                   const char *cluster_domain, const char *host_hosts)
{
    const char *subdomain = json_str_or(pod->spec, "subdomain", "");
    char hostname[64];

    if (pod->host_network) {
        text_puts(ret, "# Kubernetes-managed hosts file (host network).\n");
        text_puts(ret, host_hosts == NULL ? "127.0.0.1\tlocalhost\n" : host_hosts);
        pod_etc_aliases(ret, pod);
        return;
    }
    pod_view_hostname(hostname, pod);
    text_puts(ret, "# Kubernetes-managed hosts file.\n"
                   "127.0.0.1\tlocalhost\n"
                   "::1\tlocalhost ip6-localhost ip6-loopback\n"
                   "fe00::0\tip6-localnet\n"
                   "fe00::0\tip6-mcastprefix\n"
                   "fe00::1\tip6-allnodes\n"
                   "fe00::2\tip6-allrouters\n");
    if (subdomain[0] != '\0')
        text_fmt(ret, "%s\t%s.%s.%s.svc.%s\t%s\n", pod_ip, hostname, subdomain, pod->ns,
                 cluster_domain, hostname);
    else
        text_fmt(ret, "%s\t%s\n", pod_ip, hostname);
    pod_etc_aliases(ret, pod);
}

/* Words of one kind: later ones with the same key replace, so that dnsConfig wins. */
struct pod_etc_words {
    char *words[POD_ETC_SEARCH_MAX];
    size_t n, max;
};

static void pod_etc_word_add(struct pod_etc_words *w, const char *word, size_t len)
{
    for (size_t i = 0; i < w->n; i++)
        if (strlen(w->words[i]) == len && memcmp(w->words[i], word, len) == 0)
            return;
    if (len > 0 && w->n < w->max)
        w->words[w->n++] = mem_strn(word, len);
}

/* An option "name" or "name:value" replaces the one of that name. */
static void pod_etc_option_add(struct pod_etc_words *w, const char *word)
{
    size_t len = strcspn(word, ":");

    for (size_t i = 0; i < w->n; i++) {
        if (strncmp(w->words[i], word, len) == 0 && strcspn(w->words[i], ":") == len) {
            free(w->words[i]);
            w->words[i] = mem_str(word);
            return;
        }
    }
    pod_etc_word_add(w, word, strlen(word));
}

struct pod_etc_resolver {
    struct pod_etc_words servers, search, options;
};

static void pod_etc_from_host(struct pod_etc_resolver *r, const char *text, bool only_search)
{
    cleanup(strv_freep) char **lines = str_split(text == NULL ? "" : text, '\n');

    for (char **line = lines; *line != NULL; line++) {
        char *rest = *line, *word = strsep(&rest, " \t"), *value;
        bool is_search = str_eq(word, "search") || str_eq(word, "domain");
        bool is_server = str_eq(word, "nameserver"), is_option = str_eq(word, "options");

        while (rest != NULL && (value = strsep(&rest, " \t\r")) != NULL) {
            if (*value == '\0')
                continue;
            if (is_search && !str_eq(value, "."))
                pod_etc_word_add(&r->search, value, strlen(value));
            else if (is_server && !only_search)
                pod_etc_word_add(&r->servers, value, strlen(value));
            else if (is_option && !only_search)
                pod_etc_option_add(&r->options, value);
        }
    }
}

static void pod_etc_from_cluster(struct pod_etc_resolver *r, const struct pod_view *pod,
                                 const char *dns_ip, const char *domain)
{
    static const char *const prefixes[] = { "ns", "svc.", "" };

    pod_etc_word_add(&r->servers, dns_ip, strlen(dns_ip));
    for (size_t i = 0; i < N_ELEMENTS(prefixes); i++) {
        cleanup(freep) char *word = i == 0 ? mem_fmt("%s.svc.%s", pod->ns, domain)
                                           : mem_fmt("%s%s", prefixes[i], domain);

        pod_etc_word_add(&r->search, word, strlen(word));
    }
    pod_etc_option_add(&r->options, "ndots:5");
}

static void pod_etc_from_config(struct pod_etc_resolver *r, const json_t *config)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_at(config, "nameservers"), i, item)
        pod_etc_word_add(&r->servers, json_string_value(item), json_string_length(item));
    json_array_foreach (json_at(config, "searches"), i, item)
        pod_etc_word_add(&r->search, json_string_value(item), json_string_length(item));
    json_array_foreach (json_at(config, "options"), i, item) {
        const char *value = json_str(item, "value");
        cleanup(freep) char *word = str_empty(value)
                                        ? mem_str(json_str_or(item, "name", ""))
                                        : mem_fmt("%s:%s", json_str_or(item, "name", ""), value);

        pod_etc_option_add(&r->options, word);
    }
}

static void pod_etc_print(struct text *ret, const char *key, bool one_line, struct pod_etc_words *w)
{
    for (size_t i = 0; i < w->n; i++) {
        text_fmt(ret, "%s %s", i == 0 || !one_line ? key : "", w->words[i]);
        if (!one_line || i + 1 == w->n)
            text_putc(ret, '\n');
        free(w->words[i]);
    }
    w->n = 0;
}

void pod_etc_resolv(struct text *ret, const struct pod_view *pod, const char *dns_ip,
                    const char *cluster_domain, const char *host_resolv)
{
    const char *policy = json_str_or(pod->spec, "dnsPolicy", "ClusterFirst");
    bool cluster = str_eq(policy, "ClusterFirstWithHostNet") ||
                   (str_eq(policy, "ClusterFirst") && !pod->host_network);
    struct pod_etc_resolver r = {
        .servers.max = POD_ETC_SERVERS_MAX,
        .search.max = POD_ETC_SEARCH_MAX,
        .options.max = POD_ETC_SEARCH_MAX,
    };

    if (cluster && !str_empty(dns_ip)) {
        pod_etc_from_cluster(&r, pod, dns_ip, cluster_domain);
        pod_etc_from_host(&r, host_resolv, true);
    } else if (!str_eq(policy, "None")) {
        pod_etc_from_host(&r, host_resolv, false);
    }
    pod_etc_from_config(&r, json_at(pod->spec, "dnsConfig"));
    pod_etc_print(ret, "search", true, &r.search);
    pod_etc_print(ret, "nameserver", false, &r.servers);
    pod_etc_print(ret, "options", true, &r.options);
}
