/* quota: what objects use of a ResourceQuota.  Changes nothing; the figures are Kubernetes' (quota
 * evaluators of v1.32).
 *
 * @quota is a ResourceQuota; usage is a ResourceList under the names that quotas limit: "pods",
 * "requests.cpu", "services.nodeports", "gold.storageclass.storage.k8s.io/requests.storage",
 * "count/deployments.apps".
 *
 * A dying pod that is past its grace counts no more, though it may stay for long on a node that is
 * away.  Only time tells, no write; so the quota says itself up to when its figures know of time
 * (an annotation, in wall ms; -1 = never yet), and whoever adds or takes away counts by that.
 */
#ifndef API_QUOTA_H
#define API_QUOTA_H

#include "base/json.h"
#include "base/text.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

/* What one object of @bucket uses at @known_ms; the caller's.  @tree may be NULL where
 * quota_needs_tree says so: its count is all. */
json_t *quota_usage(const char *bucket, const json_t *tree, int64_t known_ms);
bool quota_needs_tree(const char *bucket);

/* The bucket whose objects use the quota name @name, borrowed from it or static; NULL if none. */
const char *quota_bucket(const char *name);

/* Whether the scopes of @quota let the object count at all. */
bool quota_covers(const json_t *quota, const char *bucket, const json_t *tree);

/* Adds to @used what the object uses of @quota: of names that it limits, if it covers it. */
void quota_take(json_t *used, const json_t *quota, const char *bucket, const json_t *tree);
/* Every name that @quota limits, at zero; the caller's. */
json_t *quota_nothing(const json_t *quota);
/* Whether status says the limits of spec, and what is used of each. */
bool quota_is_told(const json_t *quota);

/* All that the objects of its namespace use of @quota; the caller's.  @latest: with what is
 * submitted and not yet visible. */
json_t *quota_count(const struct store *store, const json_t *quota, bool latest);

/* "must specify limits.cpu for: a,b; requests.cpu for: a"; nothing when @pod says all it must. */
void quota_missing(struct text *ret, const json_t *quota, const json_t *pod);

/* When a dying pod stops to count, in wall ms; -1 if nothing of it changes with time. */
int64_t quota_expiry(const json_t *pod);
int64_t quota_known_ms(const json_t *quota);
void quota_know(json_t *quota, int64_t known_ms);

#endif
