/* layer: nodeagent */
/* passwd and group of an image, and its USER: bytes from anybody. */
#include "nodeagent/user.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(1, size + 1);
    char *passwd, *group;
    struct err err = ERR_EMPTY;
    struct user u;

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    passwd = memchr(text, '|', size);
    if (passwd != NULL)
        *passwd++ = '\0';
    group = passwd == NULL ? NULL : strchr(passwd, '|');
    if (group != NULL)
        *group++ = '\0';
    if (user_decide(&u, text, passwd, group, NULL, NULL, &err) == 0 && u.n_groups > USER_GROUPS_MAX)
        abort();
    free(text);
    return 0;
}
