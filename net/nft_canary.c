#include "net/nft_canary.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct nft_canary {
    struct timer *timer;
    char *table; /* owned */
    void (*lost)(void *arg);
    void *arg;
};

/* --- the question and its answer --- */

struct canary_request {
    struct nlmsghdr head;
    struct nfgenmsg family;
    struct nlattr attr;
    char name[NFT_TABLE_MAXNAMELEN];
};

static bool canary_ask(int fd, const char *table)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct canary_request r = {
        .head = { .nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
        .family = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 },
        .attr = { .nla_type = NFTA_TABLE_NAME },
    };
    size_t len = strlen(table) + 1;

    if (len > sizeof(r.name))
        return false;
    memcpy(r.name, table, len);
    r.attr.nla_len = (uint16_t)(NLA_HDRLEN + len);
    r.head.nlmsg_len = (uint32_t)(offsetof(struct canary_request, name) + NLA_ALIGN(len));
    return sendto(fd, &r, r.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) >= 0;
}

bool nft_canary_sings(const char *table)
{
    cleanup(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    struct {
        struct nlmsghdr head;
        char rest[4096];
    } answer;
    struct nlmsgerr told;
    ssize_t n;

    if (fd < 0 || !canary_ask(fd, table))
        return true;
    /* The kernel answers before sendto returns. */
    n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
    if (n < (ssize_t)(sizeof(answer.head) + sizeof(told)) || answer.head.nlmsg_type != NLMSG_ERROR)
        return true;
    memcpy(&told, answer.rest, sizeof(told));
    return told.error != -ENOENT;
}

/* --- watching --- */

static void canary_on_timer(void *arg)
{
    struct nft_canary *c = arg;

    if (nft_canary_sings(c->table)) {
        timer_start(c->timer, NFT_CANARY_MS);
        return;
    }
    log_warn("somebody removed our rules: setting them again", KV("table", "%s", c->table));
    c->lost(c->arg);
}

struct nft_canary *nft_canary_new(uv_loop_t *loop, const char *table, void (*lost)(void *arg),
                                  void *arg)
{
    struct nft_canary *c = MEM_NEW(struct nft_canary);

    c->timer = timer_new(loop, canary_on_timer, c);
    c->table = mem_str(table);
    c->lost = lost;
    c->arg = arg;
    return c;
}

void nft_canary_watch(struct nft_canary *c, const char *rules)
{
    cleanup(freep) char *made = mem_fmt("table ip %s {\n", c->table);

    if (rules != NULL && strstr(rules, made) != NULL)
        timer_start(c->timer, NFT_CANARY_MS);
    else
        timer_stop(c->timer);
}

struct nft_canary *nft_canary_close(struct nft_canary *c)
{
    if (c == NULL)
        return NULL;
    timer_close(c->timer);
    free(c->table);
    free(c);
    return NULL;
}
