/* Any bytes as replies of Redis: read to the end or refused, and the same however they come in
 * pieces. */
#include "fuzz.h"

#include <errno.h>

#include "base/hash.h"
#include "sink/redis_reply.h"

/* What a stream of replies comes to. */
struct outcome {
    uint64_t replies;
    uint64_t hash; /* of all of them */
    int rc;        /* the last answer: 0 or -EPROTO */
};

static void take_reply(struct outcome *outcome, const struct redis_reply *reply)
{
    uint64_t hash = reply->kind;

    CHECK(reply->kind <= REDIS_ERROR);
    if (reply->kind == REDIS_NUMBER) {
        hash ^= hash64_int((uint64_t)reply->number);
    } else {
        CHECK(reply->text.len <= REDIS_TEXT_MAX);
        hash ^= hash64(reply->text);
        redis_info_value(reply->text, "run_id");
    }
    if (reply->kind == REDIS_ERROR)
        CHECK(redis_error_of(reply->text) < REDIS_ERROR_COUNT);
    outcome->replies++;
    outcome->hash = hash64_int(outcome->hash ^ hash);
}

/* Reads what there is; false after an error. */
static bool take_replies(struct redis_replies *replies, struct outcome *outcome)
{
    struct redis_reply reply;

    while ((outcome->rc = redis_replies_next(replies, &reply)) == 1)
        take_reply(outcome, &reply);
    CHECK(outcome->rc == 0 || outcome->rc == -EPROTO);
    return outcome->rc == 0;
}

static struct outcome outcome_of(struct slice bytes, size_t piece_max)
{
    struct redis_replies *replies = redis_replies_create();
    struct outcome outcome = {0};
    bool go_on = true;

    for (size_t at = 0; at < bytes.len && go_on; at += piece_max) {
        size_t len = MIN(piece_max, bytes.len - at);
        char *piece = exact_copy((const uint8_t *)bytes.data + at, len);

        redis_replies_feed(replies, (struct slice){piece, len});
        free(piece);
        go_on = take_replies(replies, &outcome);
    }
    redis_replies_free(replies);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct outcome whole = outcome_of(bytes, MAX(size, (size_t)1));
    struct outcome pieces = outcome_of(bytes, 1 + size % 7);

    CHECK(whole.rc == pieces.rc);
    CHECK(whole.replies == pieces.replies && whole.hash == pieces.hash);
    return 0;
}
