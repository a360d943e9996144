/* Any bytes as a checkpoint's manifest: as they are, and with the right hash behind them, so that
 * what is behind the hash is reached. What is taken for one is saved as the same bytes. */
#include "fuzz.h"

#include <errno.h>

#include "base/hash.h"
#include "base/pack.h"
#include "checkpoint/manifest.h"

static void take(struct slice bytes)
{
    char *copy = exact_copy((const uint8_t *)bytes.data, bytes.len);
    struct buf saved = {0};
    struct manifest manifest;
    int error = manifest_load((struct slice){copy, bytes.len}, &manifest);

    CHECK(error == 0 || error == -EBADMSG || error == -ENOTSUP);
    if (error == 0) {
        manifest_save(&manifest, &saved);
        CHECK(slice_equal(buf_slice(&saved), bytes));
        manifest_json(&manifest, &saved);
        manifest_print(&manifest, &saved);
        manifest_done(&manifest);
    }
    buf_free(&saved);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct hash128 hash = hash128(bytes, 0);
    struct buf whole = {0};

    take(bytes);
    buf_append_slice(&whole, bytes);
    pack_word(&whole, hash.low);
    pack_word(&whole, hash.high);
    take(buf_slice(&whole));
    buf_free(&whole);
    return 0;
}
