/* wire - what it costs to take records out of a fetch's bytes: checksum, decompression, parsing.
 *
 *   bench_wire [MEGABYTES [VALUE_BYTES]]
 *
 * Goes through prepared batches of several sizes, as a shard does: up to 256 records at a time. For
 * each codec and size of batch: CPU time and instructions (user mode; "-" where the kernel does not
 * let count them) per record, checked and unchecked, and the least of some rounds. */
#include <inttypes.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../tests/support/record_encoder.h"
#include "kafka/batches.h"
#include "kafka/crc32c.h"

#define ROUNDS    7
#define TAKEN_MAX 256
#define KEY_BYTES 10

static int counter = -1;

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void open_counter(void)
{
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof(what),
                                   .config = PERF_COUNT_HW_INSTRUCTIONS,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};

    counter = (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

static double instructions(void)
{
    uint64_t count;

    return counter >= 0 && read(counter, &count, sizeof(count)) == sizeof(count) ? (double)count
                                                                                 : 0;
}

struct cost {
    double ns;
    double instructions;
};

static void report(const char *what, struct cost cost, double records, double bytes)
{
    char text[32] = "-";

    if (cost.instructions > 0)
        snprintf(text, sizeof(text), "%.1f", cost.instructions / records);
    printf("  %-22s %8.1f ns %10s instructions a record  %8.2f GB/s\n", what, cost.ns / records,
           text, bytes / cost.ns);
}

static struct buf made;
static int64_t made_records;

/* JSON that resembles an event: compresses as such. */
static struct slice value_of(int64_t number, size_t len)
{
    static char text[65536];
    int used = snprintf(text, sizeof(text),
                        "{\"user_id\":\"user_%" PRId64
                        "\",\"event_type\":\"click\",\"amount\":%" PRId64
                        ".%02d,\"page\":\"/p/%" PRId64 "\",\"timestamp\":%" PRId64 ",\"pad\":\"",
                        number * 2654435761 % 100000, number * 7919 % 1000, (int)(number % 100),
                        number * 104729 % 5000, INT64_C(1767225600000) + number * 3);

    for (size_t at = (size_t)used; at < len; at++)
        text[at] = (char)('a' + (number * 31 + (int64_t)at * 17) % 23);
    return (struct slice){text, len};
}

static void make(int codec, int batch_records, size_t total, size_t value_bytes)
{
    struct encoder_record *records = calloc((size_t)batch_records, sizeof(*records));
    struct buf *values = calloc((size_t)batch_records, sizeof(*values));
    size_t plain = 0;

    buf_reset(&made);
    made_records = 0;
    while (plain < total) {
        struct encoder_batch batch = {.base_offset = made_records,
                                      .last_offset = made_records + batch_records - 1,
                                      .codec = codec,
                                      .base_timestamp_ms = 1767225600000 + made_records,
                                      .producer_id = -1,
                                      .records = records,
                                      .count = batch_records};

        for (int i = 0; i < batch_records; i++) {
            struct buf *value = &values[i];

            buf_reset(value);
            buf_printf(value, "user_%05" PRId64, (made_records + i) * 2654435761 % 100000);
            buf_append_slice(value, value_of(made_records + i, value_bytes));
            records[i] = (struct encoder_record){
                .offset = made_records + i,
                .timestamp_ms = batch.base_timestamp_ms + i / 3,
                .key = {value->data, KEY_BYTES},
                .value = {value->data + KEY_BYTES, value_bytes},
            };
            plain += KEY_BYTES + value_bytes;
        }
        batch.max_timestamp_ms = records[batch_records - 1].timestamp_ms;
        encode_batch(&made, &batch);
        made_records += batch_records;
    }
    for (int i = 0; i < batch_records; i++)
        buf_free(&values[i]);
    free(values);
    free(records);
}

static void take_all(struct decompressor *decompressor, bool unchecked)
{
    static struct record taken[TAKEN_MAX];
    struct batches_options options = {
        .decompressor = decompressor, .bytes_max = 64 << 20, .unchecked = unchecked};
    struct batches batches;
    int64_t count = 0;
    int got;

    batches_init(&batches, buf_slice(&made), &options);
    while ((got = batches_next(&batches, taken, TAKEN_MAX)) > 0)
        count += got;
    CHECK(got == 0 && count == made_records);
}

static void checksum_all(struct decompressor *decompressor, bool by_table)
{
    uint32_t checksum = (by_table ? crc32c_by_table : crc32c)(buf_slice(&made));

    (void)decompressor;
    __asm__ volatile("" : : "r"(checksum)); /* is needed, to the compiler */
}

static void measure(const char *what, void (*work)(struct decompressor *, bool), bool flag)
{
    struct decompressor decompressor = {0};
    struct cost least = {1e300, 1e300};

    for (int round = 0; round < ROUNDS; round++) {
        double began = cpu_ns();
        double before = instructions();

        work(&decompressor, flag);
        least.instructions = MIN(least.instructions, instructions() - before);
        least.ns = MIN(least.ns, cpu_ns() - began);
    }
    report(what, least, (double)made_records, (double)made.len);
    decompressor_done(&decompressor);
}

int main(int argc, char **argv)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    static const int sizes[] = {1, 75, 1000};
    size_t total = (size_t)(argc > 1 ? atoi(argv[1]) : 4) << 20;
    size_t value_bytes = (size_t)(argc > 2 ? atoi(argv[2]) : 190);

    open_counter();
    for (int codec = 0; codec < ENCODER_CODECS; codec++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            make(codec, sizes[i], total, value_bytes);
            printf("%s, batches of %d records of %d + %zu bytes: %zu bytes a record\n",
                   codecs[codec], sizes[i], KEY_BYTES, value_bytes,
                   made.len / (size_t)made_records);
            if (codec == ENCODER_NONE && i == ARRAY_LEN(sizes) - 1) {
                measure("checksum", checksum_all, false);
                measure("checksum by table", checksum_all, true);
            }
            measure("unchecked", take_all, true);
            measure("all", take_all, false);
        }
    }
    buf_free(&made);
    return 0;
}
