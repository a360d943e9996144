/* Bytes and memory: buf, region and arena against plain arrays that keep everything. */
#include "../support/testing.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/region.h"

/* Does one random thing to the buf and to an array of what it should hold. */
static void change_buf(struct buf *buf, char *model, size_t *len)
{
    char piece[300];
    size_t size = (size_t)random_below(sizeof(piece));

    for (size_t i = 0; i < size; i++)
        piece[i] = (char)random_next();
    switch (random_below(6)) {
    case 0:
    case 1:
        buf_append(buf, piece, size);
        break;
    case 2:
        size = MIN(size, (size_t)1);
        memcpy(buf_reserve(buf, 100), piece, size);
        buf->len += size;
        break;
    case 3:
        size = 1;
        buf_append_char(buf, piece[0]);
        break;
    case 4:
        size = (size_t)snprintf(piece, sizeof(piece), "%d:%s", (int)size, "text");
        buf_printf(buf, "%d:%s", atoi(piece), "text");
        break;
    default:
        size = MIN(size, *len);
        buf_consume(buf, size);
        memmove(model, model + size, *len - size);
        *len -= size;
        return;
    }
    memcpy(model + *len, piece, size);
    *len += size;
}

static void a_buf_holds_what_was_put_into_it(void **state)
{
    static char model[100 * 300];

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        struct buf buf = {0};
        size_t len = 0;

        ENSURE(buf_slice(&buf).data != NULL && buf_slice(&buf).len == 0);
        for (int i = 0; i < 100; i++) {
            change_buf(&buf, model, &len);
            ENSURE_TEXT(buf_slice(&buf), ((struct slice){model, len}));
            ENSURE(buf.cap >= buf.len);
        }
        ENSURE(buf_string(&buf)[len] == '\0');
        ENSURE_INT(buf.len, len);
        buf_reset(&buf);
        assert_string_equal(buf_string(&buf), "");
        buf_free(&buf);
        ENSURE(!buf.data && !buf.len && !buf.cap);
    }
}

static void a_buf_reserves_in_one_piece(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 1000, 1 << 20};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf buf = {0};

        buf_append(&buf, "abc", 3);
        memset(buf_reserve(&buf, sizes[i]), 'x', sizes[i]);
        assert_true(buf.cap - buf.len >= sizes[i]);
        assert_memory_equal(buf.data, "abc", 3);
        buf_free(&buf);
    }
}

struct piece {
    char *at;
    size_t size;
    char fill;
};

static void check_pieces(const struct piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < pieces[i].size; j++) {
            if (pieces[i].at[j] != pieces[i].fill)
                fail_msg("seed %" PRIu64 ": piece %zu has changed", test_seed, i);
        }
    }
}

static void pieces_of_a_region_stay_until_the_reset(void **state)
{
    struct piece pieces[60];
    struct region region = {0};

    (void)state;
    for (FIRST_SEED; MORE_SEEDS(200); NEXT_SEED) {
        size_t count = (size_t)random_below(ARRAY_LEN(pieces));

        for (size_t i = 0; i < count; i++) {
            size_t size = (size_t)random_below(random_chance(5) ? 200000 : 5000);
            size_t back = random_chance(30) ? (size_t)random_below(size + 1) : 0;
            char *at = region_alloc(&region, size);

            memset(at, '!', size);
            region_shrink(&region, back);
            pieces[i] = (struct piece){at, size - back, (char)('a' + i)};
            memset(at, pieces[i].fill, size - back);
        }
        check_pieces(pieces, count);
        region_reset(&region);
        /* One huge batch is not paid for ever after. */
        ENSURE(!region.newest || (!region.newest->older && region.newest->used == 0));
        ENSURE(!region.newest || region.newest->cap == REGION_BLOCK_BYTES);
    }
    region_done(&region);
    assert_null(region.newest);
    region_reset(&region);
    region_done(&region);
}

static void a_region_keeps_its_first_block(void **state)
{
    struct region region = {0};
    char *first = region_alloc(&region, 10);

    (void)state;
    region_alloc(&region, REGION_BLOCK_BYTES);
    region_alloc(&region, 5 * REGION_BLOCK_BYTES);
    region_reset(&region);
    assert_ptr_equal(region_alloc(&region, 10), first);
    assert_ptr_equal(region_alloc(&region, REGION_BLOCK_BYTES - 10), first + 10);
    region_done(&region);
}

struct block {
    unsigned char *at;
    size_t size;
    unsigned char fill;
};

static void block_check(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block->at[i] != block->fill)
            fail_msg("seed %" PRIu64 ": byte %zu has changed", test_seed, i);
    }
}

static void block_change(struct arena *arena, struct block *block)
{
    size_t size = 1 + (size_t)random_below(random_chance(5) ? 100000 : 500);

    block_check(block, block->size);
    if (!block->at && random_chance(50)) {
        block->at = random_chance(50) ? arena_calloc(arena, size) : arena_alloc(arena, size);
        block->size = size;
    } else if (random_chance(60)) {
        block->at = arena_resize(arena, block->at, block->size, size);
        block_check(block, MIN(block->size, size));
        block->size = size;
    } else {
        arena_free(arena, block->at, block->size);
        block->at = NULL;
        block->size = 0;
    }
    block->fill = (unsigned char)random_next();
    if (block->at)
        memset(block->at, block->fill, block->size);
}

static void an_arena_counts_what_is_not_freed(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (FIRST_SEED; MORE_SEEDS(100); NEXT_SEED) {
        struct block blocks[20] = {0};

        for (int i = 0; i < 200; i++) {
            size_t used = 0;

            block_change(&arena, &blocks[random_below(ARRAY_LEN(blocks))]);
            for (size_t j = 0; j < ARRAY_LEN(blocks); j++)
                used += blocks[j].size;
            ENSURE_INT(arena_used_bytes(&arena), used);
        }
        for (size_t j = 0; j < ARRAY_LEN(blocks); j++)
            arena_free(&arena, blocks[j].at, blocks[j].size);
        ENSURE_INT(arena_used_bytes(&arena), 0);
    }
    arena_done(&arena);
}

static void cleared_memory_is_zero_after_use_too(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena);
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        for (int round = 0; round < 3; round++) {
            unsigned char *memory = arena_calloc(&arena, size);

            for (size_t i = 0; i < size; i++)
                assert_int_equal(memory[i], 0);
            memset(memory, 0xff, size);
            arena_free(&arena, memory, size);
        }
    }
    arena_done(&arena);
}

static void arenas_count_apart(void **state)
{
    struct arena arenas[2];

    (void)state;
    arena_init(&arenas[0]);
    arena_init(&arenas[1]);
    void *memory = arena_alloc(&arenas[0], 100);
    assert_int_equal(arena_used_bytes(&arenas[0]), 100);
    assert_int_equal(arena_used_bytes(&arenas[1]), 0);
    arena_free(&arenas[0], memory, 100);
    arena_done(&arenas[0]);
    arena_done(&arenas[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buf_holds_what_was_put_into_it),
        cmocka_unit_test(a_buf_reserves_in_one_piece),
        cmocka_unit_test(pieces_of_a_region_stay_until_the_reset),
        cmocka_unit_test(a_region_keeps_its_first_block),
        cmocka_unit_test(an_arena_counts_what_is_not_freed),
        cmocka_unit_test(cleared_memory_is_zero_after_use_too),
        cmocka_unit_test(arenas_count_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
