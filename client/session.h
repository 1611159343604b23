/* session: one run of a client verb: whom it talks to, in which namespace, and its calls.
 *
 * Calls are waited for, so that verbs read from top to bottom; streams hand their bytes over as
 * they come.  What went wrong is told in kubectl's words.  Thread: main.
 */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "api/client.h"
#include "api/schema.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "client/opts.h"

/* Tables as kubectl asks for them; objects as they are. */
#define SESSION_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
#define SESSION_JSON  "application/json"

struct session;

struct session_opts {       /* borrowed; filled by the flags below */
    const char *kubeconfig; /* NULL: as oneshot_find_config */
    const char *ns;         /* NULL: the context's, else "default" */
};
#define SESSION_FLAGS(o)                                                                     \
    { "namespace", 'n', OPT_TEXT, &(o)->ns, "NS", "namespace (default: the kubeconfig's)" }, \
    {                                                                                        \
        "kubeconfig", 0, OPT_TEXT, &(o)->kubeconfig, "FILE",                                 \
            "default $KUBECONFIG, else this host's server, else ~/.kube/config"              \
    }

int session_new(struct session **ret, const struct session_opts *opts, struct err *err);
struct session *session_free(struct session *s);
void session_freep(struct session **s);
const char *session_namespace(const struct session *s);
bool session_forced_ns(const struct session *s); /* -n was given: manifests must agree */
uv_loop_t *session_loop(struct session *s);
const struct client_config *session_config(const struct session *s);
const char *session_authorization(const struct session *s); /* "Authorization: ..." or NULL */
const char *session_server(const struct session *s);        /* "https://10.0.0.1:6443" */

/* Asks once which kinds there are beside the built-in ones; the schema's lookups know them after. */
int session_discover(struct session *s, struct err *err);
/* target_parse and target_of_object with the server's kinds: it is asked when a word is none of ours. */
struct target_list;
int session_targets(struct session *s, struct target_list *ret, int argc, char **argv,
                    struct err *err);
int session_of_object(struct session *s, const struct schema_resource **ret, const char **ret_ns,
                      const json_t *object, struct err *err);

struct session_answer {
    int status;   /* HTTP; 0: no answer came */
    json_t *body; /* owned; the object, or the Status that says why not */
};
void session_answer_fini(struct session_answer *a);

/* 0 for 2xx; else ERR_* with the server's message, and @ret holds its Status.  @ret is overwritten. */
int session_call(struct session *s, const char *method, const char *path, const char *content_type,
                 const json_t *body, struct session_answer *ret, struct err *err);
/* GET with this Accept; one tree. */
int session_get(struct session *s, const char *path, const char *accept, struct session_answer *ret,
                struct err *err);

/* Bytes of a 2xx answer; non-zero ends the stream. */
typedef int (*session_data_fn)(void *arg, const char *data, size_t len);
/* GET without an end of its own.  0: the server or the callback ended it. */
int session_stream(struct session *s, const char *path, const char *accept, session_data_fn fn,
                   void *arg, struct session_answer *ret, struct err *err);
/* The same for so long at most (-1: no limit): then ERR_TIMEOUT. */
int session_stream_within(struct session *s, const char *path, const char *accept, int64_t ms,
                          session_data_fn fn, void *arg, struct session_answer *ret,
                          struct err *err);
/* The same without waiting: several at a time, until session_run_all says that all have ended.
 * @done gets what session_stream would return; its answer lives until it returns. */
typedef void (*session_done_fn)(void *arg, int rc, const struct session_answer *answer,
                                const struct err *err);
int session_start(struct session *s, const char *path, const char *accept, session_data_fn fn,
                  session_done_fn done, void *arg, struct err *err);
void session_run_all(struct session *s);
/* One event of a watch: "ADDED", "MODIFIED", "DELETED", "BOOKMARK"; non-zero ends it. */
typedef int (*session_event_fn)(void *arg, const char *type, const json_t *object);
/* An ERROR event is a failure, as a refused request is. */
int session_watch(struct session *s, const char *path, const char *accept, session_event_fn fn,
                  void *arg, struct session_answer *ret, struct err *err);
/* The same for so long at most (-1: no limit, 0: not at all): then ERR_TIMEOUT. */
int session_watch_within(struct session *s, const char *path, const char *accept, int64_t ms,
                         session_event_fn fn, void *arg, struct session_answer *ret,
                         struct err *err);

/* Waits; what comes meanwhile on the session's loop is handled. */
void session_pause(struct session *s, int64_t ms);

/* What session_* refused as a line on stderr, in kubectl's words:
 * `Error from server (NotFound): pods "x" not found`.  @doing (may be NULL) stands before the
 * message: `error when creating "f.yaml"`.  Returns VERB_FAILED. */
int session_complain(const struct session_answer *a, const struct err *err, const char *doing);

/* Appends "?name=value" or "&name=value", the value percent-encoded. */
void session_query(struct text *path, const char *name, const char *value);

#endif
