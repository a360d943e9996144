/* The ring against a plain queue, and between two threads. */
#include "../support/testing.h"

#include <pthread.h>
#include <sched.h>

#include "base/spsc.h"

/* Positions are set shortly before they overflow: they count up for ever. */
static void set_positions(struct spsc *ring, size_t position)
{
    ring->head = ring->tail = position;
    ring->head_seen = ring->tail_seen = position;
}

static void is_a_bounded_queue(void **state)
{
    static char items[1000];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        size_t capacity = (size_t)1 << random_below(6);
        size_t pushed = 0;
        size_t popped = 0;
        struct spsc ring;

        spsc_init(&ring, capacity);
        set_positions(&ring, random_chance(50) ? 0 : SIZE_MAX - random_below(64));
        while (pushed < sizeof(items)) {
            unsigned push_percent = random_chance(50) ? 90 : 10;

            for (int i = 0; i < 50 && pushed < sizeof(items); i++) {
                if (random_chance(push_percent)) {
                    bool has_room = pushed - popped < capacity;

                    ENSURE(spsc_push(&ring, &items[pushed]) == has_room);
                    pushed += has_room;
                } else {
                    void *wanted = popped < pushed ? &items[popped] : NULL;

                    ENSURE(spsc_pop(&ring) == wanted);
                    popped += wanted != NULL;
                }
                ENSURE_INT(spsc_count(&ring), pushed - popped);
            }
        }
        spsc_done(&ring);
    }
}

static void a_full_ring_has_room_for_what_is_taken(void **state)
{
    struct spsc ring;
    char items[3];

    (void)state;
    spsc_init(&ring, 2);
    assert_null(spsc_pop(&ring));
    assert_true(spsc_push(&ring, &items[0]));
    assert_true(spsc_push(&ring, &items[1]));
    assert_false(spsc_push(&ring, &items[2]));
    assert_false(spsc_push(&ring, &items[2]));
    assert_ptr_equal(spsc_pop(&ring), &items[0]);
    assert_true(spsc_push(&ring, &items[2]));
    assert_ptr_equal(spsc_pop(&ring), &items[1]);
    assert_ptr_equal(spsc_pop(&ring), &items[2]);
    assert_null(spsc_pop(&ring));
    spsc_done(&ring);
}

#define MESSAGES 200000

/* What is written before a push must be seen after the pop. */
static struct {
    struct spsc there;
    struct spsc back;
    uint64_t messages[16];
} line;

static void *pop_or_wait(struct spsc *ring)
{
    void *item;

    while (!(item = spsc_pop(ring)))
        sched_yield();
    return item;
}

static void *consume(void *wrong)
{
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint64_t *message = pop_or_wait(&line.there);

        if (*message != i)
            ++*(uint64_t *)wrong;
        *message = 0;
        CHECK(spsc_push(&line.back, message)); /* as many places as messages */
    }
    return NULL;
}

static void hands_over_between_threads_in_order(void **state)
{
    pthread_t consumer;
    uint64_t wrong = 0;

    (void)state;
    spsc_init(&line.there, 8);
    spsc_init(&line.back, 16);
    for (int i = 0; i < 16; i++)
        assert_true(spsc_push(&line.back, &line.messages[i]));
    assert_int_equal(pthread_create(&consumer, NULL, consume, &wrong), 0);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        uint64_t *message = pop_or_wait(&line.back);

        assert_int_equal(*message, 0);
        *message = i;
        while (!spsc_push(&line.there, message))
            sched_yield();
    }
    pthread_join(consumer, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(spsc_count(&line.back), 16);
    assert_int_equal(spsc_count(&line.there), 0);
    spsc_done(&line.there);
    spsc_done(&line.back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_a_bounded_queue),
        cmocka_unit_test(a_full_ring_has_room_for_what_is_taken),
        cmocka_unit_test(hands_over_between_threads_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
