#include "net/policy_rules.h"

#include "api/alloc.h"
#include "api/selector.h"
#include "base/map.h"
#include "base/mem.h"

#include <string.h>

enum { POLICY_INGRESS, POLICY_EGRESS, POLICY_DIRECTIONS };

/* What differs between the two directions, and nothing else. */
static const struct policy_way {
    const char *type;   /* in spec.policyTypes */
    const char *rules;  /* of spec */
    const char *peers;  /* of a rule */
    const char *far;    /* the peer's address in a packet */
    const char *chains; /* prefix of names */
} policy_ways[POLICY_DIRECTIONS] = {
    [POLICY_INGRESS] = { "Ingress", "ingress", "from", "ip saddr", "in" },
    [POLICY_EGRESS] = { "Egress", "egress", "to", "ip daddr", "out" },
};

struct policy_out {
    const struct policy_world *world;
    struct text chains;
    struct text jumps[POLICY_DIRECTIONS]; /* elements: address : jump chain */
    struct map *names;                    /* "in 0 3" (policies by number) -> chain name, owned */
    struct map *seen;                     /* addresses that are in jumps */
    unsigned n;
};

/* --- facts --- */

static json_t *policy_pod_ports(const json_t *pod)
{
    json_t *ret = json_array(), *container, *port;
    size_t i, j;

    json_array_foreach (json_at(pod, "spec.containers"), i, container)
        json_array_foreach (json_at(container, "ports"), j, port)
            if (json_str(port, "name") != NULL)
                json_array_append_new(
                    ret, json_pack("{s:s, s:s, s:I}", "name", json_str(port, "name"), "protocol",
                                   json_str_or(port, "protocol", "TCP"), "port",
                                   (json_int_t)json_int(port, "containerPort", 0)));
    return ret;
}

json_t *policy_pod_facts(const json_t *pod, const char *node_name)
{
    const char *ip = json_str(pod, "status.podIP");
    const char *phase = json_str_or(pod, "status.phase", "");
    uint32_t parsed;

    if (ip == NULL || !alloc_ip_parse(ip, &parsed) || json_bool(pod, "spec.hostNetwork", false) ||
        str_eq(phase, "Succeeded") || str_eq(phase, "Failed"))
        return NULL;
    return json_pack("{s:s, s:s, s:b, s:O?, s:o}", "ns", json_str_or(pod, "metadata.namespace", ""),
                     "ip", ip, "local", str_eq(json_str(pod, "spec.nodeName"), node_name), "labels",
                     json_at(pod, "metadata.labels"), "ports", policy_pod_ports(pod));
}

/* --- who is meant --- */

/* Does LabelSelector @selector take @labels?  One that cannot be read takes nobody. */
static bool policy_takes(const json_t *selector, const json_t *labels)
{
    struct selector *s = NULL;
    struct err err = ERR_EMPTY;
    bool ret = selector_from_json(&s, selector, &err) == 0 && selector_matches_labels(s, labels);

    selector_free(s);
    return ret;
}

static bool policy_selects(const json_t *policy, const json_t *pod, const struct policy_way *way)
{
    const json_t *types = json_at(policy, "spec.policyTypes");
    const json_t *type;
    size_t i;

    if (!str_eq(json_str(policy, "metadata.namespace"), json_str(pod, "ns")))
        return false;
    json_array_foreach (types, i, type)
        if (str_eq(json_string_value(type), way->type))
            return policy_takes(json_at(policy, "spec.podSelector"),
                                json_object_get(pod, "labels"));
    return false;
}

/* A peer of selectors: pods of chosen namespaces, or of the policy's own. */
static bool policy_peer_is(const struct policy_world *w, const json_t *peer, const char *own_ns,
                           const json_t *pod)
{
    const json_t *namespaces = json_object_get(peer, "namespaceSelector");
    const json_t *pods = json_object_get(peer, "podSelector");
    const char *ns = json_str(pod, "ns");

    if (namespaces == NULL && pods == NULL)
        return false; /* an ipBlock */
    if (namespaces == NULL ? !str_eq(ns, own_ns)
                           : !policy_takes(namespaces, json_object_get(w->namespaces, ns)))
        return false;
    return pods == NULL || policy_takes(pods, json_object_get(pod, "labels"));
}

/* --- printing a rule: every peer with every port --- */

/* "{ a, b }" of the pods that any peer of selectors means; empty when there are none. */
static void policy_peer_set(struct text *ret, const struct policy_world *w, const json_t *peers,
                            const char *own_ns)
{
    size_t i, j;
    json_t *pod, *peer;

    json_array_foreach (w->pods, i, pod)
        json_array_foreach (peers, j, peer)
            if (policy_peer_is(w, peer, own_ns, pod)) {
                text_fmt(ret, "%s%s", ret->len == 0 ? "{ " : ", ", json_str(pod, "ip"));
                break;
            }
    if (ret->len > 0)
        text_puts(ret, " }");
}

static bool policy_is_cidr4(const char *cidr)
{
    return cidr != NULL && strchr(cidr, ':') == NULL;
}

static void policy_block(struct text *ret, const json_t *block, const char *far)
{
    const json_t *except;
    size_t i;

    text_fmt(ret, "%s %s", far, json_str(block, "cidr"));
    json_array_foreach (json_at(block, "except"), i, except)
        if (policy_is_cidr4(json_string_value(except)))
            text_fmt(ret, " %s != %s", far, json_string_value(except));
}

static const char *policy_protocol(const json_t *port)
{
    const char *p = json_str_or(port, "protocol", "TCP");

    return str_eq(p, "UDP") ? "udp" : str_eq(p, "SCTP") ? "sctp" : "tcp";
}

/* A port by name is another number on every pod.  false: nobody has it. */
static bool policy_named_port(struct text *ret, const struct policy_world *w, const json_t *port)
{
    const char *name = json_string_value(json_object_get(port, "port"));
    bool any = false;
    size_t i, j;
    json_t *pod, *p;

    json_array_foreach (w->pods, i, pod)
        json_array_foreach (json_object_get(pod, "ports"), j, p)
            if (str_eq(json_str(p, "name"), name) &&
                str_eq(json_str(p, "protocol"), json_str_or(port, "protocol", "TCP"))) {
                if (!any)
                    text_fmt(ret, " ip daddr . %s dport {", policy_protocol(port));
                text_fmt(ret, "%s %s . %lld", any ? "," : "", json_str(pod, "ip"),
                         (long long)json_int(p, "port", 0));
                any = true;
            }
    if (any)
        text_puts(ret, " }");
    return any;
}

/* What a packet to @port looks like; false: like none. */
static bool policy_port(struct text *ret, const struct policy_world *w, const json_t *port)
{
    const json_t *number = json_object_get(port, "port");
    int64_t first = json_int(port, "port", 0), last = json_int(port, "endPort", first);

    if (json_is_string(number))
        return policy_named_port(ret, w, port);
    if (!json_is_integer(number))
        text_fmt(ret, " meta l4proto %s", policy_protocol(port));
    else if (last > first)
        text_fmt(ret, " %s dport %lld-%lld", policy_protocol(port), (long long)first,
                 (long long)last);
    else
        text_fmt(ret, " %s dport %lld", policy_protocol(port), (long long)first);
    return true;
}

/* Lines for one kind of peer (@far, may be empty) with all the rule's ports. */
static void policy_lines(struct policy_out *out, const char *far, const json_t *ports)
{
    size_t i;
    json_t *port;

    if (json_array_size(ports) == 0)
        text_fmt(&out->chains, "    %s return\n", far);
    json_array_foreach (ports, i, port) {
        struct text match = TEXT_EMPTY;

        if (policy_port(&match, out->world, port))
            text_fmt(&out->chains, "    %s%s return\n", far, text_str(&match));
        text_fini(&match);
    }
}

static void policy_rule(struct policy_out *out, const struct policy_way *way, const json_t *rule,
                        const char *own_ns)
{
    const json_t *peers = json_object_get(rule, way->peers), *ports = json_at(rule, "ports");
    struct text set = TEXT_EMPTY, far = TEXT_EMPTY;
    json_t *peer;
    size_t i;

    if (json_array_size(peers) == 0) {
        policy_lines(out, "", ports);
        return;
    }
    policy_peer_set(&set, out->world, peers, own_ns);
    if (set.len > 0) {
        text_fmt(&far, "%s %s", way->far, text_str(&set));
        policy_lines(out, text_str(&far), ports);
    }
    json_array_foreach (peers, i, peer) {
        const json_t *block = json_at(peer, "ipBlock");

        if (!policy_is_cidr4(json_str(block, "cidr")))
            continue;
        text_clear(&far);
        policy_block(&far, block, way->far);
        policy_lines(out, text_str(&far), ports);
    }
    text_fini(&set);
    text_fini(&far);
}

/* --- a chain for each set of policies that some pod has --- */

static void policy_chain(struct policy_out *out, const struct policy_way *way, const char *name,
                         const json_t *pod)
{
    size_t i, j;
    json_t *policy, *rule;

    text_fmt(&out->chains, "  chain %s {\n", name);
    json_array_foreach (out->world->policies, i, policy) {
        if (!policy_selects(policy, pod, way))
            continue;
        json_array_foreach (json_object_get(json_at(policy, "spec"), way->rules), j, rule)
            policy_rule(out, way, rule, json_str(pod, "ns"));
    }
    text_puts(&out->chains, "    drop\n  }\n");
}

static void policy_guard(struct policy_out *out, int direction, const json_t *pod)
{
    const struct policy_way *way = &policy_ways[direction];
    struct text key = TEXT_EMPTY, jump = TEXT_EMPTY;
    const char *chain, *ip = json_str(pod, "ip");
    bool selected = false;
    size_t i;
    json_t *policy;

    text_puts(&key, way->chains);
    text_fmt(&jump, "%s %s", way->chains, ip);
    json_array_foreach (out->world->policies, i, policy)
        if (policy_selects(policy, pod, way)) {
            text_fmt(&key, " %zu", i);
            selected = true;
        }
    /* An address is in a map once, whoever seems to have it for a moment. */
    if (selected && map_get(out->seen, text_str(&jump)) == NULL) {
        map_put(out->seen, text_str(&jump), out);
        chain = map_get(out->names, text_str(&key));
        if (chain == NULL) {
            char *name = mem_fmt("%s%u", way->chains, out->n++);

            map_put(out->names, text_str(&key), name);
            policy_chain(out, way, name, pod);
            chain = name;
        }
        text_fmt(&out->jumps[direction], "%s%s : jump %s",
                 out->jumps[direction].len > 0 ? ", " : "", ip, chain);
    }
    text_fini(&key);
    text_fini(&jump);
}

static void policy_hook(struct text *ret, const struct policy_out *out)
{
    const json_t *address;
    size_t i;

    text_puts(ret, "  set trusted {\n    type ipv4_addr\n");
    json_array_foreach (out->world->trusted, i, address)
        text_fmt(ret, "%s%s", i == 0 ? "    elements = { " : ", ", json_string_value(address));
    text_fmt(ret,
             "%s  }\n  chain forward {\n"
             "    type filter hook forward priority filter; policy accept;\n"
             "    ct state established,related accept\n",
             json_array_size(out->world->trusted) > 0 ? " }\n" : "");
    if (out->jumps[POLICY_EGRESS].len > 0)
        text_fmt(ret, "    ip saddr vmap { %s }\n", text_str(&out->jumps[POLICY_EGRESS]));
    if (out->jumps[POLICY_INGRESS].len > 0)
        text_fmt(ret, "    ip saddr != @trusted ip daddr vmap { %s }\n",
                 text_str(&out->jumps[POLICY_INGRESS]));
    text_puts(ret, "  }\n");
}

void policy_rules_print(struct text *ret, const struct policy_world *world)
{
    struct policy_out out = { .world = world, .names = map_new(free), .seen = map_new(NULL) };
    size_t i;
    json_t *pod;

    json_array_foreach (world->pods, i, pod)
        for (int d = 0; d < POLICY_DIRECTIONS && json_bool(pod, "local", false); d++)
            policy_guard(&out, d, pod);
    text_puts(ret, "table ip mkube_policy {}\ndelete table ip mkube_policy\n");
    if (out.n > 0) {
        text_puts(ret, "table ip mkube_policy {\n");
        text_add(ret, text_str(&out.chains), out.chains.len);
        policy_hook(ret, &out);
        text_puts(ret, "}\n");
    }
    text_fini(&out.chains);
    for (int d = 0; d < POLICY_DIRECTIONS; d++)
        text_fini(&out.jumps[d]);
    map_free(out.names);
    map_free(out.seen);
}
