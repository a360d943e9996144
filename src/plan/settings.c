#include "plan/settings.h"

#define SECOND_MS               INT64_C(1000)
#define MINUTE_MS               (60 * SECOND_MS)
#define LONGEST_MS              PLAN_WINDOW_MAX_MS

#define STORED(type, member)    .offset = offsetof(struct type, member)
#define CHOICE(spelled, number) .name = (spelled), .value = (number)
#define CHOICE_NOT_YET(spelled) .name = (spelled), .not_yet = true
#define ROWS(rows)              .settings = (rows), .count = ARRAY_LEN(rows)
#define OF(kind)                (1u << FEATURE_##kind)

_Static_assert(FEATURE_KIND_COUNT <= 32, "setting.kinds has a bit for each");

static const struct setting top_rows[] = {
    {"pipeline", SETTING_NAME, STORED(plan, pipeline), .required = true,
     .summary = "Name of the pipeline; the default of the consumer group"},
    {"kafka", SETTING_SECTION, STORED(plan, kafka), .section = &settings_kafka, .required = true,
     .summary = "The cluster to read from"},
    {"redis", SETTING_SECTION, STORED(plan, redis), .section = &settings_redis,
     .derived = "no online store", .summary = "The online store"},
    {"sources", SETTING_LATER, .required = true, .written = "name → source",
     .summary = "The topics to read"},
    {"views", SETTING_LATER, .required = true, .written = "name → view",
     .summary = "The windows and features to compute"},
    {"state", SETTING_SECTION, STORED(plan, state), .section = &settings_state,
     .summary = "What the engine keeps while it runs"},
    {"checkpoint", SETTING_SECTION, STORED(plan, checkpoint), .section = &settings_checkpoint,
     .summary = "How often state is made durable"},
    {"engine", SETTING_SECTION, STORED(plan, engine), .section = &settings_engine,
     .summary = "Threads and processors"},
    {"admin", SETTING_SECTION, STORED(plan, admin), .section = &settings_admin,
     .summary = "Metrics and health over HTTP"},
    {"outputs", SETTING_SECTION, .section = &settings_outputs, .derived = "none",
     .summary = "Where rows go besides Redis"},
};
const struct section settings_top = {"the pipeline file", ROWS(top_rows)};

static const struct choice fetch_choices[] = {
    {CHOICE("native", FETCH_NATIVE)}, {CHOICE("librdkafka", FETCH_LIBRDKAFKA)}, {.name = NULL}};

static const struct setting kafka_rows[] = {
    {"brokers", SETTING_TEXT, "localhost:9092", STORED(plan_kafka, brokers),
     .summary = "Brokers to begin with: host:port, several with commas"},
    {"group", SETTING_TEXT, STORED(plan_kafka, group), .derived = "the pipeline's name",
     .summary = "Consumer group"},
    {"fetch", SETTING_CHOICE, STORED(plan_kafka, fetch), .choices = fetch_choices,
     .derived = "`native`, or, where `properties` ask for TLS or SASL, `librdkafka`",
     .summary = "Who fetches records: `native`, each shard its own, straight from the partitions' "
                "leaders; `librdkafka`, that library's threads"},
    {"properties", SETTING_PROPERTIES, .written = "property → value", .derived = "none",
     .summary = "Handed to librdkafka as they are: security, fetch sizes, …"},
};
const struct section settings_kafka = {"kafka", ROWS(kafka_rows)};

static const struct choice layout_choices[] = {
    {CHOICE("hash", 0)}, {CHOICE_NOT_YET("feast")}, {.name = NULL}};
static const struct choice cluster_choices[] = {
    {CHOICE("false", 0)}, {CHOICE_NOT_YET("true")}, {.name = NULL}};

static const struct setting redis_rows[] = {
    {"url", SETTING_REDIS_URL, "redis://localhost:6379",
     .summary = "`redis://[user[:password]@]host[:port][/db]` or `unix:///path/to.sock[?db=n]`; "
                "percent-encoding in user, password and path"},
    {"cluster", SETTING_FIXED, "false", .choices = cluster_choices, .summary = "Redis Cluster"},
    {"layout", SETTING_FIXED, "hash", .choices = layout_choices,
     .summary = "`hash`: one hash per entity key, one field per feature"},
    {"key", SETTING_TEXT, STORED(plan_redis, key), .written = "text with one `{field}`",
     .derived = "`features:user:{user_id}` for an entity `user_id`",
     .summary = "Redis key of an entity; the field in braces is the entity of every source"},
    {"ttl", SETTING_DURATION, "25h", STORED(plan_redis, ttl_ms), .max = LONGEST_MS,
     .summary = "Keys expire so long after their last write; 0: never"},
    {"connections", SETTING_COUNT, "2", STORED(plan_redis, connections), .min = 1, .max = 64,
     .summary = "Connections per shard"},
    {"linger", SETTING_DURATION, "5ms", STORED(plan_redis, linger_ms), .max = MINUTE_MS,
     .summary = "The most that a write waits for others while replies are due"},
    {"metadata", SETTING_BOOL, "true", STORED(plan_redis, metadata),
     .summary = "Write `<view>.window_end` and `<view>.computed_at` (ms) beside the features"},
};
const struct section settings_redis = {"redis", ROWS(redis_rows)};

static const struct choice format_choices[] = {
    {CHOICE("json", 0)}, {CHOICE_NOT_YET("avro")}, {CHOICE_NOT_YET("protobuf")}, {.name = NULL}};
static const struct choice partitioning_choices[] = {
    {CHOICE("shuffle", false)}, {CHOICE("aligned", true)}, {.name = NULL}};

static const struct setting source_rows[] = {
    {"topic", SETTING_TOPIC, STORED(plan_source, topic), .required = true,
     .summary = "Topic to read; two sources cannot read the same one"},
    {"format", SETTING_FIXED, "json", .choices = format_choices,
     .summary = "What a record's value is: one JSON object"},
    {"partitioning", SETTING_FLAG, "shuffle", STORED(plan_source, aligned),
     .choices = partitioning_choices,
     .summary = "`aligned`: the topic is keyed by the entity, so a partition holds all events of "
                "its keys; `shuffle`: always right"},
    {"start", SETTING_START, "earliest", .summary = "Where to begin without a checkpoint"},
    {"entity", SETTING_LATER, .required = true, .written = "field",
     .summary = "The field that features are about: a string or an int64"},
    {"time", SETTING_LATER, .required = true, .written = "mapping", .summary = "The event's time"},
    {"fields", SETTING_LATER, .required = true, .written = "name → field",
     .summary = "What is read from a record"},
    {"out_of_orderness", SETTING_DURATION, "0s", STORED(plan_source, out_of_orderness_ms),
     .max = LONGEST_MS,
     .summary = "How far a partition's watermark stays behind its newest event time"},
    {"allowed_lateness", SETTING_DURATION, "0s", STORED(plan_source, allowed_lateness_ms),
     .max = LONGEST_MS,
     .summary = "How long after its end a window still takes events, and is emitted again"},
    {"idle_after", SETTING_DURATION, "30s", STORED(plan_source, idle_after_ms), .max = LONGEST_MS,
     .summary = "A partition without an event for so long fires by the others' clock"},
    {"max_future", SETTING_DURATION, "60s", STORED(plan_source, max_future_ms), .max = LONGEST_MS,
     .summary = "An event whose time is further ahead of its Kafka timestamp is a dead letter"},
    {"late_topic", SETTING_TOPIC, STORED(plan_source, late_topic), .derived = "counted only",
     .summary = "Where events go that are late for every view"},
    {"dead_letter_topic", SETTING_TOPIC, STORED(plan_source, dead_letter_topic),
     .derived = "counted and logged", .summary = "Where records go that cannot be decoded"},
    {"dedup", SETTING_LATER, .written = "mapping", .derived = "none",
     .summary = "Drop events that were seen before"},
};
const struct section settings_source = {"source", ROWS(source_rows)};

static const struct choice unit_choices[] = {{CHOICE("ms", TIME_MS)},
                                             {CHOICE("s", TIME_S)},
                                             {CHOICE("us", TIME_US)},
                                             {CHOICE("iso8601", TIME_ISO8601)},
                                             {.name = NULL}};

_Static_assert(sizeof(enum time_unit) == sizeof(int), "a choice is stored as an int");

static const struct setting time_rows[] = {
    {"field", SETTING_LATER, .required = true, .written = "field, or member names joined by dots",
     .summary = "Where the event's time stands in the record; need not be declared in `fields`"},
    {"unit", SETTING_CHOICE, "ms", STORED(plan_source, time_unit), .choices = unit_choices,
     .summary = "`ms` and `us`: integers; `s`: with or without a fraction; `iso8601`: a string, "
                "UTC where it has no zone"},
};
const struct section settings_time = {"time", ROWS(time_rows)};

static const struct setting dedup_rows[] = {
    {"field", SETTING_LATER, .required = true, .written = "field",
     .summary = "The field of an event's id: a string or an int64; an event without one is taken"},
    {"within", SETTING_DURATION, STORED(plan_source, dedup_within_ms), .required = true, .min = 1,
     .max = LONGEST_MS,
     .summary = "An event is dropped if another of its key and id was taken whose time is at most "
                "so far from its own"},
};
const struct section settings_dedup = {"dedup", ROWS(dedup_rows)};

static const struct setting field_rows[] = {
    {"type", SETTING_LATER, .required = true,
     .written = "string, int64, double, decimal(n), bool or timestamp",
     .summary = "`decimal(2)`: exact with two digits behind the point, for money; n is 0 to 18"},
    {"path", SETTING_PATH, STORED(plan_field, path), .derived = "the field's name",
     .summary = "Where it stands in the record: `properties.page`"},
    {"default", SETTING_LATER, .written = "value of the type", .derived = "none",
     .summary = "Stands for the field where a record has none, or null"},
    {"optional", SETTING_BOOL, "false", STORED(plan_field, optional),
     .summary = "A record may lack it; else, without a default, such a record is a dead letter"},
};
const struct section settings_field = {"field", ROWS(field_rows)};

static const struct choice emit_choices[] = {
    {CHOICE("on_close", false)}, {CHOICE("on_update", true)}, {.name = NULL}};
static const struct choice unchanged_choices[] = {
    {CHOICE("emit", false)}, {CHOICE("skip", true)}, {.name = NULL}};
static const struct choice when_empty_choices[] = {{CHOICE("zero", WHEN_EMPTY_ZERO)},
                                                   {CHOICE("keep", WHEN_EMPTY_KEEP)},
                                                   {CHOICE("delete", WHEN_EMPTY_DELETE)},
                                                   {.name = NULL}};

_Static_assert(sizeof(enum when_empty) == sizeof(int), "a choice is stored as an int");

static const struct setting view_rows[] = {
    {"source", SETTING_LATER, .required = true, .written = "source",
     .summary = "The source whose events it takes"},
    {"window", SETTING_WINDOW, .section = &settings_window, .required = true,
     .summary = "The slices of event time that it computes over"},
    {"emit", SETTING_FLAG, "on_close", STORED(plan_view, on_update), .choices = emit_choices,
     .summary = "`on_close`: a row when a window ends; `on_update`: after each event; a lifetime "
                "has no end, so it needs `on_update`"},
    {"unchanged", SETTING_FLAG, "emit", STORED(plan_view, skip_unchanged),
     .choices = unchanged_choices,
     .summary = "`skip`: values that equal the last ones are not written to Redis again"},
    {"when_empty", SETTING_CHOICE, "zero", STORED(plan_view, when_empty),
     .choices = when_empty_choices,
     .summary = "What Redis shows of a key whose window ran empty: the empty values, the last "
                "ones, or nothing"},
    {"where", SETTING_LATER, .written = "condition", .derived = "every event",
     .summary = "Which events it takes"},
    {"features", SETTING_LATER, .required = true, .written = "name → feature",
     .summary = "1 to 64; names are unique among all views of an entity"},
};
const struct section settings_view = {"view", ROWS(view_rows)};

static const struct setting window_rows[] = {
    {"tumbling", SETTING_DURATION, STORED(window_setting, tumbling_ms), .min = 1, .max = LONGEST_MS,
     .summary = "Windows of this length, one after the other"},
    {"sliding", SETTING_DURATION, STORED(window_setting, sliding_ms), .min = 1, .max = LONGEST_MS,
     .summary = "Windows of this length, one at each multiple of `every`"},
    {"every", SETTING_DURATION, STORED(window_setting, every_ms), .min = 1, .max = LONGEST_MS,
     .derived = "required with `sliding`",
     .summary = "The slide; `sliding` is a multiple of it, at most 100000 times"},
    {"offset", SETTING_DURATION, "0s", STORED(window_setting, offset_ms), .min = -LONGEST_MS,
     .max = LONGEST_MS,
     .summary = "Moves all bounds, which are multiples of the slide since 1970-01-01 UTC; may be "
                "negative"},
    {"session", SETTING_DURATION, STORED(window_setting, session_ms), .min = 1, .max = LONGEST_MS,
     .summary = "Windows of events that are at most so far apart, from the first one to this long "
                "after the last"},
};
const struct section settings_window = {"window", ROWS(window_rows)};

static const struct setting feature_rows[] = {
#define X(enumerator, spelled, takes) {.name = spelled, .type = SETTING_LATER},
    FEATURE_KINDS(X)
#undef X
        {"where", SETTING_LATER, .written = "condition", .derived = "every event of the view",
         .summary = "Which of the view's events it takes"},
    {.name = "limit", .type = SETTING_LATER},
    {.name = "n", .type = SETTING_LATER},
    {.name = "q", .type = SETTING_LATER},
    {.name = "sample", .type = SETTING_LATER},
};
const struct section settings_feature = {"feature", ROWS(feature_rows)};

/* One name may have several rows, for different kinds. */
static const struct setting option_rows[] = {
    {"limit", SETTING_COUNT, "64", STORED(plan_feature, limit), .min = 1,
     .max = PLAN_HISTOGRAM_LIMIT_MAX, .kinds = OF(HISTOGRAM),
     .summary = "Values that are counted one by one; the rest is under `__other__`"},
    {"limit", SETTING_COUNT, "1000", STORED(plan_feature, limit), .min = 1,
     .max = PLAN_LIST_LIMIT_MAX, .kinds = OF(LIST), .summary = "The newest so many are kept"},
    {"n", SETTING_COUNT, STORED(plan_feature, n), .min = 1, .max = PLAN_FIRST_LAST_MAX,
     .kinds = OF(FIRST) | OF(LAST), .derived = "a single value",
     .summary = "A list of at most so many"},
    {"n", SETTING_COUNT, STORED(plan_feature, n), .min = 1, .max = PLAN_TOP_MAX, .kinds = OF(TOP),
     .derived = "a single value", .summary = "A list of at most so many"},
    {"q", SETTING_NUMBER, STORED(plan_feature, q), .max = 1, .kinds = OF(QUANTILE),
     .required = true, .summary = "0.5: the median; 0: the least value; 1: the greatest"},
    {"sample", SETTING_BOOL, "false", STORED(plan_feature, sample),
     .kinds = OF(VARIANCE) | OF(STDDEV),
     .summary = "`true`: divided by n − 1, as of a sample, and null for a single value; else by n"},
};
const struct section settings_option = {"option", ROWS(option_rows)};

static const struct setting state_rows[] = {
    {"dir", SETTING_TEXT, "/var/lib/freshet", STORED(plan_state, dir),
     .summary = "Folder of working state and checkpoints"},
    {"ttl", SETTING_DURATION, "25h", STORED(plan_state, ttl_ms), .max = LONGEST_MS,
     .summary = "Event time after which state that no window needs is freed; a key's lifetime "
                "starts anew after so long without an event"},
    {"memory", SETTING_SIZE, "8GiB", STORED(plan_state, memory_bytes), .min = 1 << 20,
     .max = INT64_C(1) << 50,
     .summary = "What state may take in memory; keys beyond it are in `dir`"},
};
const struct section settings_state = {"state", ROWS(state_rows)};

static const struct setting checkpoint_rows[] = {
    {"every", SETTING_DURATION, "30s", STORED(plan_checkpoint, every_ms), .min = 1,
     .max = LONGEST_MS, .summary = "From the start of one checkpoint to that of the next"},
    {"timeout", SETTING_DURATION, "10m", STORED(plan_checkpoint, timeout_ms), .min = 1,
     .max = LONGEST_MS, .summary = "One that takes longer has failed"},
    {"min_pause", SETTING_DURATION, "5s", STORED(plan_checkpoint, min_pause_ms), .max = LONGEST_MS,
     .summary = "From the end of one to the start of the next, at least"},
    {"tolerable_failures", SETTING_COUNT, "3", STORED(plan_checkpoint, tolerable_failures),
     .max = 1000, .summary = "Failures in a row that do not end the process"},
    {"retain", SETTING_COUNT, "3", STORED(plan_checkpoint, retain), .min = 1, .max = 1000,
     .summary = "Checkpoints that are kept"},
};
const struct section settings_checkpoint = {"checkpoint", ROWS(checkpoint_rows)};

static const struct setting engine_rows[] = {
    {"shards", SETTING_SHARDS, "auto", STORED(plan_engine, shards), .min = 1, .max = 256,
     .summary = "Shard threads; `auto`: one less than there are cores, at least one"},
    {"cpus", SETTING_CPUS, "auto",
     .summary = "Where shards are pinned, in this order: `0-3,6` or `[0, 1, 2, 3, 6]`"},
    {"busy_poll", SETTING_BOOL, "false", STORED(plan_engine, busy_poll),
     .summary = "Spin instead of waiting: lower latency, a whole core per shard"},
};
const struct section settings_engine = {"engine", ROWS(engine_rows)};

static const struct setting admin_rows[] = {
    {"listen", SETTING_LISTEN, "127.0.0.1:9180",
     .summary = "Address of `/metrics`, `/health`, `/ready`, `/status`, `/histograms` and "
                "`/savepoint`; port 0: any free one; IPv6 in brackets"},
};
const struct section settings_admin = {"admin", ROWS(admin_rows)};

static const struct setting output_rows[] = {
    {"file", SETTING_SECTION, .section = &settings_output_file, .derived = "none",
     .summary = "Every row, one JSON object a line"},
    {"kafka", SETTING_SECTION, STORED(plan, feature_topic), .section = &settings_output_kafka,
     .derived = "none", .summary = "Every row, one JSON object a record, to a topic"},
    {"parquet", SETTING_LATER, .not_yet = true, .written = "mapping",
     .summary = "Every row, in Parquet files"},
    {"iceberg", SETTING_LATER, .not_yet = true, .written = "mapping",
     .summary = "Every row, in an Iceberg table"},
};
const struct section settings_outputs = {"outputs", ROWS(output_rows)};

static const struct setting output_file_rows[] = {
    {"path", SETTING_TEXT, STORED(plan, file_output), .required = true,
     .summary = "File that rows are appended to"},
};
const struct section settings_output_file = {"file", ROWS(output_file_rows)};

static const struct setting output_kafka_rows[] = {
    {"topic", SETTING_TOPIC, STORED(plan_feature_topic, name), .required = true,
     .summary = "Topic that rows are written to, keyed by the entity"},
    {"transactional", SETTING_BOOL, "true", STORED(plan_feature_topic, transactional),
     .summary =
         "`true`: rows appear with the checkpoint that they belong to, each once, to readers "
         "of committed records; `false`: at once, and again after a crash"},
};
const struct section settings_output_kafka = {"outputs.kafka", ROWS(output_kafka_rows)};

const struct feature_doc feature_docs[FEATURE_KIND_COUNT] = {
    [FEATURE_COUNT] = {"int64: events, or events that have the field", "0", "exact"},
    [FEATURE_SUM] = {"the field's type", "0", "exact for int64 and decimal; double: sums of panes"},
    [FEATURE_MEAN] = {"double", "null", "exact sum for int64 and decimal"},
    [FEATURE_MIN] = {"the field's type", "null", "exact"},
    [FEATURE_MAX] = {"the field's type", "null", "exact"},
    [FEATURE_DISTINCT] = {"int64: different values", "0",
                          "exact to 64 values a window, then within 2 % (standard error)"},
    [FEATURE_HISTOGRAM] = {"map: value → count", "{}",
                           "exact to `limit` values, the rest under `__other__`"},
    [FEATURE_VARIANCE] = {"double", "null", "rounding only: no sum of squares is kept"},
    [FEATURE_STDDEV] = {"double", "null", "rounding only: no sum of squares is kept"},
    [FEATURE_FIRST] = {"the oldest event's, of the field's type; with `n` a list, oldest → newest",
                       "null, with `n` []", "exact"},
    [FEATURE_LAST] = {"the newest event's, of the field's type; with `n` a list, oldest → newest",
                      "null, with `n` []", "exact"},
    [FEATURE_LIST] = {"list of every event's, oldest → newest", "[]",
                      "exact to `limit` values, then the newest"},
    [FEATURE_TOP] = {"the most frequent, of the field's type; with `n` a list, more frequent "
                     "first; of equally frequent ones the bytewise smallest first",
                     "null, with `n` []",
                     "exact to 256 different values a window, then by counts that are too low by "
                     "at most 1/257 of the window's events"},
    [FEATURE_QUANTILE] = {"double: the one of n values that has rank ⌊q · (n − 1)⌋, from 0", "null",
                          "within 1 % of it; `q` 0 and 1 are exact"},
    [FEATURE_SINCE_PREVIOUS] = {"int64: ms between the two newest events",
                                "null, also of a single event", "exact"},
};
