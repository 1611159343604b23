#include "nodeagent/user.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* One line of passwd(5) or group(5), its fields in place; false at the end. */
static bool user_line(const char **text, char *line, size_t size, char *fields[7])
{
    const char *end;
    size_t len, n = 0;

    if (*text == NULL || **text == '\0')
        return false;
    end = strchrnul(*text, '\n');
    len = (size_t)(end - *text);
    if (len >= size)
        len = size - 1;
    memcpy(line, *text, len);
    line[len] = '\0';
    *text = *end == '\0' ? end : end + 1;
    for (n = 0; n < 7; n++)
        fields[n] = strsep(&line, ":");
    return true;
}

static bool user_number(const char *s, uint32_t *ret)
{
    uint64_t n;

    if (s == NULL || !str_u64(s, &n) || n > UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

/* Finds @who (name, or number when @is_number) in passwd. */
static bool user_passwd(struct user *u, const char *passwd, const char *who, bool by_uid)
{
    char line[1024], *f[7];

    while (user_line(&passwd, line, sizeof(line), f)) {
        uint32_t uid, gid;

        if (!user_number(f[2], &uid) || !user_number(f[3], &gid))
            continue;
        if (by_uid ? uid != u->uid : !str_eq(f[0], who))
            continue;
        u->uid = uid;
        u->gid = gid;
        if (!str_empty(f[5]))
            snprintf(u->home, sizeof(u->home), "%s", f[5]);
        return true;
    }
    return false;
}

static bool user_group(const char *group, const char *name, uint32_t *ret)
{
    char line[4096], *f[7];

    while (user_line(&group, line, sizeof(line), f))
        if (str_eq(f[0], name) && user_number(f[2], ret))
            return true;
    return false;
}

static void user_add_group(struct user *u, uint32_t gid)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (u->groups[i] == gid)
            return;
    if (u->n_groups < USER_GROUPS_MAX)
        u->groups[u->n_groups++] = gid;
}

/* Groups of which passwd's @name is a member. */
static void user_memberships(struct user *u, const char *group, const char *name)
{
    char line[4096], *f[7];

    while (user_line(&group, line, sizeof(line), f)) {
        uint32_t gid;
        char *members = f[3], *m;

        while (user_number(f[2], &gid) &&
               (m = members == NULL ? NULL : strsep(&members, ",")) != NULL)
            if (str_eq(m, name))
                user_add_group(u, gid);
    }
}

static int user_from_image(struct user *u, const char *spec, const char *passwd, const char *group,
                           struct err *err)
{
    const char *colon = strchr(spec, ':');
    cleanup(freep) char *name = colon == NULL ? mem_str(spec)
                                              : mem_strn(spec, (size_t)(colon - spec));

    if (name[0] == '\0' || user_number(name, &u->uid))
        user_passwd(u, passwd, NULL, true);
    else if (!user_passwd(u, passwd, name, false))
        return err_set(err, ERR_INVALID,
                       "unable to find user %s: no matching entries in passwd file", name);
    else
        user_memberships(u, group, name);
    if (colon != NULL && !user_number(colon + 1, &u->gid) && !user_group(group, colon + 1, &u->gid))
        return err_set(err, ERR_INVALID,
                       "unable to find group %s: no matching entries in group file", colon + 1);
    return 0;
}

/* A number of either level, the container's first. */
static int64_t user_setting(const json_t *pod_sc, const json_t *container_sc, const char *name)
{
    return json_int(container_sc, name, json_int(pod_sc, name, -1));
}

int user_decide(struct user *ret, const char *image_user, const char *passwd, const char *group,
                const json_t *pod_sc, const json_t *container_sc, struct err *err)
{
    struct user u = { .home = "/" };
    int64_t uid = user_setting(pod_sc, container_sc, "runAsUser");
    int64_t gid = user_setting(pod_sc, container_sc, "runAsGroup");
    int64_t fs_group = json_int(pod_sc, "fsGroup", -1);
    bool named = image_user != NULL && image_user[0] != '\0' &&
                 strspn(image_user, "0123456789") != strcspn(image_user, ":");
    bool non_root = json_bool(container_sc, "runAsNonRoot",
                              json_bool(pod_sc, "runAsNonRoot", false));
    size_t i;
    json_t *item;
    int rc = 0;

    if (non_root && uid < 0 && named)
        return err_set(err, ERR_FORBIDDEN,
                       "container has runAsNonRoot and image has non-numeric user "
                       "(%.*s), cannot verify user is non-root",
                       (int)strcspn(image_user, ":"), image_user);
    if (uid >= 0) {
        u.uid = (uint32_t)uid;
        user_passwd(&u, passwd, NULL, true);
    } else {
        rc = user_from_image(&u, image_user == NULL ? "" : image_user, passwd, group, err);
    }
    if (rc < 0)
        return rc;
    if (gid >= 0)
        u.gid = (uint32_t)gid;
    if (non_root && u.uid == 0)
        return err_set(err, ERR_FORBIDDEN,
                       uid == 0 ? "container's runAsUser breaks non-root policy"
                                : "container has runAsNonRoot and image will run as root");
    json_array_foreach (json_at(pod_sc, "supplementalGroups"), i, item)
        user_add_group(&u, (uint32_t)json_integer_value(item));
    if (fs_group >= 0)
        user_add_group(&u, (uint32_t)fs_group);
    *ret = u;
    return 0;
}
