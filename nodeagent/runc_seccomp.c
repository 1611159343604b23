#include "nodeagent/runc_seccomp.h"

#include "base/mem.h"

#include <linux/capability.h>

#define SECCOMP_ALWAYS (-1) /* refused whatever the capabilities */

static const struct {
    const char *syscall;
    int unless; /* capability that allows it */
} denied[] = {
    { "acct", CAP_SYS_PACCT },
    { "add_key", SECCOMP_ALWAYS },
    { "bpf", CAP_BPF },
    { "clock_adjtime", CAP_SYS_TIME },
    { "clock_settime", CAP_SYS_TIME },
    { "create_module", SECCOMP_ALWAYS },
    { "delete_module", CAP_SYS_MODULE },
    { "finit_module", CAP_SYS_MODULE },
    { "fsconfig", CAP_SYS_ADMIN },
    { "fsmount", CAP_SYS_ADMIN },
    { "fsopen", CAP_SYS_ADMIN },
    { "fspick", CAP_SYS_ADMIN },
    { "get_mempolicy", CAP_SYS_NICE },
    { "init_module", CAP_SYS_MODULE },
    { "ioperm", CAP_SYS_RAWIO },
    { "iopl", CAP_SYS_RAWIO },
    { "kcmp", CAP_SYS_PTRACE },
    { "kexec_file_load", CAP_SYS_BOOT },
    { "kexec_load", CAP_SYS_BOOT },
    { "keyctl", SECCOMP_ALWAYS },
    { "lookup_dcookie", CAP_SYS_ADMIN },
    { "mbind", CAP_SYS_NICE },
    { "mount", CAP_SYS_ADMIN },
    { "mount_setattr", CAP_SYS_ADMIN },
    { "move_mount", CAP_SYS_ADMIN },
    { "move_pages", CAP_SYS_NICE },
    { "name_to_handle_at", CAP_DAC_READ_SEARCH },
    { "nfsservctl", SECCOMP_ALWAYS },
    { "open_by_handle_at", CAP_DAC_READ_SEARCH },
    { "open_tree", CAP_SYS_ADMIN },
    { "perf_event_open", CAP_PERFMON },
    { "pivot_root", CAP_SYS_ADMIN },
    { "quotactl", CAP_SYS_ADMIN },
    { "quotactl_fd", CAP_SYS_ADMIN },
    { "reboot", CAP_SYS_BOOT },
    { "request_key", SECCOMP_ALWAYS },
    { "set_mempolicy", CAP_SYS_NICE },
    { "setns", CAP_SYS_ADMIN },
    { "settimeofday", CAP_SYS_TIME },
    { "swapoff", CAP_SYS_ADMIN },
    { "swapon", CAP_SYS_ADMIN },
    { "syslog", CAP_SYSLOG },
    { "umount", CAP_SYS_ADMIN },
    { "umount2", CAP_SYS_ADMIN },
    { "unshare", CAP_SYS_ADMIN },
    { "userfaultfd", SECCOMP_ALWAYS },
    { "vhangup", CAP_SYS_TTY_CONFIG },
    { "vm86", SECCOMP_ALWAYS },
    { "vm86old", SECCOMP_ALWAYS },
};

json_t *runc_seccomp_make(uint64_t capabilities)
{
    json_t *names = json_array();

    for (size_t i = 0; i < N_ELEMENTS(denied); i++)
        if (denied[i].unless == SECCOMP_ALWAYS || (capabilities >> denied[i].unless & 1) == 0)
            json_array_append_new(names, json_string(denied[i].syscall));
    return json_pack("{s:s, s:[s,s,s], s:[{s:o, s:s, s:i}]}", "defaultAction", "SCMP_ACT_ALLOW",
                     "architectures", "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32",
                     "syscalls", "names", names, "action", "SCMP_ACT_ERRNO", "errnoRet", 1);
}
