/* socket: options of TCP sockets that more than one of us sets. */
#ifndef BASE_SOCKET_H
#define BASE_SOCKET_H

/* Streams stay silent for hours; a peer that lost its power is found all the same, after about
 * two minutes of silence. */
void socket_keep_alive(int fd);
/* What is written leaves at once: all of ours write whole messages. */
void socket_no_delay(int fd);

#endif
