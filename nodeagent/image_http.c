#include "nodeagent/image_http.h"

#include "base/http_client.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HTTP_SILENCE_MS 60000
#define HTTP_BODY_MAX   (16 * 1024 * 1024)
#define HTTP_BLOB_MAX   ((size_t)1 << 40)

struct image_http {
    uv_loop_t loop;
    struct http_client *client;   /* owned */
    char *base, *user, *password; /* owned */
    char *authorization;          /* owned: header line, or NULL */
    /* of the call under way */
    bool done;
    int rc;
    struct err err;
    struct image_http_answer answer;
    char *challenge;   /* owned: WWW-Authenticate of a 401 */
    struct text *body; /* where a document goes */
    int file;          /* where a blob goes, or -1 */
    struct bits_sha256 *hash;
    uint64_t size;
};

int image_http_new(struct image_http **ret, const struct image_http_opts *opts, struct err *err)
{
    struct image_http *h = MEM_NEW(struct image_http);
    struct http_client_opts client = { 0 };
    int rc;

    uv_loop_init(&h->loop);
    h->file = -1;
    h->base = mem_str(opts->base);
    h->user = mem_str(opts->user);
    h->password = mem_str(opts->password);
    rc = http_client_new(&h->client, &h->loop, &client, err);
    if (rc < 0) {
        image_http_free(h);
        return rc;
    }
    *ret = h;
    return 0;
}

struct image_http *image_http_free(struct image_http *h)
{
    if (h == NULL)
        return NULL;
    if (h->client != NULL)
        http_client_close(h->client);
    loop_finish(&h->loop);
    free(h->base);
    free(h->user);
    free(h->password);
    free(h->authorization);
    free(h->challenge);
    free(h);
    return NULL;
}

/* --- one call --- */

static int image_http_on_data(void *arg, const struct http_head *head, const void *data, size_t len)
{
    struct image_http *h = arg;
    const char *p = data;

    (void)head;
    bits_sha256_add(h->hash, data, len);
    h->size += len;
    while (len > 0) {
        ssize_t n = write(h->file, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(&h->err, errno, "write layer");
            return -1;
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static void image_http_keep_head(struct image_http *h, const struct http_head *head)
{
    const char *digest = http_head_get(head, "Docker-Content-Digest");
    const char *challenge = http_head_get(head, "WWW-Authenticate");

    h->answer.status = head->status;
    snprintf(h->answer.content_type, sizeof(h->answer.content_type), "%s", head->content_type);
    snprintf(h->answer.digest, sizeof(h->answer.digest), "%.71s", digest != NULL ? digest : "");
    free(h->challenge);
    h->challenge = mem_str(challenge);
}

static void image_http_on_done(void *arg, int rc, const struct http_head *head, const void *body,
                               size_t len, const struct err *err)
{
    struct image_http *h = arg;

    h->done = true;
    h->rc = rc;
    if (rc < 0 && h->err.code == 0)
        h->err = *err;
    if (rc < 0)
        return;
    image_http_keep_head(h, head);
    if (h->body != NULL && len > 0)
        text_add(h->body, body, len);
}

static int image_http_once(struct image_http *h, const char *url, const char *accept,
                           const char *authorization, struct err *err)
{
    const char *headers[3] = { NULL };
    size_t n = 0;
    struct http_call_spec spec = { .method = "GET",
                                   .url = url,
                                   .headers = headers,
                                   .timeout_ms = -1,
                                   .silence_ms = HTTP_SILENCE_MS,
                                   .max_redirects = 5,
                                   .max_body = h->file >= 0 ? HTTP_BLOB_MAX : HTTP_BODY_MAX };
    struct http_call_listener listener = { .on_done = image_http_on_done, .arg = h };

    if (h->file >= 0)
        listener.on_data = image_http_on_data;
    if (accept != NULL)
        headers[n++] = accept;
    if (authorization != NULL)
        headers[n++] = authorization;
    h->done = false;
    h->err = (struct err)ERR_EMPTY;
    http_call(h->client, &spec, &listener);
    while (!h->done)
        uv_run(&h->loop, UV_RUN_ONCE);
    if (h->rc < 0) {
        *err = h->err;
        return h->err.code != 0 ? h->err.code : h->rc;
    }
    return 0;
}

/* --- authentication --- */

/* key="value" of a challenge; owned, or NULL. */
static char *image_http_param(const char *challenge, const char *key)
{
    cleanup(freep) char *mark = mem_fmt("%s=\"", key);
    const char *at = strstr(challenge, mark);

    if (at == NULL)
        return NULL;
    at += strlen(mark);
    return mem_strn(at, strcspn(at, "\""));
}

static char *image_http_basic(const struct image_http *h)
{
    cleanup(freep) char *plain = NULL;
    cleanup(text_fini) struct text t = TEXT_EMPTY;

    if (h->user == NULL)
        return NULL;
    plain = mem_fmt("%s:%s", h->user, h->password != NULL ? h->password : "");
    bits_base64(&t, plain, strlen(plain));
    return mem_fmt("Authorization: Basic %s", text_str(&t));
}

static int image_http_fetch_token(struct image_http *h, const char *challenge, struct err *err)
{
    cleanup(freep) char *realm = image_http_param(challenge, "realm");
    cleanup(freep) char *service = image_http_param(challenge, "service");
    cleanup(freep) char *scope = image_http_param(challenge, "scope");
    cleanup(freep) char *basic = image_http_basic(h);
    cleanup(freep) char *url = NULL;
    cleanup(text_fini) struct text body = TEXT_EMPTY;
    cleanup(json_decrefpp) json_t *tree = NULL;
    const char *token;
    int rc;

    if (realm == NULL)
        return err_set(err, ERR_PROTOCOL,
                       "the registry asks for authentication in a way we do not know: %s",
                       challenge);
    url = mem_fmt("%s?service=%s&scope=%s", realm, service != NULL ? service : "",
                  scope != NULL ? scope : "");
    h->body = &body;
    rc = image_http_once(h, url, NULL, basic, err);
    h->body = NULL;
    if (rc == 0)
        rc = json_parse(&tree, text_str(&body), body.len, NULL, err);
    if (rc < 0)
        return err_wrap(err, rc, "authenticate at %s", realm);
    token = json_str_or(tree, "token", json_str(tree, "access_token"));
    if (token == NULL)
        return err_set(err, ERR_UNAUTHORIZED, "%s refused: %.300s", realm, text_str(&body));
    h->authorization = mem_fmt("Authorization: Bearer %s", token);
    return 0;
}

static int image_http_authenticate(struct image_http *h, struct err *err)
{
    cleanup(freep) char *challenge = STEAL(h->challenge);

    free(h->authorization);
    h->authorization = NULL;
    if (challenge == NULL)
        return err_set(err, ERR_UNAUTHORIZED, "the registry wants authentication");
    if (strncasecmp(challenge, "Bearer ", 7) == 0)
        return image_http_fetch_token(h, challenge, err);
    h->authorization = image_http_basic(h);
    return h->authorization != NULL ? 0
                                    : err_set(err, ERR_UNAUTHORIZED,
                                              "the registry wants a user and password: give the "
                                              "pod an imagePullSecret");
}

/* The call; a 401 is answered once with what its challenge asks for. */
static int image_http_run(struct image_http *h, const char *path, const char *accept,
                          struct err *err)
{
    cleanup(freep) char *url = mem_fmt("%s%s", h->base, path);
    struct text *body = h->body;
    int file = h->file;
    int rc = image_http_once(h, url, accept, h->authorization, err);

    if (rc < 0 || h->answer.status != 401)
        return rc;
    h->file = -1;
    h->body = NULL;
    rc = image_http_authenticate(h, err);
    h->file = file;
    h->body = body;
    if (rc < 0)
        return rc;
    if (body != NULL)
        text_clear(body);
    return image_http_once(h, url, accept, h->authorization, err);
}

int image_http_get(struct image_http *h, const char *path, const char *accept,
                   struct image_http_answer *ret, struct text *ret_body, struct err *err)
{
    int rc;

    h->body = ret_body;
    rc = image_http_run(h, path, accept, err);
    h->body = NULL;
    if (rc == 0)
        *ret = h->answer;
    return rc;
}

int image_http_download(struct image_http *h, const char *path, const char *file,
                        char ret_hash[BITS_SHA256_HEX], uint64_t *ret_size, struct err *err)
{
    int rc;

    h->file = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (h->file < 0)
        return err_errno(err, errno, "make %s", file);
    h->hash = bits_sha256_new();
    h->size = 0;
    rc = image_http_run(h, path, NULL, err);
    bits_sha256_done(STEAL(h->hash), ret_hash);
    close(h->file);
    h->file = -1;
    if (rc == 0 && h->answer.status != 200)
        rc = err_set(err, ERR_PROTOCOL, "the registry answered %d", h->answer.status);
    if (rc == 0)
        *ret_size = h->size;
    return rc;
}
