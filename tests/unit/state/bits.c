/* Sets of numbers against an array of flags; entries against what was appended. */
#include "../support/testing.h"

#include <errno.h>

#include "state/bits.h"
#include "state/entries.h"

#define NUMBERS 3000

static void sets_hold_what_was_added(void **state)
{
    static bool wanted[NUMBERS];
    struct arena arena;
    struct bits bits = {0};

    (void)state;
    random_begin(1);
    memset(wanted, 0, sizeof(wanted));
    arena_init(&arena);
    assert_int_equal(bits_next(&bits, 0), BITS_NONE);
    assert_false(bits_has(&bits, 77));
    bits_remove(&bits, 77);
    for (int step = 0; step < 20000; step++) {
        uint32_t number = (uint32_t)random_below(step < 10000 ? 200 : NUMBERS);

        if (random_chance(50)) {
            bits_add(&bits, &arena, number);
            wanted[number] = true;
        } else if (random_chance(80)) {
            bits_remove(&bits, number);
            wanted[number] = false;
        } else if (random_chance(1)) {
            bits_clear(&bits);
            memset(wanted, 0, sizeof(wanted));
        } else if (random_chance(1)) {
            bits_fill(&bits, &arena, number);
            memset(wanted, true, number);
        }
        number = (uint32_t)random_below(NUMBERS);
        assert_int_equal(bits_has(&bits, number), wanted[number]);

        uint32_t next = number;
        while (next < NUMBERS && !wanted[next])
            next++;
        assert_int_equal(bits_next(&bits, number), next < NUMBERS ? next : BITS_NONE);
    }
    bits_done(&bits, &arena);
    assert_int_equal(arena_used_bytes(&arena), 0);
    arena_done(&arena);
}

static void entries_are_read_as_they_were_written(void **state)
{
    static const char wanted[] = "\7\0\0\0\3\0\0\0\1\2\3\4kab123"
                                 "\6\0\0\0\377\377\377\377\0\0\0\1iz"
                                 "\5\0\0\0\0\0\0\0\0\0\0\2k";
    struct buf out = {0};
    struct slice key, value, rest;
    uint32_t group;
    char kind;

    (void)state;
    size_t place = entry_begin(&out, 0x01020304, ENTRY_KEY);
    buf_append(&out, "ab", 2);
    entry_value(&out, place);
    buf_append(&out, "123", 3);
    entry_end(&out, place);
    place = entry_begin(&out, 1, ENTRY_IDS);
    buf_append_char(&out, 'z');
    entry_end_deleted(&out, place);
    place = entry_begin(&out, 2, ENTRY_KEY);
    entry_value(&out, place);
    entry_end(&out, place);
    assert_int_equal(out.len, sizeof(wanted) - 1);
    assert_memory_equal(out.data, wanted, out.len);

    struct slice from = buf_slice(&out);
    assert_int_equal(entry_next(&from, &key, &value), 0);
    assert_true(slice_equal(value, SLICE_LITERAL("123")));
    assert_int_equal(entry_key_read(key, &group, &kind, &rest), 0);
    assert_int_equal(group, 0x01020304);
    assert_int_equal(kind, ENTRY_KEY);
    assert_true(slice_equal(rest, SLICE_LITERAL("ab")));
    assert_int_equal(entry_next(&from, &key, &value), 0);
    assert_null(value.data);
    assert_int_equal(key.len, 6);
    assert_int_equal(entry_next(&from, &key, &value), 0);
    assert_non_null(value.data); /* empty, not deleted */
    assert_int_equal(value.len, 0);
    assert_int_equal(from.len, 0);
    assert_int_equal(entry_key_read((struct slice){key.data, 4}, &group, &kind, &rest), -EBADMSG);
    buf_free(&out);
}

static void pieces_of_entries_are_refused(void **state)
{
    static const char whole[] = "\6\0\0\0\3\0\0\0\0\0\0\1ka123";

    (void)state;
    for (size_t len = 0; len < sizeof(whole); len++) {
        char *piece = malloc(len + 1);
        struct slice from = {piece, len};
        struct slice key, value;

        assert_non_null(piece);
        memcpy(piece, whole, len);
        assert_int_equal(entry_next(&from, &key, &value), len == sizeof(whole) - 1 ? 0 : -EBADMSG);
        free(piece);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_hold_what_was_added),
        cmocka_unit_test(entries_are_read_as_they_were_written),
        cmocka_unit_test(pieces_of_entries_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
