/* plan - the pipeline file, compiled: names resolved to numbers, cells to offsets.
 *
 *   sources[] ──▶ fields[]      slots that decode fills, by field number
 *             ──▶ predicates[]  distinct `where` conditions; an event carries one bit for each
 *             ──▶ panesets[]    what is kept per key and pane; views with the same source, filter,
 *                               slide and offset share one
 *   views[]   ──▶ features[]    each reads one cell of its view's paneset
 *
 * Built once by plan_load, then immutable and shared by all threads without locks. All memory,
 * strings included, belongs to the plan. Times are int64 ms throughout. */
#ifndef FRESHET_PLAN_PLAN_H
#define FRESHET_PLAN_PLAN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "freshet/event.h"
#include "plan/kinds.h"

#define PLAN_NONE                (-1) /* "no field", "no predicate" */
#define PLAN_PREDICATES_MAX      64   /* distinct conditions per source: bits of event.passes */
#define PLAN_SOURCES_MAX         64
#define PLAN_VIEWS_MAX           1024
#define PLAN_FIELDS_MAX          256 /* per source */
#define PLAN_FEATURES_MAX        64  /* per view: bits of a changed-fields mask */
#define PLAN_KEY_GROUPS          256 /* shuffle: key group = key_hash mod this */
#define PLAN_HISTOGRAM_LIMIT_MAX 10000
#define PLAN_LIST_LIMIT_MAX      10000
#define PLAN_FIRST_LAST_MAX      1000 /* n of first and last */
#define PLAN_TOP_MAX             256  /* n of top */
#define PLAN_DEDUP_ID_BYTES      48   /* what a remembered id takes of the state */
#define PLAN_WINDOW_MAX_MS       (INT64_C(3660) * 24 * 3600 * 1000) /* about ten years */
#define PLAN_SLIDES_MAX          100000                             /* slides a window may have */

enum field_type {
    FIELD_STRING,
    FIELD_INT64,
    FIELD_DOUBLE,
    FIELD_DECIMAL,
    FIELD_BOOL,
    FIELD_TIMESTAMP,
};

/* A path into a record: member names from the outside in. */
struct plan_path {
    struct slice *members;
    uint32_t count;
};

struct plan_field {
    const char *name;
    struct plan_path path; /* `path: a.b` or the name itself */
    enum field_type type;
    uint8_t scale; /* decimal(n): n, 0 .. 18 */
    bool optional;
    struct field_value fallback; /* `default:`; present only if there is one */
};

enum time_unit {
    TIME_MS,      /* integer */
    TIME_S,       /* integer or fraction, to the nearest ms from its decimal text */
    TIME_US,      /* integer, cut to ms */
    TIME_ISO8601, /* string; without a zone: UTC */
};

/* A condition, as a tree in one array: a node's children follow it directly, each with its own. */
enum predicate_op {
    PREDICATE_ALL,    /* every child holds (none: true) */
    PREDICATE_ANY,    /* some child holds */
    PREDICATE_NOT,    /* its one child does not hold */
    PREDICATE_EXISTS, /* the field is present */
    PREDICATE_EQ,     /* field <op> values[0]; false on an absent field, NE too */
    PREDICATE_NE,
    PREDICATE_GT,
    PREDICATE_GE,
    PREDICATE_LT,
    PREDICATE_LE,
    PREDICATE_IN, /* the field equals one of values[] */
};

struct predicate_node {
    enum predicate_op op;
    uint32_t size; /* nodes of this subtree, itself included */
    int field;     /* field number, or PLAN_NONE for ALL, ANY, NOT */
    uint32_t value_count;
    struct field_value *values; /* of the field's type */
};

struct plan_predicate {
    struct predicate_node *nodes;
    uint32_t node_count;
    const char *text; /* one line, canonical: equal conditions have equal texts */
};

struct plan_cell {
    enum cell_kind kind;
    int field;       /* the field it takes, or PLAN_NONE: every event */
    int predicate;   /* of the feature's own `where`, or PLAN_NONE */
    uint32_t offset; /* in the pane's cell bytes */
    uint32_t limit;  /* histogram: keys that are kept; first, last: events */
};

enum paneset_kind {
    PANES_SLIDES,   /* a pane a slide: tumbling and sliding windows */
    PANES_SESSIONS, /* a pane a session: events at most gap_ms apart */
    PANES_LIFETIME, /* one pane */
};

/* Cells kept per key and pane, for all views that share them. Of PANES_SLIDES, pane p holds the
 * events with p * slide_ms + offset_ms <= time_ms < (p + 1) * slide_ms + offset_ms. */
struct plan_paneset {
    enum paneset_kind kind;
    int64_t slide_ms; /* PANES_SLIDES, with offset_ms and panes_max; else 0 */
    int64_t offset_ms;
    int64_t gap_ms;    /* PANES_SESSIONS */
    int predicate;     /* of the views' `where`, or PLAN_NONE */
    int64_t panes_max; /* panes of the longest window over it */
    struct plan_cell *cells;
    uint32_t cell_count;
    uint32_t cell_bytes; /* of one pane, a multiple of 8 */
};

enum start_kind {
    START_EARLIEST,
    START_LATEST,
    START_TIMESTAMP,
};

struct plan_source {
    const char *name;
    const char *topic;
    bool aligned; /* partitioning: aligned; else shuffle */
    enum start_kind start;
    int64_t start_ms; /* START_TIMESTAMP */
    int entity;       /* field number of the entity's key: string or int64 */
    struct plan_path time_path;
    enum time_unit time_unit;
    struct plan_field *fields;
    uint32_t field_count;
    int64_t out_of_orderness_ms;
    int64_t allowed_lateness_ms;
    int64_t idle_after_ms;
    int64_t max_future_ms;
    const char *late_topic;        /* or NULL */
    const char *dead_letter_topic; /* or NULL */
    int dedup_field;               /* of the event's id, or PLAN_NONE */
    int64_t dedup_within_ms;
    struct plan_predicate *predicates;
    uint32_t predicate_count;
    struct plan_paneset *panesets;
    uint32_t paneset_count;
    int *views; /* view numbers, in the file's order */
    uint32_t view_count;
};

struct plan_feature {
    const char *name;
    enum feature_kind kind;
    int field;                  /* or PLAN_NONE for `true` */
    int predicate;              /* its own `where`, or PLAN_NONE */
    uint32_t cell;              /* number in the paneset */
    uint32_t limit;             /* histogram, list */
    uint32_t n;                 /* first, last, top: the length of the list; 0: a single value */
    double q;                   /* quantile: 0 .. 1 */
    bool sample;                /* variance, stddev: by n - 1 */
    uint8_t scale;              /* digits of a decimal result or operand */
    enum field_type field_type; /* of `field`; FIELD_INT64 where there is none */
};

enum window_kind {
    WINDOW_TUMBLING,
    WINDOW_SLIDING,
    WINDOW_SESSION,
    WINDOW_LIFETIME,
};

enum when_empty {
    WHEN_EMPTY_ZERO,
    WHEN_EMPTY_KEEP,
    WHEN_EMPTY_DELETE,
};

struct plan_view {
    const char *name;
    uint32_t number; /* in plan.views */
    int source;
    int paneset; /* in the source's panesets */
    enum window_kind window;
    int64_t size_ms;  /* tumbling and sliding, with slide_ms, offset_ms and panes; else 0 */
    int64_t slide_ms; /* tumbling: the size */
    int64_t offset_ms;
    int64_t panes;       /* size / slide */
    int64_t gap_ms;      /* session */
    bool on_update;      /* emit: on_update; else on_close */
    bool skip_unchanged; /* unchanged: skip */
    enum when_empty when_empty;
    int predicate; /* its `where`, or PLAN_NONE */
    struct plan_feature *features;
    uint32_t feature_count;
};

struct plan_property {
    const char *name;
    const char *value;
};

enum plan_fetch {
    FETCH_AUTO, /* native, unless the connection is to be secured */
    FETCH_NATIVE,
    FETCH_LIBRDKAFKA,
};

struct plan_kafka {
    const char *brokers;
    const char *group;
    enum plan_fetch fetch;
    struct plan_property *properties;
    uint32_t property_count;
};

enum redis_scheme {
    REDIS_TCP,
    REDIS_UNIX,
};

/* A Redis key: literal text with the entity's key in one place. */
struct plan_key_template {
    struct slice before;
    struct slice after;
};

struct plan_redis {
    bool present;
    enum redis_scheme scheme;
    const char *url_text; /* without the password: for messages */
    const char *host;     /* TCP */
    uint16_t port;
    const char *path;     /* unix */
    const char *user;     /* or NULL */
    const char *password; /* or NULL */
    uint32_t database;
    const char *key;                         /* as written; else the first source's default */
    struct plan_key_template *key_templates; /* by source number */
    int64_t ttl_ms;                          /* 0: never expires */
    uint32_t connections;                    /* per shard */
    int64_t linger_ms;
    bool metadata; /* write <view>.window_end and <view>.computed_at */
};

struct plan_engine {
    uint32_t shards; /* 0: auto */
    int *cpus;       /* in the order of pinning; NULL: auto */
    uint32_t cpu_count;
    bool busy_poll;
};

struct plan_admin {
    bool written; /* in the file; the default address may be taken by somebody else */
    const char *host;
    uint16_t port; /* 0: any free one */
};

struct plan_state {
    const char *dir;
    int64_t ttl_ms;
    uint64_t memory_bytes;
};

struct plan_checkpoint {
    int64_t every_ms;
    int64_t timeout_ms;
    int64_t min_pause_ms;
    uint32_t tolerable_failures;
    uint32_t retain;
};

/* outputs.kafka */
struct plan_feature_topic {
    const char *name; /* or NULL: there is none */
    bool transactional;
};

struct plan {
    const char *file; /* as given, for messages */
    const char *pipeline;
    struct plan_kafka kafka;
    struct plan_redis redis;
    struct plan_source *sources;
    uint32_t source_count;
    struct plan_view *views;
    uint32_t view_count;
    struct plan_state state;
    struct plan_checkpoint checkpoint;
    struct plan_engine engine;
    struct plan_admin admin;
    const char *file_output; /* path of outputs.file, or NULL */
    struct plan_feature_topic feature_topic;
    struct plan_memory *memory;
};

/* Reads and compiles the file. Returns 0, or -EINVAL with one line a mistake in `ret_messages`, in
 * the order of the file: "file:line:column: what is wrong"; or another -errno with one line if the
 * file can't be read. Touches nothing but the file. */
MUST_USE int plan_load(const char *path, struct plan **ret_plan, struct buf *ret_messages);

/* The same for a text in memory; `path` is its name in messages. */
MUST_USE int plan_parse(const char *path, struct slice text, struct plan **ret_plan,
                        struct buf *ret_messages);

void plan_free(struct plan *plan);

/* The plan as `freshet check` prints it. */
void plan_print(const struct plan *plan, struct buf *out);

/* Names as the pipeline file spells them. */
const char *field_type_name(enum field_type type);
const char *feature_kind_name(enum feature_kind kind);

#endif
