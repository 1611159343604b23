/* exec_keeper: a small process that stands by one program started in a container (`runc exec
 * --detach`): so the program's streams are ours without a middleman, and its end is not lost.
 *
 * Started by exec.c as `mkube exec-keeper`.  It becomes the program's parent (subreaper), writes a
 * byte to descriptor 3 when the program runs, and ends with the program's exit code (128 + signal).
 * Descriptor 3 closed without a byte: runc failed, its log says why.  SIGTERM, or the agent's end:
 * the program gets SIGTERM and, KEEPER_GRACE_S later, SIGKILL, with its process group.
 */
#ifndef NODEAGENT_EXEC_KEEPER_H
#define NODEAGENT_EXEC_KEEPER_H

#define KEEPER_REPORT  3
#define KEEPER_STDIN   4 /* 4, 5, 6: the program's standard streams */
#define KEEPER_GRACE_S 2

/* @pid_file is what runc is told to write; @argv the runc command, NULL-terminated.  Returns the
 * exit code of the process. */
int exec_keeper(const char *pid_file, char **argv);

#endif
