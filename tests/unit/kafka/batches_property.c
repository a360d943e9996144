/* Random logs, written by the test's own encoder, come out as they were meant: all codecs, times,
 * headers, tombstones, gaps, transactions, at any offset, cut off anywhere, taken in any portions.
 * Any single byte that is changed is noticed, or is one that the checksum does not cover. */
#include "kafka/batches.h"

#include "kafka_bytes.h"

#define RECORDS_MAX   400
#define BATCHES_MAX   40
#define PRODUCERS     3
#define ENTRIES_MAX   40
#define TEXT_MAX      300
#define BATCH_RECORDS 12

struct meant_record {
    struct record record;
    bool aborted;
    int batch;
};

/* A log and what is in it. */
struct log {
    struct buf bytes;
    int64_t begin;
    int64_t end;
    struct meant_record records[RECORDS_MAX];
    int record_count;
    struct meant_batch {
        size_t end; /* in bytes */
        int64_t end_offset;
    } batches[BATCHES_MAX];
    int batch_count;
    struct {
        bool open;
        bool aborts;
    } producers[PRODUCERS];
    int64_t aborted[ENTRIES_MAX][2];
    int aborted_count;
};

static struct log world;
static char text[RECORDS_MAX * TEXT_MAX];
static struct decompressor decompressor;
static struct aborted_list aborted;
static volatile uint32_t touched; /* by a sum of all bytes */

static struct slice random_text(void)
{
    static size_t at;
    size_t len = random_chance(80) ? random_below(20) : random_below(TEXT_MAX);
    struct slice made;

    if (random_chance(10))
        return SLICE_NONE;
    if (at + len > sizeof(text))
        at = 0;
    made = (struct slice){text + at, len};
    for (size_t i = 0; i < len; i++)
        text[at + i] = random_chance(70) ? 'a' : (char)random_next();
    at += len;
    return made;
}

static void end_batch(int64_t end_offset)
{
    world.batches[world.batch_count++] = (struct meant_batch){world.bytes.len, end_offset};
    world.end = end_offset;
}

static void mean_record(const struct encoder_batch *batch, const struct encoder_record *record,
                        bool aborts)
{
    int64_t time_ms = batch->append_time ? batch->max_timestamp_ms : record->timestamp_ms;

    world.records[world.record_count++] = (struct meant_record){
        .record = {.partition = 5,
                   .offset = record->offset,
                   .timestamp_ms = time_ms < 0 ? -1 : time_ms,
                   .key = record->key,
                   .value = record->value},
        .aborted = aborts,
        .batch = world.batch_count,
    };
}

/* A batch of a producer's transaction, or of none. */
static void add_batch(int producer)
{
    static struct encoder_record records[BATCH_RECORDS];
    bool transactional = producer >= 0;
    struct encoder_batch batch = {.base_offset = world.end + (int64_t)random_below(3),
                                  .leader_epoch = (int32_t)random_below(9),
                                  .codec = (int)random_below(ENCODER_CODECS),
                                  .framed = random_chance(50),
                                  .append_time = random_chance(30),
                                  .transactional = transactional,
                                  .base_timestamp_ms = random_int64(),
                                  .max_timestamp_ms = random_int64(),
                                  .producer_id = transactional ? producer : -1,
                                  .records = records};
    int64_t offset = batch.base_offset + (int64_t)random_below(2);

    if (transactional && !world.producers[producer].open) {
        world.producers[producer].open = true;
        world.producers[producer].aborts = random_chance(50);
        if (world.producers[producer].aborts) {
            world.aborted[world.aborted_count][0] = producer;
            world.aborted[world.aborted_count++][1] = batch.base_offset;
        }
    }
    for (uint64_t left = random_below(BATCH_RECORDS); left > 0; left--) {
        struct encoder_record *record = &records[batch.count++];

        *record = (struct encoder_record){.offset = offset,
                                          .timestamp_ms = random_int64(),
                                          .key = random_text(),
                                          .value = random_text(),
                                          .headers = random_chance(20) ? (int)random_below(4) : 0};
        offset += 1 + (int64_t)(random_chance(20) ? random_below(300) : 0);
        mean_record(&batch, record, transactional && world.producers[producer].aborts);
    }
    batch.last_offset = offset - (batch.count > 0) + (int64_t)random_below(2);
    encode_batch(&world.bytes, &batch);
    end_batch(batch.last_offset + 1);
}

static void add_mark(int producer)
{
    bool commit = !world.producers[producer].aborts;

    encode_mark(&world.bytes, world.end, producer, commit);
    end_batch(world.end + 1);
    world.producers[producer].open = false;
}

static void make_log(void)
{
    struct buf bytes = world.bytes;

    world = (struct log){.bytes = bytes};
    buf_reset(&world.bytes);
    world.begin = world.end = random_chance(20) ? 0 : (int64_t)(random_bits() >> 2);
    /* What began before the log does, and is aborted in it or after it. */
    for (int producer = 0; producer < PRODUCERS; producer++) {
        if (random_chance(20)) {
            world.producers[producer].open = world.producers[producer].aborts = true;
            world.aborted[world.aborted_count][0] = producer;
            world.aborted[world.aborted_count++][1] = world.begin / 2;
        }
    }
    for (uint64_t left = random_below(20); left > 0; left--) {
        int producer = (int)random_below(PRODUCERS);

        if (world.producers[producer].open && random_chance(30))
            add_mark(producer);
        else
            add_batch(random_chance(40) ? -1 : producer);
    }
}

/* As it comes with the response: in any order. */
static void fill_aborted(void)
{
    struct aborted_transactions transactions;
    struct buf bytes = {0};

    encode_int(&bytes, 4, world.aborted_count);
    for (int i = world.aborted_count - 1; i >= 0; i--) {
        encode_int(&bytes, 8, world.aborted[i][0]);
        encode_int(&bytes, 8, world.aborted[i][1]);
    }
    struct wire_reader reader = wire_reader(buf_slice(&bytes), false);

    aborted_transactions_read(&reader, &transactions);
    aborted_list_fill(&aborted, transactions);
    buf_free(&bytes);
}

static void ensure_record(const struct record *got, const struct record *wanted)
{
    ENSURE_INT(got->partition, wanted->partition);
    ENSURE_INT(got->offset, wanted->offset);
    ENSURE_INT(got->timestamp_ms, wanted->timestamp_ms);
    ENSURE(!got->key.data == !wanted->key.data);
    ENSURE_TEXT(got->key, wanted->key);
    ENSURE(!got->value.data == !wanted->value.data);
    ENSURE_TEXT(got->value, wanted->value);
}

static void begin(struct batches *batches, struct slice bytes, int64_t offset, bool committed)
{
    struct batches_options options = {
        .partition = 5,
        .offset = offset,
        .aborted = committed ? &aborted : NULL,
        .decompressor = &decompressor,
        .bytes_max = 1 << 20,
    };

    fill_aborted();
    batches_init(batches, bytes, &options);
}

/* The records of the first `whole` batches, from `offset` on. */
static void ensure_read(struct slice bytes, int whole, int64_t offset, bool committed)
{
    static struct record taken[RECORDS_MAX];
    struct batches batches;
    int next = 0;
    int got;

    begin(&batches, bytes, offset, committed);
    while ((got = batches_next(&batches, taken, (int)random_between(1, 30))) > 0) {
        for (int i = 0; i < got; i++, next++) {
            while (next < world.record_count && (world.records[next].record.offset < offset ||
                                                 (committed && world.records[next].aborted)))
                next++;
            ENSURE(next < world.record_count);
            ensure_record(&taken[i], &world.records[next].record);
            ENSURE(batches.position > taken[i].offset);
        }
    }
    ENSURE_INT(got, 0);
    for (; next < world.record_count; next++)
        ENSURE(world.records[next].batch >= whole || world.records[next].record.offset < offset ||
               (committed && world.records[next].aborted));
    ENSURE_INT(batches.position, whole ? MAX(offset, world.batches[whole - 1].end_offset) : offset);
    ENSURE_INT(batches.cut_off_bytes > 0, bytes.len > (whole ? world.batches[whole - 1].end : 0));
}

static void what_was_meant_is_read(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(1500); NEXT_SEED) {
        make_log();
        int64_t offset = random_chance(50)
                             ? world.begin
                             : random_between(world.begin, world.end + (int64_t)random_below(3));
        struct slice bytes = exact(buf_slice(&world.bytes));

        ensure_read(bytes, world.batch_count, offset, random_chance(50));
        exact_free(bytes);
    }
}

static void what_is_cut_off_is_read_up_to_there(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        int whole = 0;

        make_log();
        for (size_t len = 0; len <= world.bytes.len; len += 1 + random_below(9)) {
            struct slice bytes = exact((struct slice){world.bytes.data, len});

            while (whole < world.batch_count && world.batches[whole].end <= len)
                whole++;
            ensure_read(bytes, whole, world.begin, random_chance(50));
            exact_free(bytes);
        }
    }
}

/* The record as it was meant, if there is one of that offset; `moved` for a batch whose base offset
 * is not as it was. */
static void ensure_meant(const struct record *got, int moved, size_t *next)
{
    while (*next < (size_t)world.record_count) {
        struct record wanted = world.records[*next].record;

        (*next)++;
        if (world.records[*next - 1].batch == moved)
            wanted.offset = got->offset;
        if (wanted.offset == got->offset && slice_equal(wanted.key, got->key) &&
            slice_equal(wanted.value, got->value)) {
            ensure_record(got, &wanted);
            return;
        }
    }
    fail_msg("seed %" PRIu64 ": offset %" PRId64 " was invented", test_seed, got->offset);
}

static void read_changed(size_t at)
{
    static struct record taken[RECORDS_MAX];
    struct slice bytes = exact(buf_slice(&world.bytes));
    struct batches batches;
    size_t next = 0;
    int batch = 0;
    int got;

    while (world.batches[batch].end <= at)
        batch++;

    size_t place = at - (batch ? world.batches[batch - 1].end : 0);

    begin(&batches, bytes, 0, false);
    while ((got = batches_next(&batches, taken, RECORDS_MAX)) > 0) {
        for (int i = 0; i < got; i++) {
            ensure_meant(&taken[i], place < 8 ? batch : -1, &next);
            ENSURE(place < 16 || batches.problem == 0 || world.records[next - 1].batch < batch);
        }
    }
    if (place == 16)
        ENSURE_INT(got, -ENOTSUP);
    else if (place > 16)
        ENSURE_INT(got, -EBADMSG);
    else if (place >= 12)
        ENSURE_INT(got, 0); /* the leader epoch: nobody can tell */
    exact_free(bytes);
}

static void a_changed_byte_invents_no_record(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(25); NEXT_SEED) {
        make_log();
        for (size_t at = 0; at < world.bytes.len; at += 1 + random_below(3)) {
            char before = world.bytes.data[at];

            world.bytes.data[at] = (char)(before ^ (char)(1 + random_below(255)));
            read_changed(at);
            world.bytes.data[at] = before;
        }
    }
}

/* Without the checksum, whatever comes is read within its bounds, and offsets only go up. */
static void changed_and_unchecked_it_does_no_harm(void **state)
{
    static struct record taken[16];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(25); NEXT_SEED) {
        make_log();
        for (size_t at = 0; at < world.bytes.len; at += 1 + random_below(3)) {
            char before = world.bytes.data[at];
            struct batches batches;
            int64_t last = -1;
            int got;

            world.bytes.data[at] = (char)(before ^ (char)(1 + random_below(255)));
            struct slice bytes = exact(buf_slice(&world.bytes));

            begin(&batches, bytes, 0, random_chance(50));
            batches.options.unchecked = true;
            batches.options.bytes_max = 100000;
            while ((got = batches_next(&batches, taken, 16)) > 0) {
                for (int i = 0; i < got; i++) {
                    ENSURE(taken[i].offset > last);
                    last = taken[i].offset;
                    touched ^= encoder_checksum(taken[i].key) ^ encoder_checksum(taken[i].value);
                }
                ENSURE(batches.position > last);
            }
            exact_free(bytes);
            world.bytes.data[at] = before;
        }
    }
}

static int forget(void **state)
{
    (void)state;
    decompressor_done(&decompressor);
    aborted_list_done(&aborted);
    buf_free(&world.bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_meant_is_read),
        cmocka_unit_test(what_is_cut_off_is_read_up_to_there),
        cmocka_unit_test(a_changed_byte_invents_no_record),
        cmocka_unit_test(changed_and_unchecked_it_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
