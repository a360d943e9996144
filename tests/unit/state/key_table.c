/* The key table against a list of all keys: growing, removing while slots move, keys of any length,
 * hashes that collide. */
#include "../support/testing.h"

#include "base/hash.h"
#include "state/key_table.h"

#define KEYS         1500
#define RECORD_BYTES (sizeof(struct key_head) + 40)

/* How much of a hash is kept. */
enum quality { GOOD, FEW_BITS, SAME_TAGS, ALL_EQUAL, QUALITIES };

struct known_key {
    char text[70];
    struct slice key;
    uint64_t hash;
    struct key_head *record; /* NULL: not in the table */
    uint32_t number;
    uint64_t mark; /* what was written into the record */
};

static struct known_key keys[KEYS];
static uint32_t live;

static uint64_t weaken(uint64_t hash, enum quality quality)
{
    return quality == GOOD        ? hash
           : quality == FEW_BITS  ? hash & UINT64_C(0xff000000ff)
           : quality == SAME_TAGS ? hash & UINT32_MAX
                                  : 7;
}

static void keys_init(size_t count, enum quality quality)
{
    static const size_t lengths[] = {1, 23, 24, 25, 26, 60};

    live = 0;
    for (size_t i = 0; i < count; i++) {
        struct known_key *key = &keys[i];
        size_t digits = (size_t)snprintf(key->text, sizeof(key->text), "%zu", i);
        size_t len = random_chance(50) ? digits : lengths[random_below(ARRAY_LEN(lengths))];

        len = MAX(len, digits);
        memset(key->text + digits, random_chance(50) ? 'k' : '\0', sizeof(key->text) - digits);
        key->key = (struct slice){key->text, len};
        key->hash = weaken(hash64(key->key), quality);
        key->record = NULL;
    }
}

static uint64_t *record_room(struct key_head *record)
{
    return (uint64_t *)(record + 1);
}

static void add(struct key_table *table, struct known_key *key)
{
    key->record = key_table_add(table, key->hash, key->key);
    key->number = key->record->number;
    key->mark = random_next();
    for (size_t i = 0; i < 5; i++) /* zeroed, also where a record was before */
        ENSURE(record_room(key->record)[i] == 0);
    ENSURE(key->record->due_ms == 0 && key->record->free_ms == 0 && !key->record->sink_slot);
    for (size_t i = 0; i < 5; i++)
        record_room(key->record)[i] = key->mark;
    live++;
}

static void drop(struct key_table *table, struct known_key *key)
{
    key_table_remove(table, key->record);
    key->record = NULL;
    live--;
    ENSURE(!key_table_find(table, key->hash, key->key));
}

/* Records never move and keep their number and content. */
static void check_key(struct key_table *table, const struct known_key *key)
{
    struct key_head *found = key_table_find(table, key->hash, key->key);

    ENSURE(found == key->record);
    key_table_prefetch_slot(table, key->hash);
    key_table_prefetch_record(table, key->hash);
    if (!found)
        return;
    ENSURE_TEXT(key_head_key(found), key->key);
    ENSURE_INT(found->number, key->number);
    ENSURE(found->hash == key->hash);
    ENSURE(key_table_at(table, key->number) == found);
    for (size_t i = 0; i < 5; i++)
        ENSURE(record_room(found)[i] == key->mark);
}

static void check_all(struct key_table *table, size_t count)
{
    uint32_t found = 0;

    for (size_t i = 0; i < count; i++)
        check_key(table, &keys[i]);
    ENSURE_INT(table->live, live);
    for (uint32_t number = 0; number < table->record_count; number++)
        found += key_table_at(table, number) != NULL;
    ENSURE_INT(found, live);
    if (table->before.slots)
        return; /* what stays there is only asked until all has moved */
    for (uint32_t slot = 0; slot < table->now.cap; slot++)
        found -= table->now.slots[slot].number != 0;
    ENSURE_INT(found, 0);
}

static void table_init(struct key_table *table, struct arena *arena)
{
    arena_init(arena);
    key_table_init(table, arena, RECORD_BYTES);
}

static void table_done(struct key_table *table, struct arena *arena)
{
    key_table_done(table);
    ENSURE_INT(arena_used_bytes(arena), 0);
    arena_done(arena);
}

static void keys_are_found_as_long_as_they_are_there(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(40); NEXT_SEED) {
        enum quality quality = (enum quality)(seed_ % QUALITIES);
        size_t count = quality == GOOD ? KEYS : 200;
        uint32_t most = 0;
        struct key_table table;
        struct arena arena;

        table_init(&table, &arena);
        keys_init(count, quality);
        for (int round = 0; round < 12; round++) {
            unsigned add_percent = random_chance(60) ? 90 : 15;

            for (size_t step = 0; step < count / 2; step++) {
                struct known_key *key = &keys[random_below(count)];

                if (random_chance(add_percent) && !key->record)
                    add(&table, key);
                else if (key->record)
                    drop(&table, key);
                most = MAX(most, live);
                check_key(&table, &keys[random_below(count)]);
            }
            check_all(&table, count);
        }
        ENSURE_INT(table.record_count, most); /* free records are used again */
        table_done(&table, &arena);
    }
}

/* While slots move, both arrays are asked: every key, at every step of a move. */
static void keys_stay_through_every_step_of_growth(void **state)
{
    struct key_table table;
    struct arena arena;
    int drops_in_move = 0;

    (void)state;
    random_begin(1);
    table_init(&table, &arena);
    keys_init(700, GOOD);
    for (size_t i = 0; i < 700; i++) {
        add(&table, &keys[i]);
        for (size_t j = 0; j < 700; j++)
            ENSURE(key_table_find(&table, keys[j].hash, keys[j].key) == keys[j].record);
        if (i % 3 == 2) {
            drops_in_move += table.before.slots != NULL;
            drop(&table, &keys[i - random_below(2)]);
        }
    }
    assert_true(drops_in_move > 10); /* what goes while slots move must not come back */
    check_all(&table, 700);
    table_done(&table, &arena);
}

static void a_removed_key_may_come_again(void **state)
{
    struct key_table table;
    struct arena arena;

    (void)state;
    random_begin(1);
    table_init(&table, &arena);
    keys_init(300, GOOD);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < 300; i++)
            add(&table, &keys[i]);
        for (size_t i = 0; i < 300; i++)
            drop(&table, &keys[(i * 7) % 300]);
        check_all(&table, 300);
    }
    assert_int_equal(table.record_count, 300);
    table_done(&table, &arena);
}

static void chunks_without_keys_are_given_back(void **state)
{
    struct key_table table;
    struct arena arena;

    (void)state;
    random_begin(1);
    table_init(&table, &arena);
    keys_init(1500, GOOD);
    for (size_t i = 0; i < 1500; i++)
        add(&table, &keys[i]);
    size_t most = arena_used_bytes(&arena);

    for (size_t i = 0; i < 1280; i++)
        drop(&table, &keys[i]);
    check_all(&table, 1500);
    assert_true(most - arena_used_bytes(&arena) >= 5 * 256 * (size_t)RECORD_BYTES);
    for (size_t i = 0; i < 1280; i++)
        add(&table, &keys[i]);
    check_all(&table, 1500);
    assert_int_equal(table.record_count, 1500);
    table_done(&table, &arena);
}

static void keys_with_one_hash_are_told_apart(void **state)
{
    struct key_table table;
    struct arena arena;
    const struct slice one = SLICE_LITERAL("one");
    const struct slice two = SLICE_LITERAL("two");
    const struct slice longer = SLICE_LITERAL("one and more than twenty-four bytes");

    (void)state;
    table_init(&table, &arena);
    struct key_head *first = key_table_add(&table, 9, one);
    struct key_head *second = key_table_add(&table, 9, longer);

    assert_null(key_table_find(&table, 9, two));
    assert_ptr_equal(key_table_find(&table, 9, one), first);
    assert_ptr_equal(key_table_find(&table, 9, longer), second);
    key_table_remove(&table, first);
    assert_null(key_table_find(&table, 9, one));
    assert_ptr_equal(key_table_find(&table, 9, longer), second);
    table_done(&table, &arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_as_long_as_they_are_there),
        cmocka_unit_test(keys_stay_through_every_step_of_growth),
        cmocka_unit_test(a_removed_key_may_come_again),
        cmocka_unit_test(chunks_without_keys_are_given_back),
        cmocka_unit_test(keys_with_one_hash_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
