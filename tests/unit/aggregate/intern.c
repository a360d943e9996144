/* Interned strings against a list of them all. */
#include "cell_bench.h"

#include "base/hash.h"

#define TEXTS 300

/* What the table should know. */
struct model {
    char texts[TEXTS][80];
    uint32_t numbers[TEXTS];
    uint32_t references[TEXTS];
    uint32_t live;
    uint32_t live_most;
    bool weak; /* hashes of few bits: long probe sequences */
};

static struct slice text_of(const struct model *model, size_t i)
{
    return slice_of(model->texts[i]);
}

static uint64_t hash_of(const struct model *model, size_t i)
{
    uint64_t hash = hash64(text_of(model, i));

    return model->weak ? hash & 0x1f : hash;
}

static void model_init(struct model *model)
{
    *model = (struct model){.weak = random_chance(50)};
    for (int i = 0; i < TEXTS; i++) {
        int len = snprintf(model->texts[i], 80, "%d", i);

        if (random_chance(20))
            memset(model->texts[i] + len, 'x', random_below(60));
    }
    model->texts[0][0] = '\0'; /* the empty string is one, too */
}

static void take(struct intern *intern, struct model *model, size_t i)
{
    uint32_t number = intern_take(intern, text_of(model, i), hash_of(model, i));

    if (model->references[i]++ == 0) {
        model->numbers[i] = number;
        model->live++;
        model->live_most = MAX(model->live_most, model->live);
        for (size_t j = 0; j < TEXTS; j++)
            ENSURE(j == i || model->references[j] == 0 || model->numbers[j] != number);
    }
    ENSURE_INT(number, model->numbers[i]);
    ENSURE(number < model->live_most); /* numbers are used again */
}

static void check(const struct intern *intern, const struct model *model)
{
    ENSURE_INT(intern->live, model->live);
    for (size_t i = 0; i < TEXTS; i++) {
        uint32_t number = intern_find(intern, text_of(model, i), hash_of(model, i));

        if (model->references[i] == 0) {
            ENSURE(number == INTERN_NONE);
        } else {
            ENSURE_INT(number, model->numbers[i]);
            ENSURE_TEXT(intern_text(intern, number), text_of(model, i));
        }
    }
}

static void drop(struct intern *intern, struct model *model, size_t i)
{
    intern_drop(intern, model->numbers[i]);
    model->live -= --model->references[i] == 0;
}

static void strings_keep_their_numbers_while_they_are_held(void **state)
{
    static struct model model;

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(60); NEXT_SEED) {
        struct cell_bench bench;

        cell_bench_init(&bench);
        random_begin(seed_);
        model_init(&model);
        for (int round = 0; round < 20; round++) {
            unsigned take_percent = random_chance(50) ? 80 : 20;

            for (int step = 0; step < 100; step++) {
                size_t i = random_below(TEXTS);

                if (random_chance(take_percent))
                    take(&bench.intern, &model, i);
                else if (model.references[i] > 0)
                    drop(&bench.intern, &model, i);
            }
            check(&bench.intern, &model);
        }
        for (size_t i = 0; i < TEXTS; i++) {
            while (model.references[i] > 0)
                drop(&bench.intern, &model, i);
        }
        check(&bench.intern, &model);
        cell_bench_done(&bench);
    }
}

static void texts_are_compared_and_not_just_their_hashes(void **state)
{
    struct cell_bench bench;

    (void)state;
    cell_bench_init(&bench);
    uint32_t first = intern_take(&bench.intern, SLICE_LITERAL("a"), 7);
    uint32_t second = intern_take(&bench.intern, SLICE_LITERAL("b"), 7);

    assert_int_not_equal(first, second);
    assert_int_equal(intern_find(&bench.intern, SLICE_LITERAL("a"), 7), first);
    assert_int_equal(intern_find(&bench.intern, SLICE_LITERAL("b"), 7), second);
    intern_drop(&bench.intern, first);
    assert_true(intern_find(&bench.intern, SLICE_LITERAL("a"), 7) == INTERN_NONE);
    assert_int_equal(intern_find(&bench.intern, SLICE_LITERAL("b"), 7), second);
    intern_drop(&bench.intern, second);
    cell_bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_keep_their_numbers_while_they_are_held),
        cmocka_unit_test(texts_are_compared_and_not_just_their_hashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
