#include "nodeagent/log_rotate.h"

#include "base/mem.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool log_rotate(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0 || st.st_size < LOG_ROTATE_BYTES)
        return false;
    for (int i = LOG_ROTATE_OLD; i > 0; i--) {
        cleanup(freep) char *to = mem_fmt("%s.%d", path, i);
        cleanup(freep) char *from = i == 1 ? mem_str(path) : mem_fmt("%s.%d", path, i - 1);

        if (rename(from, to) < 0 && i == 1)
            return false;
    }
    return true;
}

void log_rotate_remove(const char *path)
{
    unlink(path);
    for (int i = 1; i <= LOG_ROTATE_OLD; i++) {
        cleanup(freep) char *old = mem_fmt("%s.%d", path, i);

        unlink(old);
    }
}
