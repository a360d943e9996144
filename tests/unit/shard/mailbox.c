/* Mailboxes: what comes out is what was put in, in its order, with all strings, whatever the sizes;
 * and when the receiver has all blocks the sender has to wait. */
#include "../support/plan_text.h"

#include <pthread.h>
#include <sched.h>

#include "shard/mailbox.h"

#define FIELDS 4 /* user, a, n, b */

static const char file[] =
    "pipeline: p\n"
    "kafka: {}\n"
    "sources:\n"
    "  s:\n"
    "    topic: t\n"
    "    entity: user\n"
    "    time: {field: ts}\n"
    "    fields:\n"
    "      user: string\n"
    "      a: {type: string, optional: true}\n"
    "      n: {type: int64, optional: true}\n"
    "      b: {type: string, optional: true}\n"
    "  other:\n"
    "    topic: u\n"
    "    entity: user\n"
    "    time: {field: ts}\n"
    "    fields:\n"
    "      user: string\n"
    "      a: {type: string, optional: true}\n"
    "      n: {type: int64, optional: true}\n"
    "      b: {type: string, optional: true}\n"
    "views:\n"
    "  v: {source: s, window: {tumbling: 1h}, features: {x: {count: true}}}\n"
    "  w: {source: other, window: {tumbling: 1h}, features: {y: {count: true}}}\n";

static struct plan *plan;

static int load_plan(void **state)
{
    (void)state;
    plan = plan_of_text(file);
    return 0;
}

static int free_plan(void **state)
{
    (void)state;
    plan_free(plan);
    return 0;
}

/* A letter that is made from its number alone: the receiver makes it again, to compare. */
struct letter {
    enum mail_kind kind;
    uint32_t source;
    struct mail_clock clock;
    struct event event;
    struct field_value fields[FIELDS];
    char *strings;
};

static uint64_t letter_bits(uint64_t *bits)
{
    uint64_t z = *bits += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 27);
}

static size_t letter_length(uint64_t *bits)
{
    uint64_t roll = letter_bits(bits) % 1000;

    return letter_bits(bits) % (roll < 2 ? 200000 : roll < 20 ? 20000 : roll < 200 ? 300 : 10);
}

static void fill_event(struct letter *letter, uint64_t *bits)
{
    size_t lengths[3] = {1 + letter_length(bits), letter_length(bits), letter_length(bits)};
    char *at = letter->strings = malloc(lengths[0] + lengths[1] + lengths[2]);

    for (size_t i = 0; i < lengths[0] + lengths[1] + lengths[2]; i++)
        at[i] = (char)letter_bits(bits);
    letter->fields[0] = (struct field_value){.s = at, .len = (uint32_t)lengths[0], .present = true};
    at += lengths[0];
    letter->fields[1] = (struct field_value){
        .s = at, .len = (uint32_t)lengths[1], .present = letter_bits(bits) % 4 > 0};
    letter->fields[2] = (struct field_value){.i = (int64_t)letter_bits(bits),
                                             .present = letter_bits(bits) % 4 > 0};
    letter->fields[3] = (struct field_value){
        .s = at + lengths[1], .len = (uint32_t)lengths[2], .present = letter_bits(bits) % 4 > 0};
    letter->event = (struct event){
        .time_ms = (int64_t)letter_bits(bits),
        .watermark_ms = (int64_t)letter_bits(bits),
        .offset = (int64_t)letter_bits(bits),
        .record_ms = (int64_t)letter_bits(bits),
        .fetched_ns = (int64_t)letter_bits(bits),
        .key_hash = letter_bits(bits),
        .passes = letter_bits(bits),
        .key = {letter->fields[0].s, letter->fields[0].len},
        .partition = (int32_t)letter_bits(bits),
        .fields = letter->fields,
    };
}

static void letter_make(struct letter *letter, uint64_t number)
{
    uint64_t bits = number;

    *letter = (struct letter){.kind = letter_bits(&bits) % 8 ? MAIL_EVENT : MAIL_CLOCK};
    letter->source = letter_bits(&bits) % 8 ? 0 : 1;
    if (letter->kind == MAIL_EVENT)
        fill_event(letter, &bits);
    else
        letter->clock = (struct mail_clock){
            .partition = (int32_t)letter_bits(&bits),
            .is_idle = letter_bits(&bits) % 2,
            .has_ended = letter_bits(&bits) % 2,
            .is_replaying = letter_bits(&bits) % 2,
            .watermark_ms = (int64_t)letter_bits(&bits),
            .clock_ms = (int64_t)letter_bits(&bits),
        };
}

static bool letter_put(struct mailbox *mailbox, const struct letter *letter)
{
    return letter->kind == MAIL_EVENT
               ? mailbox_put_event(mailbox, plan, letter->source, &letter->event)
               : mailbox_put_clock(mailbox, letter->source, &letter->clock);
}

/* CHECK and not ENSURE: the receiver may be another thread. */
static void check_event(const struct event *got, const struct letter *letter)
{
    const struct event *wanted = &letter->event;

    CHECK(got->time_ms == wanted->time_ms && got->watermark_ms == wanted->watermark_ms);
    CHECK(got->offset == wanted->offset && got->record_ms == wanted->record_ms);
    CHECK(got->fetched_ns == wanted->fetched_ns && got->key_hash == wanted->key_hash);
    CHECK(got->passes == wanted->passes && got->partition == wanted->partition);
    CHECK(slice_equal(got->key, wanted->key) && got->key.data != wanted->key.data);
    for (int i = 0; i < FIELDS; i++) {
        const struct field_value *value = &letter->fields[i];

        CHECK(got->fields[i].present == value->present);
        if (!value->present)
            continue;
        if (i == 2)
            CHECK(got->fields[i].i == value->i);
        else
            CHECK(slice_equal((struct slice){got->fields[i].s, got->fields[i].len},
                              (struct slice){value->s, value->len}));
    }
}

static void check_clock(const struct mail_clock *got, const struct mail_clock *wanted)
{
    CHECK(got->partition == wanted->partition && got->is_idle == wanted->is_idle);
    CHECK(got->has_ended == wanted->has_ended && got->is_replaying == wanted->is_replaying);
    CHECK(got->watermark_ms == wanted->watermark_ms && got->clock_ms == wanted->clock_ms);
}

static void check_letter(const struct mail_item *item, uint64_t number)
{
    struct letter letter;

    letter_make(&letter, number);
    CHECK(item->kind == letter.kind && item->source == letter.source && item->bytes % 8 == 0);
    if (letter.kind == MAIL_EVENT)
        check_event((const struct event *)(item + 1), &letter);
    else
        check_clock(mail_clock_of(item), &letter.clock);
    free(letter.strings);
}

/* Takes what can be taken: runs of events at once, the rest one by one. */
static uint64_t receive(struct mailbox *mailbox, uint64_t number, uint64_t max)
{
    const struct event *events[32];
    const struct mail_item *item;
    uint64_t taken = 0;

    while (taken < max && (item = mailbox_peek(mailbox)) && item->kind != MAIL_CLOSING) {
        uint32_t count = mailbox_peek_events(mailbox, events, 32);

        CHECK(count <= 32 && (count > 0) == (item->kind == MAIL_EVENT));
        for (uint32_t i = 0; i < MAX(count, 1u); i++) {
            item = mailbox_peek(mailbox);
            CHECK(count == 0 || (const struct event *)(item + 1) == events[i]);
            check_letter(item, number + taken++);
            mailbox_next(mailbox);
        }
    }
    return taken;
}

static void letters_come_out_as_they_were_put_in(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(30); NEXT_SEED) {
        uint64_t first = random_next();
        uint64_t sent = 0;
        uint64_t received = 0;
        struct mailbox mailbox;

        mailbox_init(&mailbox);
        while (sent < 1000) {
            for (uint64_t more = random_below(200); more > 0; more--) {
                struct letter letter;

                letter_make(&letter, first + sent);
                bool went = letter_put(&mailbox, &letter);

                /* What is pointed to is copied. */
                if (letter.strings)
                    memset(letter.strings, '!', letter.fields[0].len);
                free(letter.strings);
                sent += went;
                if (!went)
                    break;
                if (random_chance(5))
                    mailbox_flush(&mailbox);
            }
            if (random_chance(50))
                mailbox_flush(&mailbox);
            received += receive(&mailbox, first + received, random_below(300));
            ENSURE(received <= sent);
        }
        while (received < sent) {
            mailbox_flush(&mailbox);
            received += receive(&mailbox, first + received, UINT64_MAX);
        }
        ENSURE(!mailbox_peek(&mailbox));
        mailbox_done(&mailbox);
    }
}

/* An event of about the size of a block. */
static struct letter large_letter(size_t bytes)
{
    struct letter letter = {.kind = MAIL_EVENT, .strings = calloc(1, bytes)};

    letter.fields[0] = (struct field_value){
        .s = letter.strings, .len = (uint32_t)bytes, .present = true};
    letter.event.key = (struct slice){"k", 1};
    return letter;
}

/* Puts events until there is no room; returns how many. */
static int fill(struct mailbox *mailbox, struct letter *letter)
{
    int count = 0;

    letter->event.fields = letter->fields;
    while (letter_put(mailbox, letter)) {
        count++;
        assert_true(count < 1000000);
    }
    return count;
}

static void a_full_mailbox_takes_nothing_until_a_block_is_back(void **state)
{
    struct letter letter = large_letter(1000);
    struct mailbox mailbox;

    (void)state;
    mailbox_init(&mailbox);
    int count = fill(&mailbox, &letter);
    assert_true(count > 20);
    assert_false(letter_put(&mailbox, &letter));
    for (int round = 0; round < 3; round++) {
        int taken = 0;

        mailbox_flush(&mailbox);
        while (mailbox_peek(&mailbox)) {
            mailbox_next(&mailbox);
            taken++;
        }
        assert_true(taken >= count);
        assert_true(fill(&mailbox, &letter) >= count);
    }
    free(letter.strings);
    mailbox_done(&mailbox);
}

/* An event beyond any block still goes, and what it took is given back. */
static void huge_events_go_alone(void **state)
{
    struct letter huge = large_letter(5000000);
    struct letter small = large_letter(10);
    struct mailbox mailbox;

    (void)state;
    mailbox_init(&mailbox);
    for (int round = 0; round < 5; round++) {
        huge.event.fields = huge.fields;
        small.event.fields = small.fields;
        assert_true(letter_put(&mailbox, &small));
        assert_true(letter_put(&mailbox, &huge));
        assert_true(letter_put(&mailbox, &small));
        mailbox_flush(&mailbox);
        static const uint32_t lengths[] = {10, 5000000, 10};
        for (int i = 0; i < 3; i++) {
            const struct mail_item *item = mailbox_peek(&mailbox);

            assert_non_null(item);
            assert_int_equal(((const struct event *)(item + 1))->fields[0].len, lengths[i]);
            mailbox_next(&mailbox);
        }
        assert_null(mailbox_peek(&mailbox));
    }
    for (int i = 0; i < 100; i++) { /* every block has been used again */
        assert_true(letter_put(&mailbox, &small));
        mailbox_flush(&mailbox);
        mailbox_peek(&mailbox);
        mailbox_next(&mailbox);
    }
    size_t held = 0;
    for (int i = 0; i < 4; i++)
        held += mailbox.blocks[i].cap;
    assert_true(held < 5000000);
    free(huge.strings);
    free(small.strings);
    mailbox_done(&mailbox);
}

static void drain(struct mailbox *mailbox)
{
    mailbox_flush(mailbox);
    while (mailbox_peek(mailbox))
        mailbox_next(mailbox);
}

/* Blocks that were made for a huge event come back, and take a smaller one with others behind it.
 */
static void a_large_event_may_follow_a_larger_one(void **state)
{
    static const size_t sizes[] = {1000, 40000, 10, 300000, 50000, 10, 33000, 40000, 20};
    struct mailbox mailbox;

    (void)state;
    mailbox_init(&mailbox);
    for (size_t i = 0; i < 20 * ARRAY_LEN(sizes); i++) {
        struct letter letter = large_letter(sizes[i % ARRAY_LEN(sizes)]);

        letter.event.fields = letter.fields;
        if (!letter_put(&mailbox, &letter)) {
            drain(&mailbox);
            assert_true(letter_put(&mailbox, &letter));
        }
        if (i % 4 == 3)
            drain(&mailbox);
        free(letter.strings);
    }
    mailbox_done(&mailbox);
}

static void nothing_is_handed_over_before_the_flush(void **state)
{
    struct mail_clock clock = {.partition = 7, .watermark_ms = 9};
    struct mailbox mailbox;

    (void)state;
    mailbox_init(&mailbox);
    assert_false(mailbox_flush(&mailbox));
    assert_true(mailbox_put_clock(&mailbox, 1, &clock));
    assert_null(mailbox_peek(&mailbox));
    assert_true(mailbox_flush(&mailbox));
    assert_false(mailbox_flush(&mailbox));
    const struct mail_item *item = mailbox_peek(&mailbox);
    assert_int_equal(item->kind, MAIL_CLOCK);
    assert_ptr_equal(mailbox_peek(&mailbox), item); /* it stays the next one */
    mailbox_next(&mailbox);
    assert_true(mailbox_put_closing(&mailbox));
    assert_true(mailbox_flush(&mailbox));
    assert_int_equal(mailbox_peek(&mailbox)->kind, MAIL_CLOSING);
    mailbox_next(&mailbox);
    assert_null(mailbox_peek(&mailbox));
    mailbox_done(&mailbox);
}

#define LETTERS 20000

static struct mailbox between;

static void *receiver(void *unused)
{
    uint64_t received = 0;

    (void)unused;
    for (;;) {
        const struct mail_item *item = mailbox_peek(&between);

        if (!item) {
            sched_yield();
        } else if (item->kind == MAIL_CLOSING) {
            mailbox_next(&between);
            break;
        } else {
            received += receive(&between, received, UINT64_MAX);
        }
    }
    CHECK(received == LETTERS);
    return NULL;
}

static void letters_go_from_thread_to_thread(void **state)
{
    pthread_t thread;

    (void)state;
    mailbox_init(&between);
    assert_int_equal(pthread_create(&thread, NULL, receiver, NULL), 0);
    for (uint64_t number = 0; number < LETTERS; number++) {
        struct letter letter;

        letter_make(&letter, number);
        while (!letter_put(&between, &letter))
            sched_yield();
        free(letter.strings);
        if (number % 64 == 0)
            mailbox_flush(&between);
    }
    while (!mailbox_put_closing(&between))
        sched_yield();
    mailbox_flush(&between);
    pthread_join(thread, NULL);
    mailbox_done(&between);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_handed_over_before_the_flush),
        cmocka_unit_test(a_full_mailbox_takes_nothing_until_a_block_is_back),
        cmocka_unit_test(huge_events_go_alone),
        cmocka_unit_test(a_large_event_may_follow_a_larger_one),
        cmocka_unit_test(letters_come_out_as_they_were_put_in),
        cmocka_unit_test(letters_go_from_thread_to_thread),
    };

    return cmocka_run_group_tests(tests, load_plan, free_plan);
}
