#include "storage/seal.h"

#include "base/aead.h"
#include "base/bits.h"
#include "base/file.h"
#include "base/mem.h"

#include <assert.h>
#include <string.h>

#define SEAL_FILE_MAX 65536

static const char seal_magic[4] = { '\x01', 'm', 'k', 's' };
#define SEAL_HEAD (sizeof(seal_magic) + SEAL_ID + AEAD_NONCE)

struct seal_key {
    char id[SEAL_ID_HEX];
    unsigned char bytes[AEAD_KEY];
    struct aead *aead; /* owned */
};

struct seal {
    char *path;
    struct seal_key keys[SEAL_KEYS]; /* the first seals */
    unsigned n_keys;
};

/* --- keys --- */

static void seal_key_fini(struct seal_key *k)
{
    aead_free(k->aead);
    explicit_bzero(k, sizeof(*k));
}

/* The id is made of the key, so that a damaged line is noticed. */
static int seal_key_init(struct seal_key *ret, const unsigned char bytes[AEAD_KEY], struct err *err)
{
    static const char label[] = "mkube key id";
    unsigned char labelled[sizeof(label) + AEAD_KEY];
    char hash[BITS_SHA256_HEX];

    memcpy(labelled, label, sizeof(label));
    memcpy(labelled + sizeof(label), bytes, AEAD_KEY);
    bits_sha256_hex(hash, labelled, sizeof(labelled));
    explicit_bzero(labelled, sizeof(labelled));
    memcpy(ret->id, hash, SEAL_ID_HEX - 1);
    ret->id[SEAL_ID_HEX - 1] = '\0';
    memcpy(ret->bytes, bytes, AEAD_KEY);
    return aead_new(&ret->aead, bytes, err);
}

static int seal_key_random(struct seal_key *ret, struct err *err)
{
    unsigned char bytes[AEAD_KEY];
    int rc;

    bits_random(bytes, sizeof(bytes));
    rc = seal_key_init(ret, bytes, err);
    explicit_bzero(bytes, sizeof(bytes));
    return rc;
}

static void seal_id_bytes(unsigned char ret[SEAL_ID], const char id[SEAL_ID_HEX])
{
    for (size_t i = 0; i < SEAL_ID; i++) {
        const char hex[3] = { id[2 * i], id[2 * i + 1], '\0' };

        ret[i] = (unsigned char)strtoul(hex, NULL, 16);
    }
}

static struct seal_key *seal_find(struct seal *s, const unsigned char id[SEAL_ID])
{
    for (unsigned i = 0; i < s->n_keys; i++) {
        unsigned char have[SEAL_ID];

        seal_id_bytes(have, s->keys[i].id);
        if (memcmp(have, id, SEAL_ID) == 0)
            return &s->keys[i];
    }
    return NULL;
}

/* --- the key file --- */

static int seal_save(struct seal *s, struct err *err)
{
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc;

    for (unsigned i = 0; i < s->n_keys; i++) {
        text_fmt(&t, "%s ", s->keys[i].id);
        bits_base64(&t, s->keys[i].bytes, AEAD_KEY);
        text_putc(&t, '\n');
    }
    rc = file_write_atomic(s->path, t.data, t.len, 0600, err);
    explicit_bzero(t.data, t.len);
    return rc;
}

static int seal_damaged(const struct seal *s, unsigned line, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "%s is damaged in line %u: restore it from the backup",
                   s->path, line);
}

static int seal_parse_line(struct seal *s, const char *line, struct err *err)
{
    const char *space = strchr(line, ' ');
    cleanup(text_fini) struct text bytes = TEXT_EMPTY;
    struct seal_key *key = &s->keys[s->n_keys];
    size_t bad;
    int rc;

    if (s->n_keys == SEAL_KEYS || space == NULL || space - line != SEAL_ID_HEX - 1 ||
        !bits_unbase64(&bytes, space + 1, strlen(space + 1), &bad) || bytes.len != AEAD_KEY)
        return seal_damaged(s, s->n_keys + 1, err);
    rc = seal_key_init(key, (const unsigned char *)bytes.data, err);
    explicit_bzero(bytes.data, bytes.len);
    if (rc == 0 && strncmp(key->id, line, SEAL_ID_HEX - 1) != 0)
        rc = seal_damaged(s, s->n_keys + 1, err);
    if (rc < 0)
        seal_key_fini(key);
    else
        s->n_keys++;
    return rc;
}

static int seal_parse(struct seal *s, const char *text, struct err *err)
{
    cleanup(strv_freep) char **lines = str_split(text, '\n');
    int rc = 0;

    for (size_t i = 0; lines[i] != NULL && rc == 0; i++) {
        if (lines[i][0] != '\0')
            rc = seal_parse_line(s, lines[i], err);
        explicit_bzero(lines[i], strlen(lines[i]));
    }
    if (rc == 0 && s->n_keys == 0)
        rc = seal_damaged(s, 1, err);
    return rc;
}

int seal_new(struct seal **ret, const char *path, struct err *err)
{
    struct seal *s = MEM_NEW(struct seal);
    cleanup(text_fini) struct text t = TEXT_EMPTY;
    int rc;

    s->path = mem_str(path);
    rc = file_read(&t, path, SEAL_FILE_MAX, err);
    if (rc == 0)
        rc = seal_parse(s, text_str(&t), err);
    if (rc == ERR_NOT_FOUND) {
        *err = (struct err)ERR_EMPTY;
        rc = 0;
    }
    if (t.len > 0)
        explicit_bzero(t.data, t.len);
    if (rc < 0)
        s = seal_free(s);
    else
        *ret = s;
    return rc;
}

struct seal *seal_free(struct seal *s)
{
    if (s == NULL)
        return NULL;
    for (unsigned i = 0; i < s->n_keys; i++)
        seal_key_fini(&s->keys[i]);
    free(s->path);
    free(s);
    return NULL;
}

int seal_ensure(struct seal *s, struct err *err)
{
    return s->n_keys > 0 ? 0 : seal_add_key(s, err);
}

int seal_add_key(struct seal *s, struct err *err)
{
    struct seal_key key = { .aead = NULL };
    int rc;

    if (s->n_keys == SEAL_KEYS)
        return err_set(err, ERR_BUSY, "%s holds %u keys already: let a rotation end first", s->path,
                       s->n_keys);
    rc = seal_key_random(&key, err);
    if (rc < 0)
        return rc;
    memmove(s->keys + 1, s->keys, s->n_keys * sizeof(key));
    s->keys[0] = key;
    s->n_keys++;
    rc = seal_save(s, err);
    if (rc == 0)
        return 0;
    seal_key_fini(&s->keys[0]); /* not on disk, so not used */
    s->n_keys--;
    memmove(s->keys, s->keys + 1, s->n_keys * sizeof(key));
    return rc;
}

int seal_drop_old(struct seal *s, struct err *err)
{
    unsigned n = s->n_keys;
    int rc;

    if (n <= 1)
        return 0;
    s->n_keys = 1;
    rc = seal_save(s, err);
    if (rc < 0) {
        s->n_keys = n;
        return rc;
    }
    for (unsigned i = 1; i < n; i++)
        seal_key_fini(&s->keys[i]);
    return 0;
}

void seal_active_id(const struct seal *s, char ret[SEAL_ID_HEX])
{
    memcpy(ret, s->n_keys > 0 ? s->keys[0].id : "", s->n_keys > 0 ? SEAL_ID_HEX : 1);
}

unsigned seal_n_keys(const struct seal *s)
{
    return s->n_keys;
}

const char *seal_path(const struct seal *s)
{
    return s->path;
}

/* --- records --- */

/* Each part ends in a NUL, which none of them can hold. */
static void seal_bind(struct text *ret, const struct seal_place *p)
{
    text_putc(ret, p->table);
    text_add(ret, p->bucket, strlen(p->bucket) + 1);
    text_add(ret, p->ns, strlen(p->ns) + 1);
    text_add(ret, p->name, strlen(p->name) + 1);
    text_fmt(ret, "%llu", (unsigned long long)p->revision);
}

bool seal_is_sealed(const void *data, size_t len)
{
    return len >= sizeof(seal_magic) && memcmp(data, seal_magic, sizeof(seal_magic)) == 0;
}

bool seal_is_current(const struct seal *s, const void *data, size_t len)
{
    unsigned char id[SEAL_ID];

    if (!seal_is_sealed(data, len) || len < SEAL_HEAD || s->n_keys == 0)
        return false;
    seal_id_bytes(id, s->keys[0].id);
    return memcmp((const char *)data + sizeof(seal_magic), id, SEAL_ID) == 0;
}

int seal_close(struct seal *s, struct text *ret, const struct seal_place *place, const void *data,
               size_t len, struct err *err)
{
    cleanup(text_fini) struct text bound = TEXT_EMPTY;
    unsigned char head[SEAL_HEAD], *nonce = head + SEAL_HEAD - AEAD_NONCE;
    char *body = mem_array(1, len + AEAD_TAG);
    int rc;

    assert(s->n_keys > 0);
    memcpy(head, seal_magic, sizeof(seal_magic));
    seal_id_bytes(head + sizeof(seal_magic), s->keys[0].id);
    bits_random(nonce, AEAD_NONCE);
    seal_bind(&bound, place);
    rc = aead_close(s->keys[0].aead, nonce, (struct aead_bound){ bound.data, bound.len }, data, len,
                    body, err);
    text_clear(ret);
    text_add(ret, head, SEAL_HEAD);
    text_add(ret, body, len + AEAD_TAG);
    free(body);
    return rc;
}

static int seal_no_key(const struct seal *s, const unsigned char id[SEAL_ID],
                       const struct seal_place *place, struct err *err)
{
    cleanup(text_fini) struct text hex = TEXT_EMPTY;

    for (size_t i = 0; i < SEAL_ID; i++)
        text_fmt(&hex, "%02x", id[i]);
    return err_set(err, ERR_NOT_FOUND,
                   "%s of revision %llu are sealed with key %s, which is not in %s: restore that "
                   "file from the backup that belongs to this database",
                   place->bucket, (unsigned long long)place->revision, text_str(&hex), s->path);
}

int seal_open(struct seal *s, struct text *ret, const struct seal_place *place, const void *data,
              size_t len, struct err *err)
{
    const unsigned char *head = data;
    const unsigned char *id = head + sizeof(seal_magic);
    cleanup(text_fini) struct text bound = TEXT_EMPTY;
    struct seal_key *key;
    char *body;

    if (!seal_is_sealed(data, len) || len < SEAL_HEAD + AEAD_TAG)
        return err_set(err, ERR_CORRUPT, "a sealed record of %s is cut short", place->bucket);
    key = seal_find(s, id);
    if (key == NULL)
        return seal_no_key(s, id, place, err);
    seal_bind(&bound, place);
    body = mem_array(1, len);
    if (!aead_open(key->aead, id + SEAL_ID, (struct aead_bound){ bound.data, bound.len },
                   head + SEAL_HEAD, len - SEAL_HEAD, body)) {
        free(body);
        return err_set(err, ERR_CORRUPT,
                       "a sealed record of %s (%s, revision %llu) was altered or moved",
                       place->bucket, place->name, (unsigned long long)place->revision);
    }
    text_clear(ret);
    text_add(ret, body, len - SEAL_HEAD - AEAD_TAG);
    explicit_bzero(body, len);
    free(body);
    return 0;
}
