/* The checksum: known vectors, and both ways against the definition at every length and alignment.
 */
#include "kafka/crc32c.h"

#include "../support/testing.h"

#include "../../support/record_encoder.h"

#define LEN_MAX 7000 /* more than two times the longest streams */

static char bytes[LEN_MAX + 8];

static void assert_checksum(struct slice text, uint32_t wanted)
{
    assert_int_equal(crc32c(text), wanted);
    assert_int_equal(crc32c_by_table(text), wanted);
    if (crc32c_has_instruction())
        assert_int_equal(crc32c_by_instruction(text), wanted);
}

/* RFC 3720, B.4; and the usual check value. */
static void known_vectors(void **state)
{
    static const char read_command[] = "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
                                       "\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x04\x00"
                                       "\x00\x00\x00\x14\x00\x00\x00\x18\x28\x00\x00\x00"
                                       "\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00";
    char block[32];

    (void)state;
    assert_checksum(SLICE_LITERAL(""), 0);
    assert_checksum(SLICE_LITERAL("123456789"), 0xe3069283);
    memset(block, 0, sizeof(block));
    assert_checksum((struct slice){block, sizeof(block)}, 0x8a9136aa);
    memset(block, 0xff, sizeof(block));
    assert_checksum((struct slice){block, sizeof(block)}, 0x62a8ab43);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)i;
    assert_checksum((struct slice){block, sizeof(block)}, 0x46dd794e);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)(31 - i);
    assert_checksum((struct slice){block, sizeof(block)}, 0x113fdb5c);
    assert_checksum((struct slice){read_command, sizeof(read_command) - 1}, 0xd9963a56);
}

/* The definition goes on from the length before: a byte more each time. */
static void every_length_is_as_defined(void **state)
{
    uint32_t defined = 0xffffffff;

    (void)state;
    random_begin(1);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)random_next();
    for (size_t len = 0; len <= LEN_MAX; len++) {
        assert_checksum((struct slice){bytes, len}, ~defined);
        defined ^= (uint8_t)bytes[len];
        for (int bit = 0; bit < 8; bit++)
            defined = defined >> 1 ^ (defined & 1 ? 0x82f63b78 : 0);
    }
}

static void any_alignment_and_length(void **state)
{
    (void)state;
    for (FIRST_SEED; MORE_SEEDS(300); NEXT_SEED) {
        size_t at = random_below(8);
        struct slice text = {bytes + at, random_below(LEN_MAX)};

        for (size_t i = 0; i < 16; i++)
            bytes[random_below(sizeof(bytes))] = (char)random_next();
        ENSURE(crc32c(text) == encoder_checksum(text));
        ENSURE(crc32c_by_table(text) == encoder_checksum(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors),
        cmocka_unit_test(every_length_is_as_defined),
        cmocka_unit_test(any_alignment_and_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
