#include "net/entry_auth.h"

#include "base/bits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/work.h"
#include "net/entry_htpasswd.h"

#include <assert.h>
#include <string.h>

#define ENTRY_AUTH_MAX_KNOWN 4096
/* Comparisons under way: the threads are shared with others. */
#define ENTRY_AUTH_MAX_JOBS  32
/* Longer credentials are wrong ones: bcrypt itself looks at 72 bytes. */
#define ENTRY_AUTH_MAX_LEN   1024

struct entry_auth {
    uv_loop_t *loop;   /* borrowed */
    struct map *users; /* "ns/secret" to struct entry_users, owned */
    struct map *known; /* hash of hash and credentials to answer + 1 */
    struct map *jobs;  /* the same to struct entry_auth_job, not owned */
};

struct entry_users {
    char *file; /* owned */
    bool is_fresh;
};

struct entry_auth_job {
    struct entry_auth *auth; /* NULL: closed meanwhile */
    struct list tickets;
    char key[BITS_SHA256_HEX];
    char *hash, *password; /* the thread's until it is done */
    bool is_right;
};

static void entry_users_free(void *value)
{
    struct entry_users *u = value;

    free(u->file);
    free(u);
}

struct entry_auth *entry_auth_new(uv_loop_t *loop)
{
    struct entry_auth *a = MEM_NEW(struct entry_auth);

    a->loop = loop;
    a->users = map_new(entry_users_free);
    a->known = map_new(NULL);
    a->jobs = map_new(NULL);
    return a;
}

struct entry_auth *entry_auth_close(struct entry_auth *a)
{
    size_t it = 0;
    const char *key;
    void *value;

    if (a == NULL)
        return NULL;
    while (map_each(a->jobs, &it, &key, &value)) {
        struct entry_auth_job *job = value;

        assert(list_empty(&job->tickets));
        job->auth = NULL;
    }
    map_free(a->users);
    map_free(a->known);
    map_free(a->jobs);
    free(a);
    return NULL;
}

/* --- users --- */

static void entry_auth_add(struct text *file, const char *user, const json_t *value)
{
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    size_t bad;

    if (!json_is_string(value) ||
        !bits_unbase64(&plain, json_string_value(value), json_string_length(value), &bad))
        return;
    if (user != NULL)
        text_fmt(file, "%s:%.*s\n", user, (int)strcspn(text_str(&plain), "\r\n"), text_str(&plain));
    else
        text_puts(file, text_str(&plain));
}

void entry_auth_put(struct entry_auth *a, const char *key, bool is_map, const json_t *secret)
{
    json_t *data = json_object_get(secret, "data");
    cleanup(text_fini) struct text file = TEXT_EMPTY;
    struct entry_users *u;
    const char *user;
    json_t *value;

    if (data == NULL || (!is_map && json_object_get(data, "auth") == NULL)) {
        map_del(a->users, key);
        return;
    }
    if (!is_map)
        entry_auth_add(&file, NULL, json_object_get(data, "auth"));
    else
        json_object_foreach (data, user, value)
            entry_auth_add(&file, user, value);
    u = MEM_NEW(struct entry_users);
    u->file = text_take(&file);
    u->is_fresh = true;
    map_put(a->users, key, u);
}

void entry_auth_sweep(struct entry_auth *a)
{
    size_t it = 0;
    const char *key;
    void *value;

    while (map_each(a->users, &it, &key, &value)) {
        struct entry_users *u = value;

        if (!u->is_fresh)
            map_del(a->users, key);
        else
            u->is_fresh = false;
    }
}

/* --- comparing --- */

static int entry_auth_run(void *arg, struct err *err UNUSED)
{
    struct entry_auth_job *job = arg;

    job->is_right = entry_htpasswd_is(job->hash, job->password);
    return 0;
}

static void entry_auth_know(struct entry_auth *a, const char *key, bool is_right)
{
    if (map_len(a->known) >= ENTRY_AUTH_MAX_KNOWN) {
        map_free(a->known);
        a->known = map_new(NULL);
    }
    map_put(a->known, key, (void *)(uintptr_t)((is_right ? ENTRY_AUTH_YES : ENTRY_AUTH_NO) + 1));
}

static void entry_auth_on_done(void *arg, int rc, const struct err *err UNUSED)
{
    struct entry_auth_job *job = arg;
    enum entry_auth_answer answer = rc < 0          ? ENTRY_AUTH_BROKEN
                                    : job->is_right ? ENTRY_AUTH_YES
                                                    : ENTRY_AUTH_NO;

    if (job->auth != NULL) {
        map_del(job->auth->jobs, job->key);
        if (rc == 0)
            entry_auth_know(job->auth, job->key, job->is_right);
    }
    while (!list_empty(&job->tickets)) {
        struct entry_auth_ticket *t = list_entry(job->tickets.next, struct entry_auth_ticket, link);

        entry_auth_cancel(t);
        t->on_answer(t, answer);
    }
    explicit_bzero(job->password, strlen(job->password));
    free(job->password);
    free(job->hash);
    free(job);
}

void entry_auth_cancel(struct entry_auth_ticket *ticket)
{
    if (ticket->is_waiting)
        list_del(&ticket->link);
    ticket->is_waiting = false;
}

/* @hash is consumed. */
static enum entry_auth_answer entry_auth_compare(struct entry_auth *a, char *hash,
                                                 const char *password,
                                                 struct entry_auth_ticket *ticket)
{
    cleanup(freep) char *own_hash = hash;
    struct bits_sha256 *sum = bits_sha256_new();
    struct entry_auth_job *job;
    char key[BITS_SHA256_HEX];
    uintptr_t known;

    bits_sha256_add(sum, hash, strlen(hash) + 1);
    bits_sha256_add(sum, password, strlen(password));
    bits_sha256_done(sum, key);
    known = (uintptr_t)map_get(a->known, key);
    if (known > 0)
        return (enum entry_auth_answer)(known - 1);
    job = map_get(a->jobs, key);
    if (job == NULL && map_len(a->jobs) >= ENTRY_AUTH_MAX_JOBS)
        return ENTRY_AUTH_BROKEN;
    if (job == NULL) {
        job = MEM_NEW(struct entry_auth_job);
        job->auth = a;
        list_init(&job->tickets);
        memcpy(job->key, key, sizeof(key));
        job->hash = STEAL(own_hash);
        job->password = mem_str(password);
        map_put(a->jobs, key, job);
        work_submit(a->loop, entry_auth_run, entry_auth_on_done, job);
    }
    list_init(&ticket->link);
    list_add_tail(&job->tickets, &ticket->link);
    ticket->is_waiting = true;
    return ENTRY_AUTH_LATER;
}

enum entry_auth_answer entry_auth_ask(struct entry_auth *a, const struct entry_basic *basic,
                                      const char *credentials, size_t len,
                                      struct entry_auth_ticket *ticket)
{
    const struct entry_users *users = basic->secret != NULL ? map_get(a->users, basic->secret)
                                                            : NULL;
    cleanup(text_fini) struct text plain = TEXT_EMPTY;
    enum entry_auth_answer answer;
    char *colon, *hash;
    size_t bad;

    if (users == NULL)
        return ENTRY_AUTH_BROKEN;
    if (len == 0 || len > ENTRY_AUTH_MAX_LEN || !bits_unbase64(&plain, credentials, len, &bad) ||
        plain.len == 0 || memchr(plain.data, '\0', plain.len) != NULL)
        return ENTRY_AUTH_NO;
    colon = strchr(plain.data, ':');
    if (colon == NULL)
        return ENTRY_AUTH_NO;
    *colon = '\0';
    hash = entry_htpasswd_find(users->file, plain.data);
    if (hash == NULL)
        return ENTRY_AUTH_NO;
    answer = entry_auth_compare(a, hash, colon + 1, ticket);
    explicit_bzero(plain.data, plain.len);
    return answer;
}
