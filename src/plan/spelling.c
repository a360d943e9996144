#include "plan/spelling.h"

#include <ctype.h>

#include "plan/messages.h"

#define VALID_BYTES_MAX 400

void spelling_init(struct spelling *spelling, struct slice word)
{
    *spelling = (struct spelling){.word = word};
}

void spelling_done(struct spelling *spelling)
{
    buf_free(&spelling->valid);
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t spelling_distance(struct slice a, struct slice b)
{
    /* Rows of the edit matrix: i - 2, i - 1 and i, in turn. */
    size_t rows[3][SPELLING_BYTES_MAX + 1];

    CHECK(a.len <= SPELLING_BYTES_MAX);
    CHECK(b.len <= SPELLING_BYTES_MAX);
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above_that = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replace = above[j - 1] + !same_letter(a.data[i - 1], b.data[j - 1]);
            size_t best = MIN(replace, MIN(above[j], row[j - 1]) + 1);

            if (i > 1 && j > 1 && same_letter(a.data[i - 1], b.data[j - 2]) &&
                same_letter(a.data[i - 2], b.data[j - 1]))
                best = MIN(best, above_that[j - 2] + 1);
            row[j] = best;
        }
    }
    return rows[a.len % 3][b.len];
}

/* A third of the letters may be wrong, but not all. */
static size_t distance_allowed(struct slice word)
{
    return MIN((word.len + 2) / 3, word.len ? word.len - 1 : 0);
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20)
            return false;
    }
    return true;
}

void spelling_offer(struct spelling *spelling, struct slice valid)
{
    if (!is_printable(valid))
        return; /* a wrong name itself, which is no help */
    if (spelling->valid.len + valid.len > VALID_BYTES_MAX) {
        spelling->cut = true;
    } else {
        if (spelling->valid.len)
            buf_append(&spelling->valid, ", ", 2);
        buf_append_slice(&spelling->valid, valid);
    }
    if (spelling->word.len > SPELLING_BYTES_MAX || valid.len > SPELLING_BYTES_MAX)
        return;

    size_t distance = spelling_distance(spelling->word, valid);
    if (distance <= distance_allowed(spelling->word) &&
        (!spelling->best.data || distance < spelling->best_distance)) {
        spelling->best = valid;
        spelling->best_distance = distance;
    }
}

const char *spelling_hint(const struct spelling *spelling, struct plan_memory *memory)
{
    if (spelling->best.data)
        return plan_printf(memory, "; did you mean %s?", shown(memory, spelling->best));
    if (spelling->valid.len == 0)
        return "";
    return plan_printf(memory, "; valid: %.*s%s", SLICE_ARGS(buf_slice(&spelling->valid)),
                       spelling->cut ? ", …" : "");
}
