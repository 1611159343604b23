/* log_rotate: keeps a container's log within bounds: the file and four older ones.
 *
 * conmon is told to begin a new file after the rename (life_reopen_log), so that no line is lost.
 * Blocking for a stat and, seldom, two renames.
 */
#ifndef NODEAGENT_LOG_ROTATE_H
#define NODEAGENT_LOG_ROTATE_H

#include <stdbool.h>

#define LOG_ROTATE_BYTES (10 << 20)
#define LOG_ROTATE_OLD   4 /* "<path>.1" to "<path>.4": the kubelet keeps five as well */

/* True: @path was over its size and has been moved away. */
bool log_rotate(const char *path);
/* Removes a log with its older parts. */
void log_rotate_remove(const char *path);

#endif
