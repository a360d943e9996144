/* group_client - the committed offsets of a consumer group, for who is no member of it.
 *
 * Reading is always possible; the group's coordinator takes a commit only while the group has no
 * members. A member that has a static identity, as engines do, stays one until its session times
 * out, though its process has ended. Waits for answers: for commands, not for threads that turn. */
#ifndef FRESHET_SOURCE_GROUP_CLIENT_H
#define FRESHET_SOURCE_GROUP_CLIENT_H

#include <stdint.h>

#include "base/err.h"
#include "plan/plan.h"

#define GROUP_METADATA_MAX 128

struct group_client;

struct group_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;                    /* of the next record, or -1: none is committed */
    char metadata[GROUP_METADATA_MAX]; /* cut if it is longer */
};

/* Of the plan's group. Does not connect yet. */
MUST_USE int group_client_open(const struct plan *plan, struct group_client **ret, struct err *err);
void group_client_close(struct group_client *client);

/* Fills offset and metadata. -ETIMEDOUT if nobody answers, -EIO for another answer. */
MUST_USE int group_client_committed(struct group_client *client, struct group_offset *list,
                                    size_t count, int timeout_ms, struct err *err);

/* Commits all or none. -EBUSY: the group has members; -EIO for another answer. */
MUST_USE int group_client_commit(struct group_client *client, const struct group_offset *list,
                                 size_t count, struct err *err);

/* How many partitions a topic has; 0: there is no such topic. */
MUST_USE int group_client_partitions(struct group_client *client, const char *topic, int *ret_count,
                                     struct err *err);

/* The oldest record's offset, and the one behind the newest. */
MUST_USE int group_client_ends(struct group_client *client, const char *topic, int32_t partition,
                               int64_t *ret_begin, int64_t *ret_end, struct err *err);

/* After so long without a sign of life a member is none any more. */
int64_t group_client_session_timeout_ms(const struct group_client *client);

#endif
