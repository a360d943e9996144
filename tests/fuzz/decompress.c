/* Any bytes as compressed records: codec: u8 | bytes. They expand within the bound, or are refused,
 * and in the same way when the memory is used again as when it is new. */
#include "kafka/decompress.h"

#include <errno.h>

#include "fuzz.h"

#define BYTES_MAX 50000

static struct decompressor used;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decompressor new = {0};
    struct slice first;
    struct slice second;

    if (size < 1)
        return 0;
    enum kafka_codec codec = KAFKA_CODEC_GZIP + data[0] % 4;
    char *copy = exact_copy(data + 1, size - 1);
    struct slice compressed = {copy, size - 1};
    int rc = decompress(&used, codec, compressed, BYTES_MAX, &first);

    CHECK(rc == 0 || rc == -EBADMSG || rc == -EFBIG);
    CHECK(decompress(&new, codec, compressed, BYTES_MAX, &second) == rc);
    if (rc == 0)
        CHECK(first.len <= BYTES_MAX && slice_equal(first, second));
    decompressor_done(&new);
    free(copy);
    return 0;
}
