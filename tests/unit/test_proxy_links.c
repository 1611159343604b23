/* layer: api */
#include "api/proxy_links.h"
#include "base/mem.h"
#include "tests/lib/test.h"

#include <string.h>

static const struct proxy_place place = { .prefix = "/api/v1/namespaces/a/pods/b/proxy",
                                          .target_host = "10.0.0.9:80",
                                          .host = "site:6443" };
#define P "/api/v1/namespaces/a/pods/b/proxy"

static const char *link_of(const char *link)
{
    static char kept[512];
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    proxy_link(&t, &place, link, strlen(link));
    snprintf(kept, sizeof(kept), "%s", text_str(&t));
    return kept;
}

TEST(proxy_links, an_address_is_seen_under_the_prefix)
{
    static const struct {
        const char *link, *want;
    } rows[] = {
        { "/x", P "/x" },
        { "/", P "/" },
        { "/x/?a=/b#c", P "/x/?a=/b#c" },
        { P "/x", P "/x" },
        { "x/y", "x/y" },
        { "../x", "../x" },
        { "", "" },
        { "#top", "#top" },
        { "?a", "?a" },
        { "mailto:a@b", "mailto:a@b" },
        { "http://10.0.0.9:80/x", P "/x" },
        { "//10.0.0.9:80/x", P "/x" },
        { "https://site:6443/x", "https://site:6443" P "/x" },
        { "https://example.com/x", "https://example.com/x" },
        { "//example.com/x", "//example.com/x" },
        { "http://10.0.0.9:80", "http://10.0.0.9:80" },
        { "http:", "http:" },
        { "http:/x", "http:/x" },
        { "/\x01", P "/\x01" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        CHECK_STR(link_of(rows[i].link), rows[i].want);
}

/* In pieces of @step bytes. */
static const char *html_by(const char *html, size_t step)
{
    static char kept[1024];
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct proxy_links l;

    proxy_links_init(&l, &place);
    for (size_t at = 0, len = strlen(html); at < len; at += step)
        proxy_links_feed(&l, &t, html + at, step < len - at ? step : len - at);
    proxy_links_end(&l, &t);
    proxy_links_fini(&l);
    snprintf(kept, sizeof(kept), "%s", text_str(&t));
    return kept;
}

TEST(proxy_links, html_is_changed_where_it_links)
{
    static const struct {
        const char *html, *want;
    } rows[] = {
        { "<a href=\"/rewriteme\">test</a>", "<a href=\"" P "/rewriteme\">test</a>" },
        { "<A class=x HREF = '/a' id=\"/b\">", "<A class=x HREF = '" P "/a' id=\"/b\">" },
        { "<a href=/a><img src=/b/>", "<a href=" P "/a><img src=" P "/b/>" },
        { "<a name=\"/a\"><b href=\"/a\">", "<a name=\"/a\"><b href=\"/a\">" },
        { "<a title=\">\" href=\"/a\">", "<a title=\">\" href=\"" P "/a\">" },
        { "<form action='/f' method=post>", "<form action='" P "/f' method=post>" },
        { "<!-- <a href=\"/a\"> --><a href=\"/a\">",
          "<!-- <a href=\"/a\"> --><a href=\"" P "/a\">" },
        { "<script src=\"/s\">x='<a href=\"/a\">'</script><a href=\"/a\">",
          "<script src=\"" P "/s\">x='<a href=\"/a\">'</script><a href=\"" P "/a\">" },
        { "<style>a<</style ><a href=/a>", "<style>a<</style ><a href=" P "/a>" },
        { "1 < 2 <", "1 < 2 <" },
        { "<!DOCTYPE html><p>/x</p>", "<!DOCTYPE html><p>/x</p>" },
        { "<a href=\"/a", "<a href=\"/a" },
        { "<a =/ href>", "<a =/ href>" },
        { "", "" },
    };

    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        for (size_t step = 1; step < 64; step = step * 2 + 1)
            CHECK_STR(html_by(rows[i].html, step), rows[i].want);
}

TEST(proxy_links, an_endless_tag_is_let_go)
{
    cleanup(text_fini) struct text html = TEXT_EMPTY;
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    struct proxy_links l;

    text_puts(&html, "<a href=\"");
    for (size_t i = 0; i < LINKS_TAG_MAX * 2; i++)
        text_putc(&html, 'x');
    proxy_links_init(&l, &place);
    proxy_links_feed(&l, &t, html.data, html.len);
    CHECK(l.held.len < LINKS_TAG_MAX);
    proxy_links_end(&l, &t);
    proxy_links_fini(&l);
    CHECK_STR(text_str(&t), text_str(&html));
}
