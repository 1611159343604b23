/* proxy_links: links in what a proxied server answers, so that they lead through the proxy again.
 *
 * The server believes that it is at "/", its reader sees it under a prefix: paths in Location headers and in
 * the attributes of HTML that hold addresses get the prefix; addresses of other hosts, relative paths and
 * everything else stay as they are, to the byte.  Kubernetes: apimachinery/pkg/util/proxy/transport.go.
 * Pure; HTML comes in pieces of any size, at most LINKS_TAG_MAX of it is held back.
 */
#ifndef API_PROXY_LINKS_H
#define API_PROXY_LINKS_H

#include "base/text.h"

#include <stdbool.h>

#define LINKS_TAG_MAX 16384 /* a longer tag goes on as it is */

struct proxy_place {
    const char *prefix;             /* "/api/v1/namespaces/ns/pods/name/proxy" */
    const char *target_host, *host; /* as we call the server; as the client calls us */
};

/* The address @link of @len bytes, as the reader needs it. */
void proxy_link(struct text *ret, const struct proxy_place *place, const char *link, size_t len);

enum proxy_links_state { LINKS_TEXT, LINKS_TAG, LINKS_COMMENT, LINKS_RAW };

struct proxy_links {
    struct proxy_place place; /* its strings are borrowed */
    enum proxy_links_state state;
    struct text held; /* a tag that has not ended */
    char quote;       /* within it */
    char raw[12];     /* the element whose text is no HTML, until its end tag */
    unsigned dashes;  /* at the end of a comment so far */
};

void proxy_links_init(struct proxy_links *ret, const struct proxy_place *place);
void proxy_links_fini(struct proxy_links *l);
void proxy_links_feed(struct proxy_links *l, struct text *ret, const char *data, size_t len);
void proxy_links_end(struct proxy_links *l, struct text *ret); /* what was held back */

#endif
