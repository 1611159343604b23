/* layer: net */
#include "base/mem.h"
#include "net/entry_request.h"

#include <assert.h>
#include <http_parser.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    http_parser parser;
    struct entry_head head;
    bool is_head_done;
};

static struct fuzz *fuzz_of(http_parser *parser)
{
    return container_of(parser, struct fuzz, parser);
}

static int fuzz_on_url(http_parser *parser, const char *at, size_t len)
{
    return entry_head_target(&fuzz_of(parser)->head, at, len);
}

static int fuzz_on_name(http_parser *parser, const char *at, size_t len)
{
    return entry_head_name(&fuzz_of(parser)->head, at, len);
}

static int fuzz_on_value(http_parser *parser, const char *at, size_t len)
{
    return entry_head_value(&fuzz_of(parser)->head, at, len);
}

static int fuzz_on_head(http_parser *parser)
{
    fuzz_of(parser)->is_head_done = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings fuzz_settings = {
    .on_url = fuzz_on_url,
    .on_header_field = fuzz_on_name,
    .on_header_value = fuzz_on_value,
    .on_headers_complete = fuzz_on_head,
};

static int fuzz_parse(struct fuzz *f, struct entry_request *r, const char *data, size_t len)
{
    struct entry_line line;

    http_parser_init(&f->parser, HTTP_REQUEST);
    http_parser_execute(&f->parser, &fuzz_settings, data, len);
    if (!f->is_head_done || !entry_head_end(&f->head))
        return 400;
    line = (struct entry_line){ .method = http_method_str((enum http_method)f->parser.method),
                                .major = f->parser.http_major,
                                .minor = f->parser.http_minor };
    return entry_request_read(r, &f->head, &line);
}

/* What we accept and pass on must be one request with one meaning: read again it is the same,
 * and nothing comes behind its head. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct entry_forward forward = {
        .remote_ip = "10.0.0.1", .scheme = "http", .port = 80, .request_id = "0123"
    };
    struct fuzz first = { .is_head_done = false }, second = { .is_head_done = false };
    struct entry_request r = { .length = 0 }, again = { .length = 0 };
    cleanup(text_fini) struct text out = TEXT_EMPTY;
    const char *end;

    if (fuzz_parse(&first, &r, (const char *)data, size) == 0) {
        assert(text_str(&r.path)[0] == '/' && strlen(r.path.data) == r.path.len);
        assert(strstr(r.path.data, "/../") == NULL && !str_ends(r.path.data, "/.."));
        entry_request_print(&out, &r, &first.head, &forward);
        end = memmem(out.data, out.len, "\r\n\r\n", 4);
        assert(end != NULL && end + 4 == out.data + out.len);
        assert(fuzz_parse(&second, &again, out.data, out.len) == 0 || r.is_http10);
        if (!r.is_http10 || r.authority_len > 0) {
            assert(str_eq(r.host, again.host) && str_eq(r.path.data, again.path.data));
            assert(r.is_chunked == again.is_chunked && r.has_length == again.has_length);
            assert(r.length == again.length && r.upgrades == again.upgrades);
        }
    }
    entry_head_fini(&first.head);
    entry_head_fini(&second.head);
    entry_request_fini(&r);
    entry_request_fini(&again);
    return 0;
}
