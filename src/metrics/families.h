/* families - the one table of metrics: name, type, what it tells. docs/METRICS.md is made from it.
 *
 * Prometheus' rules: base units, counters end in _total, no entity ids among the labels. */
#ifndef FRESHET_METRICS_FAMILIES_H
#define FRESHET_METRICS_FAMILIES_H

#define METRIC_FAMILIES(X)                                                                         \
    X(BUILD_INFO, "freshet_build_info", GAUGE, "version", "Always 1")                              \
    X(UPTIME, "freshet_uptime_seconds", GAUGE, "", "Since the engine was created")                 \
    X(CPU, "freshet_process_cpu_seconds_total", COUNTER, "",                                       \
      "CPU time of all threads, user and system")                                                  \
    X(MEMORY, "freshet_process_resident_bytes", GAUGE, "", "Resident memory of the process")       \
    X(RECORDS, "freshet_records_total", COUNTER, "shard source", "Kafka records read")             \
    X(RECORD_BYTES, "freshet_record_bytes_total", COUNTER, "shard source",                         \
      "Bytes of record values read")                                                               \
    X(EVENTS, "freshet_events_total", COUNTER, "shard source", "Records decoded into events")      \
    X(DEAD_LETTERS, "freshet_dead_letters_total", COUNTER, "shard source reason",                  \
      "Records that are no event, by reason")                                                      \
    X(LATE, "freshet_late_events_total", COUNTER, "shard source reason",                           \
      "Events that came too late for every view")                                                  \
    X(DUPLICATES, "freshet_duplicate_events_total", COUNTER, "shard source",                       \
      "Events that `dedup:` dropped")                                                              \
    X(BACKWARDS, "freshet_events_backwards_total", COUNTER, "shard source",                        \
      "Events older than the newest of their partition")                                           \
    X(READ_ERRORS, "freshet_read_errors_total", COUNTER, "shard source",                           \
      "Errors that Kafka reported for a partition")                                                \
    X(SIDE_FAILURES, "freshet_side_output_failures_total", COUNTER, "",                            \
      "Dead letters and late records that the brokers refused")                                    \
    X(VIEW_EVENTS, "freshet_view_events_total", COUNTER, "shard view",                             \
      "Events that passed the view's filter and entered a window")                                 \
    X(VIEW_LATE, "freshet_view_late_events_total", COUNTER, "shard view reason",                   \
      "Events that came too late for the view")                                                    \
    X(ROWS, "freshet_rows_total", COUNTER, "shard view", "Rows emitted")                           \
    X(EMPTY_ROWS, "freshet_empty_rows_total", COUNTER, "shard view",                               \
      "Of these, rows of windows without an event")                                                \
    X(SATURATED, "freshet_saturated_sums_total", COUNTER, "shard view",                            \
      "Sums that stand at the end of their type")                                                  \
    X(FRESHNESS, "freshet_view_freshness_seconds", GAUGE, "view",                                  \
      "Now less the latest window end among the view's rows")                                      \
    X(KEYS, "freshet_keys", GAUGE, "shard source", "Entity keys with state")                       \
    X(COLD_KEYS, "freshet_cold_keys", GAUGE, "shard source",                                       \
      "Of these, keys whose state is not in memory but in the work store")                         \
    X(EVICTIONS, "freshet_evictions_total", COUNTER, "shard source",                               \
      "Keys whose state left memory")                                                              \
    X(LOADS, "freshet_cold_loads_total", COUNTER, "shard source",                                  \
      "Keys whose state came back from the work store")                                            \
    X(STATE_BYTES, "freshet_state_bytes", GAUGE, "shard source",                                   \
      "Bytes of state: key records, panes, sketches")                                              \
    X(VIEW_BYTES, "freshet_view_state_bytes", GAUGE, "shard view",                                 \
      "Bytes of the view's panes; panes that views share count for each")                          \
    X(ARENA_BYTES, "freshet_arena_bytes", GAUGE, "shard",                                          \
      "All memory of the shard: state, images for Redis, tables")                                  \
    X(POSITION, "freshet_partition_position", GAUGE, "source partition",                           \
      "Offset of the next record to read")                                                         \
    X(END_OFFSET, "freshet_partition_end_offset", GAUGE, "source partition",                       \
      "Offset behind the newest record")                                                           \
    X(COMMITTED, "freshet_partition_committed_offset", GAUGE, "source partition",                  \
      "Offset that the group has committed: where a start goes on")                                \
    X(LAG_RECORDS, "freshet_lag_records", GAUGE, "source partition", "Records not read yet")       \
    X(LAG_SECONDS, "freshet_lag_seconds", GAUGE, "source partition",                               \
      "Age of the last record read, while there are others behind it")                             \
    X(WATERMARK, "freshet_watermark_seconds", GAUGE, "source partition",                           \
      "Event time that the partition's watermark has reached")                                     \
    X(WATERMARK_DELAY, "freshet_watermark_delay_seconds", GAUGE, "source partition",               \
      "Now less the watermark")                                                                    \
    X(IDLE, "freshet_partition_idle", GAUGE, "source partition",                                   \
      "1 while the partition fires by the idle clock")                                             \
    X(BACKPRESSURE, "freshet_backpressure_seconds_total", COUNTER, "shard",                        \
      "Time in which the shard did not consume because a sink was full")                           \
    X(RUNNING, "freshet_shard_seconds_total", COUNTER, "shard", "Time since the shard started")    \
    X(SHARD_CPU, "freshet_shard_cpu_seconds_total", COUNTER, "shard", "CPU time of the shard")     \
    X(TURNS, "freshet_turns_total", COUNTER, "shard", "Turns of the shard's loop")                 \
    X(FETCHES, "freshet_fetches_total", COUNTER, "shard", "Turns that brought records")            \
    X(FETCH_RESPONSES, "freshet_fetch_responses_total", COUNTER, "shard",                          \
      "Answers of brokers to the shard's own fetches")                                             \
    X(FETCH_BYTES, "freshet_fetch_bytes_total", COUNTER, "shard", "Bytes of these answers")        \
    X(FETCH_QUEUED, "freshet_fetch_queued_bytes", GAUGE, "shard",                                  \
      "Bytes of answers whose records have not all been taken")                                    \
    X(FETCH_CONNECTS, "freshet_fetch_connects_total", COUNTER, "shard outcome",                    \
      "Connections to leaders: made and lost")                                                     \
    X(FETCH_LEADERS, "freshet_fetch_leader_changes_total", COUNTER, "shard",                       \
      "Partitions that are fetched from another broker than before")                               \
    X(FETCH_ERRORS, "freshet_fetch_errors_total", COUNTER, "shard class",                          \
      "Fetches of a partition that brought an error, or unsound batches; they are made again")     \
    X(MAIL_EVENTS, "freshet_mail_events_total", COUNTER, "shard", "Events sent to other shards")   \
    X(REPLAYING, "freshet_replaying", GAUGE, "shard",                                              \
      "1 while rows for Redis are held back after a start")                                        \
    X(AWAITING_COMMIT, "freshet_awaiting_commit", GAUGE, "shard",                                  \
      "1 while rows for Redis wait for a checkpoint to be committed")                              \
    X(FILE_BYTES, "freshet_file_output_bytes_total", COUNTER, "", "Written to the output file")    \
    X(FILE_PENDING, "freshet_file_output_pending_bytes", GAUGE, "",                                \
      "Rows of the checkpoints under way: not in the output file yet")                             \
    X(FEATURE_ROWS, "freshet_feature_topic_rows_total", COUNTER, "shard",                          \
      "Rows handed to the Kafka client for the feature topic")                                     \
    X(FEATURE_BYTES, "freshet_feature_topic_bytes_total", COUNTER, "shard",                        \
      "Bytes of their keys and values")                                                            \
    X(FEATURE_PENDING, "freshet_feature_topic_pending_bytes", GAUGE, "shard",                      \
      "Rows that wait for the transaction before theirs, or for room in the client's queue")       \
    X(FEATURE_FAILURES, "freshet_feature_topic_failures_total", COUNTER, "",                       \
      "Rows that were refused for good")                                                           \
    X(REDIS_ROWS, "freshet_redis_rows_total", COUNTER, "shard outcome",                            \
      "Rows for Redis: taken in all; of them coalesced with an earlier one, unchanged, kept, "     \
      "older than what is shown, too large")                                                       \
    X(REDIS_COMMANDS, "freshet_redis_commands_total", COUNTER, "shard command", "Commands sent")   \
    X(REDIS_FIELDS, "freshet_redis_fields_total", COUNTER, "shard", "Fields set and deleted")      \
    X(REDIS_BYTES, "freshet_redis_sent_bytes_total", COUNTER, "shard", "Bytes of commands")        \
    X(REDIS_REPLIES, "freshet_redis_replies_total", COUNTER, "shard", "Replies received")          \
    X(REDIS_ERRORS, "freshet_redis_errors_total", COUNTER, "shard class", "Error replies")         \
    X(REDIS_CONNECTS, "freshet_redis_connects_total", COUNTER, "shard outcome",                    \
      "Connections made, not made, and lost")                                                      \
    X(REDIS_CONNECTED, "freshet_redis_connected", GAUGE, "shard", "Connections that are ready")    \
    X(REDIS_DIRTY, "freshet_redis_dirty_keys", GAUGE, "shard", "Keys that wait to be written")     \
    X(REDIS_IN_FLIGHT, "freshet_redis_in_flight", GAUGE, "shard",                                  \
      "Writes that Redis has not answered")                                                        \
    X(CHECKPOINTS, "freshet_checkpoints_total", COUNTER, "outcome",                                \
      "Checkpoints: done (in force) and failed")                                                   \
    X(CHECKPOINT_FAILURES, "freshet_checkpoint_failures_in_row", GAUGE, "",                        \
      "Checkpoints that have failed since the last one in force")                                  \
    X(CHECKPOINT_AGE, "freshet_checkpoint_age_seconds", GAUGE, "",                                 \
      "Since the last one came into force; before that, since the first one began")                \
    X(CHECKPOINT_DURATION, "freshet_checkpoint_duration_seconds", GAUGE, "",                       \
      "How long the last one took, from its beginning until it was in force")                      \
    X(CHECKPOINT_SIZE, "freshet_checkpoint_size_bytes", GAUGE, "",                                 \
      "Bytes of changed state that the last one wrote")                                            \
    X(CHECKPOINT_ENTRIES, "freshet_checkpoint_entries_total", COUNTER, "",                         \
      "Entries (keys, ids, unsent images) that checkpoints wrote")                                 \
    X(CHECKPOINT_BYTES, "freshet_checkpoint_bytes_total", COUNTER, "", "Bytes of these")           \
    X(STORE_DISK, "freshet_checkpoint_store_disk_bytes", GAUGE, "",                                \
      "Files of the work store, which checkpoints share")                                          \
    X(STORE_MEMORY, "freshet_checkpoint_store_memory_bytes", GAUGE, "",                            \
      "Memory of the work store: buffers and cache")                                               \
    X(CHECKPOINT_STAGE, "freshet_checkpoint_stage_seconds", HISTOGRAM, "stage",                    \
      "align: command to mark, per shard; capture: until the last entry is there; freeze: on "     \
      "disk; commit: until the offsets are accepted; total")                                       \
    X(STAGE, "freshet_stage_seconds", HISTOGRAM, "shard stage",                                    \
      "fetch_wait: request to answer with records; fetch: record time to polled; decode: per "     \
      "record; apply: per event; turn: of the loop; "                                              \
      "emit_wait: row to socket; redis: socket to reply; end_to_end: record time to reply; "       \
      "fetched_to_redis: polled to reply")

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
};

enum metric_family {
#define X(id, name, type, labels, help) FAMILY_##id,
    METRIC_FAMILIES(X)
#undef X
        FAMILY_COUNT
};

struct metric_description {
    const char *name;
    enum metric_type type;
    const char *labels; /* separated by spaces */
    const char *help;
};

extern const struct metric_description metric_descriptions[FAMILY_COUNT];

#endif
