#include "nodeagent/exec_process.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "nodeagent/conmon.h"

#include <string.h>

#define EXEC_PROCESS_LOG_MAX 65536

json_t *exec_process(const json_t *config, const char *const *argv, bool is_tty)
{
    json_t *process = json_deep_copy(json_at(config, "process"));
    json_t *args = json_array();

    for (; *argv != NULL; argv++)
        json_array_append_new(args, json_string(*argv));
    json_put(process, "args", args);
    json_put_bool(process, "terminal", is_tty);
    json_del(process, "consoleSize");
    if (is_tty) /* as containerd does */
        json_array_append_new(json_at(process, "env"), json_string("TERM=xterm"));
    return process;
}

json_t *exec_process_status(int exit_code)
{
    cleanup(freep) char *code = mem_fmt("%d", exit_code);
    cleanup(freep) char *message = NULL;

    if (exit_code == 0)
        return json_pack("{s:{}, s:s}", "metadata", "status", "Success");
    message = mem_fmt("command terminated with non-zero exit code: exit status %d", exit_code);
    return json_pack("{s:{}, s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "metadata", "status", "Failure",
                     "message", message, "reason", "NonZeroExitCode", "details", "causes", "reason",
                     "ExitCode", "message", code);
}

json_t *exec_process_failure(const char *container_id, const char *why)
{
    cleanup(freep) char *message = mem_fmt(
        "Internal error occurred: error executing command in container: failed to exec in "
        "container: failed to start exec \"%.12s\": OCI runtime exec failed: %s: unknown",
        container_id, why);

    return json_pack("{s:{}, s:s, s:s, s:s, s:i}", "metadata", "status", "Failure", "message",
                     message, "reason", "InternalError", "code", 500);
}

int exec_process_read_log(const char *path, struct err *err)
{
    cleanup(text_fini) struct text log = TEXT_EMPTY;
    cleanup(freep) char *why = NULL;
    struct err ignored = ERR_EMPTY;
    const char *end;

    if (file_read(&log, path, EXEC_PROCESS_LOG_MAX, &ignored) < 0 || log.len == 0)
        return err_set(err, ERR_INTERNAL, "runc left no word");
    while (log.len > 0 && log.data[log.len - 1] == '\n')
        log.data[--log.len] = '\0';
    end = strrchr(log.data, '\n');
    why = conmon_plain_message(end != NULL ? end + 1 : log.data);
    return err_set(err, ERR_INTERNAL, "%s", why);
}
