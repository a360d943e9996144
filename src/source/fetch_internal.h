/* What the files of the fetcher share: see fetcher.h for the whole. */
#ifndef FRESHET_SOURCE_FETCH_INTERNAL_H
#define FRESHET_SOURCE_FETCH_INTERNAL_H

#include "kafka/api_versions.h"
#include "kafka/batches.h"
#include "kafka/fetch.h"
#include "source/fetcher.h"

#define CHUNKS_MAX      2            /* responses of a link that wait to be polled */
#define RESPONSE_BYTES  (1u << 20)   /* of records, asked for at a time */
#define PARTITION_BYTES (256u << 10) /* of them, of one partition, unless the plan says else */
#define FRAME_BYTES_MAX                                                                            \
    (256u << 20)            /* of a response: one batch may be larger than what is asked           \
                             */
#define WAIT_MS_MAX     500 /* for records to come */
#define ANSWER_NS       (30 * NS_PER_S)
#define BACK_OFF_MIN_NS (20 * NS_PER_MS)
#define BACK_OFF_MAX_NS (2 * NS_PER_S)

struct flow;

/* The records of one partition, of one response. */
struct parcel {
    struct parcel *next;
    struct chunk *chunk;
    struct flow *flow;
    uint32_t generation; /* of the flow; another one by now: what it brings is not wanted */
    int64_t end_offset;  /* of the partition, as the response said */
    struct aborted_transactions aborted;
    struct slice records;
    const char *error; /* instead of records; or NULL */
    bool is_lost;      /* `error` is that the records are gone */
};

/* A response, or as much of it as has come. */
struct chunk {
    struct chunk *next; /* among the spare ones, or those that are done with */
    struct fetch_link *link;
    char size[KAFKA_SIZE_BYTES];
    size_t size_got;
    char *frame; /* behind the size */
    size_t frame_len;
    size_t frame_got;
    size_t frame_cap;
    struct parcel *parcels; /* room for all flows */
    uint32_t parcels_cap;
    uint32_t parcels_left; /* that have not been polled to their end */
};

enum link_state {
    LINK_UNUSED,
    LINK_AWAY, /* until retry_ns */
    LINK_CONNECTING,
    LINK_ASKING_VERSIONS,
    LINK_READY,
};

struct fetch_link {
    struct fetcher *fetcher;
    unsigned number;
    enum link_state state;
    struct cluster_broker broker;
    struct chunk *chunk;        /* that is being received; there is one while connected */
    struct kafka_request asked; /* the request under way */
    bool is_asked;
    int16_t refusal; /* enum kafka_error: why the last answer was of no use */
    int64_t asked_ns;
    int64_t heard_ns;      /* when something came of the answer, or it was asked for */
    int64_t asked_wait_ns; /* how long the broker may take over it */
    int64_t retry_ns;
    unsigned attempts;
    int32_t correlation_id;
    int16_t fetch_version;
    uint32_t chunks_waiting;
};

struct flow {
    struct fetcher *fetcher;
    uint32_t source;
    int32_t partition;
    uint32_t generation;     /* goes up when what is under way is not wanted any more */
    struct fetch_link *link; /* NULL: its leader is not known */
    int64_t offset;          /* of the next record to be asked for */
    int64_t polled;          /* of the next record to be handed out */
    int64_t end_offset;      /* -1: not told yet */
    int64_t told_end;        /* FETCHED_END was handed out for this offset; -1 */
    int64_t retry_ns;        /* not to be asked for before */
    unsigned failures;       /* in a row */
    unsigned denials;        /* of these, the last ones that said that there is no such offset */
    uint32_t bytes_max;
    uint32_t asked_generation; /* at the request under way; 0: it is not in it */
    bool is_read;
    bool is_lost;  /* what comes next is gone: nothing is asked for any more */
    bool had_turn; /* in the answer that is being read */
};

struct fetcher {
    const struct plan *plan;
    struct fetch_io io;
    void (*leaders_wanted)(void *context);
    void (*report)(void *context, const char *text);
    void *context;
    uint64_t random;
    int64_t now_ns;
    struct cluster *cluster;
    int64_t leaders_due_ns; /* when they may be wanted again */
    unsigned leaders_tries;
    bool leaders_missing;
    struct fetch_link links[FETCHER_LINKS_MAX];
    struct flow ***flows; /* by source and partition; NULL: not read */
    int32_t *partition_counts;
    uint32_t partition_bytes; /* that flows begin with */
    struct flow **list;       /* all, those first that have waited longest for records */
    struct flow **turned;     /* scratch of flows_turn */
    uint32_t list_count;
    uint32_t list_cap;
    struct parcel *first; /* to be polled */
    struct parcel **last;
    struct chunk *spare;
    uint32_t spare_count;
    struct chunk *done;     /* polled, and perhaps in use until the release */
    struct batches batches; /* of the first parcel, */
    bool is_open;           /* if it has been begun */
    struct aborted_list aborted;
    struct decompressor decompressor;
    struct record *records; /* of a poll */
    size_t records_cap;
    struct fetch_partition *parts; /* scratch of a request */
    struct fetch_topic *topics;
    uint32_t parts_cap;
    struct fetcher_stats stats;
};

/* fetch_link.c */
void link_use(struct fetch_link *link, const struct cluster_broker *broker);
void link_drop(struct fetch_link *link, const char *why);
void link_turn(struct fetch_link *link);
int64_t link_deadline_ns(const struct fetch_link *link);

struct chunk *chunk_get(struct fetcher *fetcher, struct fetch_link *link);
void chunk_put(struct fetcher *fetcher, struct chunk *chunk);

/* fetch_flow.c */

/* Finds the leader's link for each flow. */
void flows_place(struct fetcher *fetcher);
struct flow *flow_find(const struct fetcher *fetcher, struct slice topic, int32_t partition);

/* What the leader answered about a partition. */
void flow_answer(struct flow *flow, struct chunk *chunk, const struct fetch_answer *answer);

/* What is under way of it is not wanted; it is asked for again from `offset` on, not at once. */
void flow_restart(struct flow *flow, int64_t offset);

/* Brokers fill an answer in the order of the request, up to a bound: those that had their turn go
 * behind those that had none. */
void flows_turn(struct fetcher *fetcher);

/* The leaders that are known are not right. */
void leaders_want(struct fetcher *fetcher);

int64_t back_off_ns(struct fetcher *fetcher, unsigned attempts);

#endif
