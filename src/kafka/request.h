/* request - what all requests and responses have around them: size, header, versions.
 *
 *   request    size: int32 | api: int16 | version: int16 | correlation id: int32 | client id:
 * string | tagged fields, if it is flexible | body response   size: int32 | correlation id: int32 |
 * tagged fields, if it is flexible | body
 *
 * Two exceptions: the client id is never compact, and the header of an ApiVersions response is
 * never flexible, since the broker may not have known the version that it was asked with.
 *
 * Pure functions over bytes. What is appended to a buf is as long as the caller's names and arrays.
 * Source: Kafka protocol guide, "Network", "The Messages"; KIP-482, KIP-511. */
#ifndef FRESHET_KAFKA_REQUEST_H
#define FRESHET_KAFKA_REQUEST_H

#include "kafka/wire.h"

/* Each request that is known here, and the versions that are: X(arg, API, key, first, last,
 * flexible from). Why these: docs/INGEST.md. */
#define KAFKA_APIS(X, arg)                                                                         \
    X(arg, FETCH, 1, 4, 12, 12)                                                                    \
    X(arg, LIST_OFFSETS, 2, 1, 5, 6)                                                               \
    X(arg, API_VERSIONS, 18, 0, 3, 3)

enum kafka_api {
#define KAFKA_API_ENTRY(arg, api, key, first, last, flexible) KAFKA_API_##api,
    KAFKA_APIS(KAFKA_API_ENTRY, _)
#undef KAFKA_API_ENTRY
        KAFKA_API_COUNT
};

struct kafka_versions {
    int16_t first;
    int16_t last; /* below `first`: none */
};

/* That this side knows. */
struct kafka_versions kafka_api_versions(enum kafka_api api);

/* The api with that key, or KAFKA_API_COUNT. */
enum kafka_api kafka_api_of(int16_t key);

/* The newest that both sides know; -ENOTSUP: there is none. */
MUST_USE int kafka_api_choose(enum kafka_api api, struct kafka_versions broker,
                              int16_t *ret_version);

struct kafka_request {
    enum kafka_api api;
    int16_t version;        /* one that this side knows */
    int32_t correlation_id; /* comes back in the response; the caller's choice */
    struct slice client_id; /* data NULL: none */
};

bool kafka_request_flexible(const struct kafka_request *request);

/* Begins a request behind what `out` has; returns where, for request_end. The body goes between. */
MUST_USE size_t kafka_request_begin(struct buf *out, const struct kafka_request *request);
void kafka_request_end(struct buf *out, size_t begin);

#define KAFKA_SIZE_BYTES 4

/* The response at the front of what has been received. 1: it is there, as *ret_frame, without its
 * size; the next begins behind it. 0: it is not yet; *ret_frame has data NULL, and as len what the
 * frame will take, its size included, or KAFKA_SIZE_BYTES as long as that is not known. -EBADMSG:
 * its size is negative, too small for a header, or above `frame_max`. */
MUST_USE int kafka_response_frame(struct slice received, size_t frame_max, struct slice *ret_frame);

/* Reads the header; the body is what is left in *ret_body. Responses come in the order of the
 * requests on a connection: one with another correlation id than `asked` is -EBADMSG. */
MUST_USE int kafka_response_begin(struct slice frame, const struct kafka_request *asked,
                                  struct wire_reader *ret_body);

/* Error codes that answers to these requests may have and that somebody acts upon. Source: Kafka
 * protocol guide, "Error Codes". */
enum kafka_error {
    KAFKA_ERROR_UNKNOWN = -1,
    KAFKA_ERROR_NONE = 0,
    KAFKA_ERROR_OFFSET_OUT_OF_RANGE = 1,
    KAFKA_ERROR_CORRUPT_MESSAGE = 2,
    KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION = 3,
    KAFKA_ERROR_LEADER_NOT_AVAILABLE = 5,
    KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER = 6,
    KAFKA_ERROR_REPLICA_NOT_AVAILABLE = 9,
    KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED = 29,
    KAFKA_ERROR_UNSUPPORTED_VERSION = 35,
    KAFKA_ERROR_UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    KAFKA_ERROR_KAFKA_STORAGE_ERROR = 56,
    KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND = 70,
    KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH = 71,
    KAFKA_ERROR_FENCED_LEADER_EPOCH = 74,
    KAFKA_ERROR_UNKNOWN_LEADER_EPOCH = 75,
    KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE = 76,
    KAFKA_ERROR_OFFSET_NOT_AVAILABLE = 78,
};

#endif
