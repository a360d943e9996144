/* Aborted transactions: the list against the protocol's own words, a set of producers that grows as
 * transactions begin and shrinks as their markers are passed. */
#include "kafka/aborted.h"

#include "kafka_bytes.h"

#define ENTRIES_MAX 12
#define PRODUCERS   4

static struct buf out;
static struct aborted_list list;

struct model {
    int64_t entries[ENTRIES_MAX][2]; /* producer, first offset */
    bool taken[ENTRIES_MAX];
    uint32_t count;
    bool aborted[PRODUCERS];
};

static void fill(const struct model *model, bool compact)
{
    struct aborted_transactions transactions;
    struct slice bytes;

    buf_reset(&out);
    encode_count(&out, model->count, compact);
    for (uint32_t i = 0; i < model->count; i++) {
        encode_int(&out, 8, model->entries[i][0]);
        encode_int(&out, 8, model->entries[i][1]);
        encode_strange_tags(&out, compact);
    }
    bytes = exact(buf_slice(&out));

    struct wire_reader reader = wire_reader(bytes, compact);

    aborted_transactions_read(&reader, &transactions);
    ENSURE(!reader.bad && wire_left(&reader) == 0);
    aborted_list_fill(&list, transactions);
    exact_free(bytes);
}

/* Transactions that have begun at or before `offset` make their producers aborted. */
static void model_go_to(struct model *model, int64_t offset)
{
    for (uint32_t i = 0; i < model->count; i++) {
        if (!model->taken[i] && model->entries[i][1] <= offset) {
            model->taken[i] = true;
            model->aborted[model->entries[i][0]] = true;
        }
    }
}

static void it_is_what_the_protocol_says(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(20000); NEXT_SEED) {
        struct model model = {.count = (uint32_t)random_below(ENTRIES_MAX + 1)};
        int64_t offset = 0;

        for (uint32_t i = 0; i < model.count; i++) {
            model.entries[i][0] = (int64_t)random_below(PRODUCERS);
            model.entries[i][1] = (int64_t)random_below(60);
        }
        fill(&model, random_chance(50));
        while (offset < 70) {
            int64_t producer = (int64_t)random_below(PRODUCERS);

            offset += (int64_t)random_below(8);
            model_go_to(&model, offset);
            if (random_chance(40)) {
                aborted_list_end(&list, producer, offset);
                model.aborted[producer] = false;
            }
            for (int64_t each = 0; each < PRODUCERS; each++)
                ENSURE(aborted_list_has(&list, each, offset) == model.aborted[each]);
            ENSURE(!aborted_list_has(&list, PRODUCERS, offset));
        }
    }
}

static void a_list_that_is_cut_off_is_refused(void **state)
{
    static const char *const wrong[] = {"00 00 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00",
                                        "7f ff ff ff", "ff ff ff fe", "00 00"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct aborted_transactions transactions;

        buf_reset(&out);
        put_hex(&out, wrong[i]);
        struct slice bytes = exact(buf_slice(&out));
        struct wire_reader reader = wire_reader(bytes, false);

        aborted_transactions_read(&reader, &transactions);
        assert_true(reader.bad);
        exact_free(bytes);
    }
}

static int forget(void **state)
{
    (void)state;
    aborted_list_done(&list);
    buf_free(&out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_protocol_says),
        cmocka_unit_test(a_list_that_is_cut_off_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
