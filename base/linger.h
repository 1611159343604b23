/* linger: sockets that we are done with but whose other end may still be sending.
 *
 * Closing a TCP socket with unread bytes resets the connection, and the reset destroys our
 * last answer (a 413, say) before the client has read it.  So: our side is shut down, what
 * arrives is thrown away, for at most two seconds.  Thread: loop.
 */
#ifndef BASE_LINGER_H
#define BASE_LINGER_H

#include "base/list.h"

#include <uv.h>

struct lingers {     /* embed; lingers_init .. lingers_stop */
    uv_loop_t *loop; /* borrowed */
    struct list list;
    unsigned n;
};

void lingers_init(struct lingers *set, uv_loop_t *loop);
void lingers_add(struct lingers *set, int fd); /* consumes @fd */
void lingers_stop(struct lingers *set);        /* closes all at once; handles end in the loop */

#endif
