/* Any bytes as record batches, with their checksums and without, in portions of any size: the same
 * records, in order, each of bytes that can be read.
 *
 *   input   committed: u8 | portion: u8 | offset: u8 | transactions: u8 | (producer: u8,
 *           first offset: u8) each | batches */
#include "kafka/batches.h"

#include "base/hash.h"
#include "fuzz.h"

#define TAKEN_MAX 64
#define BYTES_MAX 20000

static struct decompressor decompressor;
static struct aborted_list aborted;

struct input {
    bool committed;
    int portion;
    int64_t offset;
    const uint8_t *transactions;
    uint32_t transaction_count;
    struct slice batches;
};

struct outcome {
    uint64_t records;
    uint64_t hash; /* of all of them */
    int64_t position;
    enum record_problem problem;
    size_t cut_off_bytes;
};

static void fill_aborted(const struct input *input)
{
    struct aborted_transactions transactions = {.count = input->transaction_count};
    struct buf bytes = {0};

    for (uint32_t i = 0; i < input->transaction_count; i++) {
        wire_put_int64(&bytes, input->transactions[2 * i]);
        wire_put_int64(&bytes, input->transactions[2 * i + 1]);
    }
    transactions.entries = wire_reader(buf_slice(&bytes), false);
    aborted_list_fill(&aborted, transactions);
    buf_free(&bytes);
}

static struct outcome outcome_of(const struct input *input, int portion, bool unchecked)
{
    struct record taken[TAKEN_MAX];
    struct batches_options options = {
        .offset = input->offset,
        .aborted = input->committed ? &aborted : NULL,
        .decompressor = &decompressor,
        .bytes_max = BYTES_MAX,
        .unchecked = unchecked,
    };
    struct outcome outcome = {0};
    struct batches batches;
    int64_t last = input->offset - 1;
    int got;

    fill_aborted(input);
    batches_init(&batches, input->batches, &options);
    while ((got = batches_next(&batches, taken, portion)) > 0) {
        CHECK(got <= portion);
        for (int i = 0; i < got; i++) {
            CHECK(taken[i].offset > last);
            CHECK(taken[i].timestamp_ms >= -1);
            last = taken[i].offset;
            outcome.hash = hash64_int(outcome.hash ^ hash64(taken[i].key));
            outcome.hash = hash64_int(outcome.hash ^ hash64(taken[i].value) ^ (uint64_t)last);
            outcome.records++;
        }
        CHECK(batches.position > last);
    }
    CHECK(got == record_problem_errno(batches.problem));
    outcome.position = batches.position;
    outcome.problem = batches.problem;
    outcome.cut_off_bytes = batches.cut_off_bytes;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    size_t head;

    if (size < 4)
        return 0;
    input = (struct input){.committed = data[0] & 1,
                           .portion = 1 + data[1] % TAKEN_MAX,
                           .offset = data[2],
                           .transactions = data + 4,
                           .transaction_count = data[3]};
    head = 4 + 2 * (size_t)input.transaction_count;
    if (size < head)
        return 0;
    char *copy = exact_copy(data + head, size - head);

    input.batches = (struct slice){copy, size - head};
    struct outcome outcome = outcome_of(&input, input.portion, true);
    struct outcome again = outcome_of(&input, TAKEN_MAX, true);
    struct outcome checked = outcome_of(&input, TAKEN_MAX, false);

    CHECK(outcome.records == again.records && outcome.hash == again.hash);
    CHECK(outcome.position == again.position && outcome.problem == again.problem);
    CHECK(outcome.cut_off_bytes == again.cut_off_bytes);
    CHECK(checked.records <= outcome.records && checked.position <= outcome.position);
    free(copy);
    return 0;
}
