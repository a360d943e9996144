/* The broker and librdkafka's queues, as intakes show them: records of each partition in order,
 * partitions in any order, in batches of any size; marks at the ends; pauses and errors. Like
 * librdkafka it wakes a shard only when its queue was empty before. */

#include "sim.h"

#include "base/clock.h"

struct intake {
    uint32_t shard;
    bool is_told; /* woken since its queue was empty */
};

static struct sim_log *log_of(int partition)
{
    return &sim.scenario.logs[partition];
}

/* A record has come, or there is an end to tell. */
static bool has_more(int number)
{
    const struct sim_partition *partition = &sim.partitions[number];
    const struct sim_log *log = log_of(number);

    if (!partition->intake || sim.now_ns < partition->stalled_until_ns)
        return false;
    return partition->next < log->count && log->records[partition->next].arrives_ns <= sim.now_ns
               ? true
               : !partition->end_told;
}

void kafka_forward(int number, struct intake *intake, int64_t offset)
{
    struct sim_partition *partition = &sim.partitions[number];

    partition->intake = intake;
    partition->next = 0;
    while (partition->next < log_of(number)->count &&
           log_of(number)->records[partition->next].offset < offset)
        partition->next++;
    partition->end_told = false;
    partition->last_record_ns = sim.now_ns;
}

void kafka_withdraw(int number)
{
    sim.partitions[number].intake = NULL;
}

bool kafka_has(uint32_t shard)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        const struct intake *intake = sim.partitions[i].intake;

        if (has_more(i) && intake->shard == shard && intake->is_told)
            return true;
    }
    return false;
}

void kafka_wake(void)
{
    for (int i = 0; i < sim.scenario.partition_count; i++) {
        struct intake *intake = sim.partitions[i].intake;

        if (!has_more(i) || intake->is_told)
            continue;
        intake->is_told = true;
        loop_wake(&sim.loops[intake->shard]);
    }
}

int64_t kafka_due_ns(void)
{
    int64_t due_ns = NEVER;

    for (int i = 0; i < sim.scenario.partition_count; i++) {
        const struct sim_partition *partition = &sim.partitions[i];
        const struct sim_log *log = log_of(i);
        int64_t at_ns = partition->stalled_until_ns;

        if (!partition->intake || (has_more(i) && partition->intake->is_told))
            continue;
        if (partition->end_told && partition->next == log->count)
            continue;
        if (partition->end_told)
            at_ns = MAX(at_ns, log->records[partition->next].arrives_ns);
        due_ns = MIN(due_ns, at_ns);
    }
    return due_ns;
}

struct intake *intake_create(struct consumer *consumer, int wake_fd)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    (void)consumer;
    CHECK(intake);
    intake->shard = (uint32_t)wake_fd;
    return intake;
}

void intake_free(struct intake *intake)
{
    free(intake);
}

/* The bytes are a copy of their own, exactly as long: whoever reads beyond is found out. */
static void fetch_record(int number, struct fetched *out)
{
    struct sim_partition *partition = &sim.partitions[number];
    const struct sim_record *record = &log_of(number)->records[partition->next++];

    *out = (struct fetched){
        .kind = FETCHED_RECORD,
        .record = {.partition = number,
                   .offset = record->offset,
                   .timestamp_ms = record->timestamp_ms},
    };
    if (record->value) {
        out->message = malloc(record->value_len);
        memcpy(out->message, record->value, record->value_len);
        out->record.value = (struct slice){out->message, record->value_len};
    }
    partition->end_told = false;
    partition->last_record_ns = sim.now_ns;
    sim_trace("shard %u: fetches %d/%" PRId64, partition->intake->shard, number, record->offset);
}

static void fetch_end(int number, struct fetched *out)
{
    *out = (struct fetched){
        .kind = FETCHED_END,
        .record = {.partition = number, .offset = log_end(log_of(number), sim.now_ns)},
    };
    sim.partitions[number].end_told = true;
}

static size_t fetch_run(int number, struct fetched *out, size_t max)
{
    const struct sim_log *log = log_of(number);
    struct sim_partition *partition = &sim.partitions[number];
    size_t wanted = 1 + (size_t)dice((uint64_t)sim.scenario.burst);
    size_t count = 0;

    for (; count < MIN(max, wanted) && has_more(number); count++) {
        if (partition->next < log->count && log->records[partition->next].arrives_ns <= sim.now_ns)
            fetch_record(number, &out[count]);
        else
            fetch_end(number, &out[count]);
    }
    if (mishap(5))
        partition->stalled_until_ns = sim.now_ns + (int64_t)dice(200) * NS_PER_MS;
    return count;
}

static size_t fetch_error(int number, struct fetched *out)
{
    *out = (struct fetched){
        .kind = FETCHED_ERROR, .record = {.partition = number}, .text = "the leader is not there"};
    return 1;
}

size_t intake_poll(struct intake *intake, struct fetched *out, size_t max)
{
    int ready[PARTITIONS_MAX];
    size_t count = 0;

    if (chance(5))
        fleet_interrupt();
    while (count < max) {
        uint64_t ready_count = 0;

        for (int i = 0; i < sim.scenario.partition_count; i++) {
            if (has_more(i) && sim.partitions[i].intake == intake)
                ready[ready_count++] = i;
        }
        if (ready_count == 0)
            break;
        int number = ready[dice(ready_count)];

        count += mishap(2) ? fetch_error(number, out + count)
                           : fetch_run(number, out + count, max - count);
        if (chance(20))
            break; /* the rest comes just after */
    }
    intake->is_told = count == max;
    sim_digest(&count, sizeof(count));
    return count;
}

void intake_release(struct fetched *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i].message);
}

/* Intakes are what shards read from here. */

struct fetch_uring *fetch_uring_create(struct loop *loop, const struct fetcher_options *options)
{
    (void)loop;
    (void)options;
    UNREACHABLE();
}

void fetch_uring_free(struct fetch_uring *uring)
{
    CHECK(!uring);
}

struct fetcher *fetch_uring_fetcher(struct fetch_uring *uring)
{
    (void)uring;
    UNREACHABLE();
}
