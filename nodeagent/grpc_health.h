/* grpc_health: the one question of the gRPC health protocol, as bytes.  Pure.
 *
 * grpc.health.v1.Health/Check over HTTP/2 (grpc/doc/health-checking.md, PROTOCOL-HTTP2.md): a message is
 * a zero byte, its length in four, and protobuf of at most one field on either side, so that no protobuf
 * or gRPC library is needed.
 */
#ifndef NODEAGENT_GRPC_HEALTH_H
#define NODEAGENT_GRPC_HEALTH_H

#include "base/err.h"
#include "base/http_client.h"
#include "base/text.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

/* The body of the POST; @service "" asks for the server as a whole. */
void grpc_health_request(struct text *ret, const char *service);
/* 0: serving.  ERR_PROTOCOL with the kubelet's words: not serving, an error status, no such method. */
int grpc_health_verdict(const struct http_head *head, const void *body, size_t len,
                        struct err *err);

#endif
