/* report - what a bench has found: the document that is kept, drawn and planned with.
 *
 * One table a structure: name, kind and meaning of each member. The C structure, its JSON
 * (bench/shape.h) and the tables of docs/CAPACITY.md are made from it. A number that was not
 * measured is NaN, in JSON null. Units stand last in the names: _us is 10^-6 s of CPU or time. */
#ifndef FRESHET_BENCH_REPORT_H
#define FRESHET_BENCH_REPORT_H

#include "bench/shape.h"

#define REPORT_SCHEMA 1
#define REPORT_KIND   "freshet-bench"

/* X(T, kind, name, shape of objects and lists, meaning); T is the structure's name. */
#define SPREAD_MEMBERS(X, T)                                                                       \
    X(T, INT, count, _, "Values")                                                                  \
    X(T, NUMBER, mean_ms, _, "Mean")                                                               \
    X(T, NUMBER, p50_ms, _, "Not exceeded by half of the values")                                  \
    X(T, NUMBER, p90_ms, _, "… by 90 %")                                                           \
    X(T, NUMBER, p99_ms, _, "… by 99 %")                                                           \
    X(T, NUMBER, p999_ms, _, "… by 99.9 %")                                                        \
    X(T, NUMBER, max_ms, _, "The largest, to 1/64")

#define HOST_MEMBERS(X, T)                                                                         \
    X(T, TEXT, name, _, "Host name")                                                               \
    X(T, TEXT, cpu, _, "Model of the processor")                                                   \
    X(T, INT, cores, _, "Processors that the bench may use")                                       \
    X(T, INT, memory_bytes, _, "Memory of the host")                                               \
    X(T, TEXT, kernel, _, "Version of the kernel")                                                 \
    X(T, TEXT, governor, _, "Frequency governor of processor 0")                                   \
    X(T, TEXT, huge_pages, _, "Transparent huge pages")                                            \
    X(T, TEXT, hypervisor, _, "yes: a virtual machine, whose processors others may share")         \
    X(T, NUMBER, load_before, _, "Load average over 1 min before the bench began")                 \
    X(T, INT, somaxconn, _, "net.core.somaxconn")                                                  \
    X(T, INT, memlock_bytes, _, "Limit of locked memory, -1: none")                                \
    X(T, TEXT, redis_version, _, "Of the Redis that was written to")                               \
    X(T, TEXT, librdkafka_version, _, "Of the Kafka client")

#define SETUP_MEMBERS(X, T)                                                                        \
    X(T, FLAG, quick, _, "Short runs: figures are rough")                                          \
    X(T, FLAG, embedded, _, "librdkafka's mock cluster and a redis-server of its own")             \
    X(T, TEXT, brokers, _, "Kafka brokers")                                                        \
    X(T, TEXT, redis, _, "Redis, without the password; null: the pipeline has none")               \
    X(T, TEXT, records, _, "Where the records came from")                                          \
    X(T, INT, users, _, "Different entity keys")                                                   \
    X(T, INT, events, _, "Events of a throughput run")                                             \
    X(T, NUMBER, record_bytes, _, "Mean bytes of a record's value")                                \
    X(T, INT, partitions, _, "Of a topic in throughput runs")                                      \
    X(T, NUMBER, span_s, _, "Event time that a throughput run covers")                             \
    X(T, INT, sources, _, "Sources of the pipeline; events are spread over them evenly")           \
    X(T, FLAG, shuffled, _, "Some source has partitioning shuffle")                                \
    X(T, NUMBER, checkpoint_every_s, _, "checkpoint.every of the pipeline file")

#define SLO_MEMBERS(X, T)                                                                          \
    X(T, NUMBER, p50_ms, _, "Objective, fetched → Redis acknowledged")                             \
    X(T, NUMBER, p99_ms, _, "…")                                                                   \
    X(T, NUMBER, p999_ms, _, "…")

#define VIEW_MEMBERS(X, T)                                                                         \
    X(T, TEXT, name, _, "View")                                                                    \
    X(T, TEXT, window, _, "tumbling, sliding, session or lifetime")                                \
    X(T, FLAG, on_update, _, "emit: on_update")                                                    \
    X(T, NUMBER, size_s, _, "Length of the window, or gap of the session")                         \
    X(T, NUMBER, slide_s, _, "From one window to the next")                                        \
    X(T, NUMBER, share, _, "Part of the events that enter it")                                     \
    X(T, NUMBER, rows_per_event, _, "Rows per event read, in the run with the final sink")         \
    X(T, NUMBER, state_bytes_per_key, _, "Bytes of its panes per key; shared panes count for each")

#define THREADS_MEMBERS(X, T)                                                                      \
    X(T, NUMBER, shards_us, _, "Shard threads, per event")                                         \
    X(T, NUMBER, kafka_us, _, "Threads of the Kafka client")                                       \
    X(T, NUMBER, control_us, _, "Control thread")                                                  \
    X(T, NUMBER, rocksdb_us, _, "Background threads of the work store")                            \
    X(T, NUMBER, other_us, _, "The rest")

#define STAGES_MEMBERS(X, T)                                                                       \
    X(T, NUMBER, decode_us, _, "Decoding, per event; time on the shard's thread")                  \
    X(T, NUMBER, apply_us, _, "Key look-up, windows, and rows that events bring about")            \
    X(T, NUMBER, rest_us, _, "Rest of the shards' CPU: fetching, firing, sinks, checkpoints")

#define THROUGHPUT_MEMBERS(X, T)                                                                   \
    X(T, TEXT, sink, _, "none, file or redis")                                                     \
    X(T, INT, shards, _, "Shards")                                                                 \
    X(T, FLAG, live, _, "Event time runs about as the clock does; else span_s goes by at once")    \
    X(T, INT, produced, _, "Events that were in the topics")                                       \
    X(T, INT, records, _, "Records that the engine read")                                          \
    X(T, INT, events, _, "Of these, events")                                                       \
    X(T, INT, late, _, "Events late for every view")                                               \
    X(T, INT, dead_letters, _, "Records that were no events")                                      \
    X(T, INT, rows, _, "Rows emitted")                                                             \
    X(T, INT, keys, _, "Entity keys with state at the end")                                        \
    X(T, NUMBER, span_s, _, "Event time that the events cover")                                    \
    X(T, NUMBER, seconds, _, "Time from the first records to the last acknowledged write")         \
    X(T, NUMBER, events_per_s, _, "Throughput")                                                    \
    X(T, NUMBER, rows_per_s, _, "Results")                                                         \
    X(T, NUMBER, cpu_us, _, "CPU of all the engine's threads, user and system, per event")         \
    X(T, OBJECT, threads, threads, "The same by thread")                                           \
    X(T, OBJECT, stages, stages, "The shards' by stage")                                           \
    X(T, NUMBER, rss_peak_bytes, _, "Most resident memory")                                        \
    X(T, NUMBER, rss_empty_bytes, _, "Resident memory before the first event")                     \
    X(T, NUMBER, arena_bytes, _, "Shards' memory at the end: state, images, tables")               \
    X(T, NUMBER, arena_empty_bytes, _, "… before the first event")                                 \
    X(T, NUMBER, state_bytes, _, "Of it, keys, panes, sketches")                                   \
    X(T, NUMBER, store_memory_bytes, _, "Buffers and cache of the work store (RocksDB)")           \
    X(T, NUMBER, redis_commands, _, "Commands sent to Redis")                                      \
    X(T, NUMBER, redis_sent_bytes, _, "Bytes of them")                                             \
    X(T, NUMBER, redis_cpu_us, _, "CPU of the Redis server, per event")                            \
    X(T, NUMBER, broker_cpu_us, _, "CPU of the broker, per event, where it runs on this host")

#define MEMORY_MEMBERS(X, T)                                                                       \
    X(T, INT, keys, _, "Entity keys with state")                                                   \
    X(T, NUMBER, events_per_key, _, "Mean")                                                        \
    X(T, NUMBER, rss_bytes, _, "Resident memory")                                                  \
    X(T, NUMBER, arena_bytes, _, "Shards' memory: state, images for Redis, tables")                \
    X(T, NUMBER, state_bytes, _, "Of it, keys, panes, sketches")                                   \
    X(T, NUMBER, redis_bytes_per_key, _, "MEMORY USAGE of a key in Redis, mean of some")

#define RATE_MEMBERS(X, T)                                                                          \
    X(T, NUMBER, percent, _, "Of saturation")                                                       \
    X(T, NUMBER, wanted_per_s, _, "Events per second that were due")                                \
    X(T, NUMBER, sent_per_s, _, "… that were sent")                                                 \
    X(T, NUMBER, seconds, _, "Time measured, after the warm-up")                                    \
    X(T, INT, produced, _, "Events sent in all, warm-up included")                                  \
    X(T, NUMBER, lag_events, _, "Sent, not read yet, when the time was over")                       \
    X(T, NUMBER, cpu_us, _, "CPU of the engine, per event")                                         \
    X(T, NUMBER, rows, _, "Rows emitted in the time")                                               \
    X(T, NUMBER, redis_commands, _, "Commands sent to Redis in the time")                           \
    X(T, NUMBER, redis_sent_bytes, _, "Bytes of them")                                              \
    X(T, OBJECT, send_appended, spread, "Intended send time → acknowledged by the broker")          \
    X(T, OBJECT, appended_fetched, spread,                                                          \
      "Record time → polled, to the ms; record time is the broker's append time if append_time, " \
      "else the intended send time")                                                                \
    X(T, OBJECT, fetched_redis, spread, "Polled → acknowledged by Redis")                           \
    X(T, OBJECT, visible, spread, "Intended send time → seen by a reader that polls Redis")         \
    X(T, INT, invisible, _, "Probes that the reader did not see within 5 s")                        \
    X(T, FLAG, kept_up, _, "Sent at 97 % or more of the rate, and lag below a second's events")     \
    X(T, FLAG, meets, _, "Kept up, and fetched_redis meets the SLO")

#define LATENCY_MEMBERS(X, T)                                                                      \
    X(T, INT, shards, _, "Shards")                                                                 \
    X(T, INT, partitions, _, "Partitions of the topic")                                            \
    X(T, NUMBER, linger_ms, _, "The producer's linger.ms, a part of send_appended")                \
    X(T, NUMBER, saturation_per_s, _, "Throughput of the live run: 100 %")                         \
    X(T, FLAG, append_time, _, "Records carry the broker's append time")                           \
    X(T, TEXT, probed, _, "View by whose rows visible is measured")                                \
    X(T, TEXT, note, _, "What could not be measured, and why")                                     \
    X(T, NUMBER, knee_per_s, _, "Last rate that meets the SLO; null: none does")                   \
    X(T, LIST, rates, rate, "In rising order")

#define CHECKPOINTS_MEMBERS(X, T)                                                                  \
    X(T, NUMBER, every_s, _, "From one checkpoint to the next")                                    \
    X(T, NUMBER, wanted_per_s, _, "Events per second")                                             \
    X(T, NUMBER, keys, _, "Entity keys with state")                                                \
    X(T, INT, done, _, "Checkpoints that came into force in the time")                             \
    X(T, NUMBER, align_ms, _, "Mean from command to mark, per shard")                              \
    X(T, NUMBER, capture_ms, _, "Mean from the mark until the last entry is there")                \
    X(T, NUMBER, freeze_ms, _, "Mean until it is on disk")                                         \
    X(T, NUMBER, commit_ms, _, "Mean until the offsets are accepted")                              \
    X(T, NUMBER, total_ms, _, "Mean")                                                              \
    X(T, NUMBER, bytes, _, "Changed state that they wrote")                                        \
    X(T, OBJECT, turn, spread, "Turns of the shards' loop")                                        \
    X(T, OBJECT, fetched_redis, spread, "Polled → acknowledged by Redis")

#define RECOVERY_MEMBERS(X, T)                                                                     \
    X(T, FLAG, measured, _, "Else the rest says nothing")                                          \
    X(T, INT, keys, _, "Entity keys with state")                                                   \
    X(T, NUMBER, state_bytes, _, "Their state in memory")                                          \
    X(T, NUMBER, disk_bytes, _, "Files of state.dir")                                              \
    X(T, NUMBER, empty_s, _, "A first start with nothing to load, until it reads")                 \
    X(T, NUMBER, store_memory_bytes, _, "Buffers and cache of the work store (RocksDB)")           \
    X(T, NUMBER, loaded_s, _, "kill -9, start: time in which the state is loaded")                 \
    X(T, NUMBER, reading_s, _, "… from the start until it reads")                                  \
    X(T, NUMBER, first_s, _, "… until it has read the first new record")                           \
    X(T, NUMBER, ready_s, _, "… until /ready: rows reach the online store")

#define MOMENT_MEMBERS(X, T)                                                                       \
    X(T, NUMBER, at_s, _, "Since the load began")                                                  \
    X(T, NUMBER, events_per_s, _, "Read")                                                          \
    X(T, NUMBER, lag_events, _, "Sent, not read")                                                  \
    X(T, NUMBER, rss_bytes, _, "Resident memory")                                                  \
    X(T, NUMBER, redis_waiting, _, "Keys that wait to be written, and writes without an answer")

#define STRESS_MEMBERS(X, T)                                                                       \
    X(T, FLAG, measured, _, "Else the rest says nothing")                                          \
    X(T, NUMBER, wanted_per_s, _, "Events per second that were due")                               \
    X(T, NUMBER, sent_per_s, _, "… that were sent")                                                \
    X(T, NUMBER, seconds, _, "How long the load lasted")                                           \
    X(T, NUMBER, delay_ms, _, "By which each reply of Redis was held up")                          \
    X(T, NUMBER, begin_s, _, "When the trouble began, since the load began")                       \
    X(T, NUMBER, end_s, _, "When it ended")                                                        \
    X(T, NUMBER, lag_peak_events, _, "Most events sent and not read")                              \
    X(T, NUMBER, rss_peak_bytes, _, "Most resident memory")                                        \
    X(T, NUMBER, backpressure_share, _,                                                            \
      "Part of the trouble's time in which shards did not consume")                                \
    X(T, NUMBER, recovered_s, _, "After its end, until all was read and written; null: never")     \
    X(T, INT, produced, _, "Events sent")                                                          \
    X(T, INT, records, _, "Records that the engine read in the end")                               \
    X(T, OBJECT, fetched_redis, spread, "Polled → acknowledged by Redis, during the trouble")      \
    X(T, LIST, moments, moment, "What was seen on the way")

#define COSTS_MEMBERS(X, T)                                                                        \
    X(T, TEXT, sink, _, "Final sink of the pipeline: redis, file or none")                         \
    X(T, NUMBER, event_us, _, "CPU per event, rows aside")                                         \
    X(T, NUMBER, row_us, _, "CPU per row")                                                         \
    X(T, NUMBER, rows_per_event_low, _, "Rows per event of the live run, and")                     \
    X(T, NUMBER, cpu_us_low, _, "its CPU per event")                                               \
    X(T, NUMBER, rows_per_event_high, _, "Rows per event of the other, and")                       \
    X(T, NUMBER, cpu_us_high, _, "its CPU per event")                                              \
    X(T, FLAG, split, _, "The two runs differ enough; else event_us is all and row_us 0")

#define REPORT_MEMBERS(X, T)                                                                       \
    X(T, TEXT, kind, _, "freshet-bench")                                                           \
    X(T, INT, schema, _, "1; a later one may lack or redefine members")                            \
    X(T, TEXT, version, _, "Of freshet")                                                           \
    X(T, TEXT, created, _, "UTC")                                                                  \
    X(T, TEXT, pipeline, _, "Name of the pipeline")                                                \
    X(T, TEXT, file, _, "Its file")                                                                \
    X(T, NUMBER, took_s, _, "Time of the whole bench")                                             \
    X(T, OBJECT, host, host, "Where it ran")                                                       \
    X(T, OBJECT, setup, setup, "What it ran with")                                                 \
    X(T, OBJECT, slo, slo, "Objective")                                                            \
    X(T, LIST, views, view, "The pipeline's views")                                                \
    X(T, LIST, throughput, throughput, "A run for each sink and number of shards; a live one")     \
    X(T, OBJECT, costs, costs, "What an event and a row cost")                                     \
    X(T, LIST, memory, memory, "With different numbers of keys")                                   \
    X(T, OBJECT, latency, latency, "Open loop")                                                    \
    X(T, LIST, checkpoints, checkpoints, "Stalls, with frequent checkpoints and with none")        \
    X(T, OBJECT, recovery, recovery, "kill -9 and start")                                          \
    X(T, OBJECT, overload, stress, "Twice the load")                                               \
    X(T, OBJECT, slow_redis, stress, "A Redis that answers late")

/* Objects and lists stand behind what they are made of. */
#define REPORT_SHAPES(X)                                                                           \
    X(spread, SPREAD_MEMBERS)                                                                      \
    X(host, HOST_MEMBERS)                                                                          \
    X(setup, SETUP_MEMBERS)                                                                        \
    X(slo, SLO_MEMBERS)                                                                            \
    X(view, VIEW_MEMBERS)                                                                          \
    X(threads, THREADS_MEMBERS)                                                                    \
    X(stages, STAGES_MEMBERS)                                                                      \
    X(throughput, THROUGHPUT_MEMBERS)                                                              \
    X(costs, COSTS_MEMBERS)                                                                        \
    X(memory, MEMORY_MEMBERS)                                                                      \
    X(rate, RATE_MEMBERS)                                                                          \
    X(latency, LATENCY_MEMBERS)                                                                    \
    X(checkpoints, CHECKPOINTS_MEMBERS)                                                            \
    X(recovery, RECOVERY_MEMBERS)                                                                  \
    X(moment, MOMENT_MEMBERS)                                                                      \
    X(stress, STRESS_MEMBERS)                                                                      \
    X(report, REPORT_MEMBERS)

SHAPE_DECLARE_ALL(REPORT_SHAPES)

/* All shapes in the order above. */
extern const struct shape *const report_shapes[];
extern const uint32_t report_shape_count;

/* Everything cleared but kind, schema and version. */
void report_init(struct bench_report *report);

/* The whole document, with a line feed. */
void report_write(const struct bench_report *report, struct buf *out);

/* Reads a document that report_write has written, or -EINVAL with what is wrong with it. */
MUST_USE int report_read(struct slice json, struct plan_memory *memory, struct bench_report *ret,
                         struct err *err);

#endif
