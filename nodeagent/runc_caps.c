#include "nodeagent/runc_caps.h"

#include "base/mem.h"
#include "base/text.h"

#include <strings.h>

/* linux/capability.h: the index is the number. */
static const char *const cap_names[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

/* What containers have had since docker, and images expect. */
static const char *const cap_usual[] = {
    "CHOWN",  "DAC_OVERRIDE", "FSETID",  "FOWNER",           "MKNOD",      "NET_RAW", "SETGID",
    "SETUID", "SETFCAP",      "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL",    "AUDIT_WRITE",
};

static bool caps_bit(const char *name, uint64_t *ret)
{
    if (strncasecmp(name, "CAP_", 4) == 0)
        name += 4;
    for (unsigned i = 0; i < N_ELEMENTS(cap_names); i++) {
        if (strcasecmp(name, cap_names[i]) == 0) {
            *ret = UINT64_C(1) << i;
            return true;
        }
    }
    return false;
}

static int caps_read(uint64_t *ret, const json_t *list, bool *ret_all, struct err *err)
{
    size_t i;
    json_t *item;

    json_array_foreach (list, i, item) {
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        uint64_t bit;

        if (strcasecmp(name, "ALL") == 0)
            *ret_all = true;
        else if (!caps_bit(name, &bit))
            return err_set(err, ERR_INVALID, "unknown capability \"%s\"", name);
        else
            *ret |= bit;
    }
    return 0;
}

int runc_caps_decide(uint64_t *ret, const json_t *add, const json_t *drop, bool is_privileged,
                     uint64_t bounding, struct err *err)
{
    uint64_t set = 0, added = 0, dropped = 0, bit = 0;
    bool add_all = false, drop_all = false;
    int rc = caps_read(&added, add, &add_all, err);

    if (rc == 0)
        rc = caps_read(&dropped, drop, &drop_all, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < N_ELEMENTS(cap_usual); i++)
        if (caps_bit(cap_usual[i], &bit))
            set |= bit;
    if (drop_all)
        set = 0;
    if (add_all)
        set = ~UINT64_C(0);
    set = (set | added) & ~dropped;
    if (is_privileged)
        set = ~UINT64_C(0);
    *ret = set & bounding;
    return 0;
}

json_t *runc_caps_list(uint64_t set)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < N_ELEMENTS(cap_names); i++) {
        if ((set >> i & 1) == 0)
            continue;
        cleanup(freep) char *name = mem_fmt("CAP_%s", cap_names[i]);

        json_array_append_new(list, json_string(name));
    }
    return list;
}
