#include "aggregate/quantile.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/pack.h"

/* log((1 + 0.01) / (1 - 0.01)), and its inverse */
#define LOG_BASE          0.020000666706669525
#define LOG_BASE_INVERSE  49.99833328888656

#define COUNT_BITS        44
#define COUNT_MAX         ((UINT64_C(1) << COUNT_BITS) - 1)
#define INDEX_MIN         (-37222) /* of the smallest double */
#define INDEX_MAX         35489    /* of the largest */
#define INDEX_BIAS        (1 << 17)
#define BUCKETS_CAP_FIRST 4

/* Buckets in ascending order, each index + bias above its count. */
struct buckets {
    uint64_t *items;
    uint32_t len;
    uint32_t cap;
};

struct sketch {
    uint64_t count;
    uint64_t zeroes;
    double min;
    double max;
    struct buckets negative; /* by magnitude */
    struct buckets positive;
};

static struct sketch *sketch_in(uint64_t cell)
{
    return (struct sketch *)(uintptr_t)cell;
}

static int32_t bucket_of(double magnitude)
{
    return (int32_t)ceil(log(magnitude) * LOG_BASE_INVERSE);
}

static double magnitude_of(int32_t index)
{
    return exp(index * LOG_BASE) * (1 - QUANTILE_ACCURACY);
}

static uint64_t item_of(int32_t index, uint64_t count)
{
    return (uint64_t)(index + INDEX_BIAS) << COUNT_BITS | count;
}

static int32_t index_in(uint64_t item)
{
    return (int32_t)(item >> COUNT_BITS) - INDEX_BIAS;
}

static uint64_t count_in(uint64_t item)
{
    return item & COUNT_MAX;
}

static void item_raise(uint64_t *item, uint64_t more)
{
    *item += MIN(more, COUNT_MAX - count_in(*item));
}

/* The place of the first bucket that is not below `index`. */
static uint32_t buckets_before(const struct buckets *buckets, int32_t index)
{
    uint64_t wanted = item_of(index, 0);
    uint32_t low = 0;

    for (uint32_t len = buckets->len; len > 0;) {
        uint32_t half = len / 2;

        if (buckets->items[low + half] < wanted) {
            low += half + 1;
            len -= half + 1;
        } else {
            len = half;
        }
    }
    return low;
}

static void buckets_grow(struct buckets *buckets, struct cell_memory *memory)
{
    uint32_t cap = MIN(MAX(buckets->cap + buckets->cap / 2, (uint32_t)BUCKETS_CAP_FIRST),
                       (uint32_t)QUANTILE_BUCKETS_MAX);

    buckets->items = cell_memory_resize(memory, buckets->items, buckets->cap * sizeof(uint64_t),
                                        cap * sizeof(uint64_t));
    buckets->cap = cap;
}

/* Of full buckets, the smallest goes and is counted by its neighbour, which may be the new one. */
static void insert_above_smallest(struct buckets *buckets, uint32_t at, uint64_t item)
{
    uint64_t collapsed = count_in(buckets->items[0]);

    memmove(&buckets->items[0], &buckets->items[1], (at - 1) * sizeof(uint64_t));
    buckets->items[at - 1] = item;
    item_raise(&buckets->items[0], collapsed);
}

static void buckets_add(struct buckets *buckets, int32_t index, uint64_t count,
                        struct cell_memory *memory)
{
    uint32_t at = buckets_before(buckets, index);

    if (at < buckets->len && index_in(buckets->items[at]) == index) {
        item_raise(&buckets->items[at], count);
    } else if (buckets->len < QUANTILE_BUCKETS_MAX) {
        if (buckets->len == buckets->cap)
            buckets_grow(buckets, memory);
        memmove(&buckets->items[at + 1], &buckets->items[at],
                (buckets->len - at) * sizeof(uint64_t));
        buckets->items[at] = item_of(index, count);
        buckets->len++;
    } else if (at == 0) {
        item_raise(&buckets->items[0], count);
    } else {
        insert_above_smallest(buckets, at, item_of(index, count));
    }
}

static void buckets_done(struct buckets *buckets, struct cell_memory *memory)
{
    cell_memory_free(memory, buckets->items, buckets->cap * sizeof(uint64_t));
}

void quantile_add(uint64_t *cell, double value, struct cell_memory *memory)
{
    struct sketch *sketch = sketch_in(*cell);

    if (!sketch) {
        sketch = cell_memory_calloc(memory, sizeof(*sketch));
        *cell = (uint64_t)(uintptr_t)sketch;
        sketch->min = sketch->max = value;
    }
    sketch->count++;
    sketch->min = MIN(sketch->min, value);
    sketch->max = MAX(sketch->max, value);
    if (value > 0)
        buckets_add(&sketch->positive, bucket_of(value), 1, memory);
    else if (value < 0)
        buckets_add(&sketch->negative, bucket_of(-value), 1, memory);
    else
        sketch->zeroes++;
}

static void buckets_merge(struct buckets *into, struct buckets *from, struct cell_memory *memory)
{
    if (from->len > into->len) {
        struct buckets larger = *from;

        *from = *into;
        *into = larger;
    }
    for (uint32_t i = 0; i < from->len; i++)
        buckets_add(into, index_in(from->items[i]), count_in(from->items[i]), memory);
    buckets_done(from, memory);
}

void quantile_merge(uint64_t *into, uint64_t *from, struct cell_memory *memory)
{
    struct sketch *to = sketch_in(*into);
    struct sketch *source = sketch_in(*from);

    if (!to)
        *into = *from;
    *from = 0;
    if (!to || !source)
        return;
    to->count += source->count;
    to->zeroes += source->zeroes;
    to->min = MIN(to->min, source->min);
    to->max = MAX(to->max, source->max);
    buckets_merge(&to->negative, &source->negative, memory);
    buckets_merge(&to->positive, &source->positive, memory);
    cell_memory_free(memory, source, sizeof(*source));
}

void quantile_done(uint64_t *cell, struct cell_memory *memory)
{
    struct sketch *sketch = sketch_in(*cell);

    if (!sketch)
        return;
    buckets_done(&sketch->negative, memory);
    buckets_done(&sketch->positive, memory);
    cell_memory_free(memory, sketch, sizeof(*sketch));
    *cell = 0;
}

static void buckets_save(const struct buckets *buckets, struct buf *out)
{
    pack_uint(out, buckets->len);
    for (uint32_t i = 0; i < buckets->len; i++) {
        int32_t index = index_in(buckets->items[i]);

        if (i == 0)
            pack_int(out, index);
        else
            pack_uint(out, (uint64_t)(index - index_in(buckets->items[i - 1]) - 1));
        pack_uint(out, count_in(buckets->items[i]));
    }
}

void quantile_save(uint64_t cell, struct buf *out)
{
    const struct sketch *sketch = sketch_in(cell);

    if (!sketch)
        return;
    pack_uint(out, sketch->count);
    pack_uint(out, sketch->zeroes);
    pack_double(out, sketch->min);
    if (sketch->count > 1)
        pack_double(out, sketch->max);
    buckets_save(&sketch->negative, out);
    buckets_save(&sketch->positive, out);
}

/* The next bucket's index; `before` is the one before it. */
static int index_load(struct slice *from, bool is_first, int32_t before, int32_t *ret)
{
    int64_t index;
    uint64_t gap;

    if (is_first) {
        if (unpack_int(from, &index) || index < INDEX_MIN || index > INDEX_MAX)
            return -EBADMSG;
        *ret = (int32_t)index;
        return 0;
    }
    if (unpack_uint(from, &gap) || gap >= (uint64_t)(INDEX_MAX - before))
        return -EBADMSG;
    *ret = before + 1 + (int32_t)gap;
    return 0;
}

/* Into empty ones. *count is raised by what they count; *saturated is set if one has stopped
 * counting. */
static int buckets_load(struct buckets *buckets, struct slice *from, uint64_t *count,
                        bool *saturated, struct cell_memory *memory)
{
    uint64_t len;
    int32_t index = 0;

    if (unpack_uint(from, &len) || len > QUANTILE_BUCKETS_MAX || len > from->len / 2)
        return -EBADMSG;
    if (len == 0)
        return 0;
    buckets->items = cell_memory_calloc(memory, len * sizeof(uint64_t));
    buckets->cap = (uint32_t)len;
    for (; buckets->len < len; buckets->len++) {
        uint64_t in_bucket;

        if (index_load(from, buckets->len == 0, index, &index) || unpack_uint(from, &in_bucket) ||
            in_bucket == 0 || in_bucket > COUNT_MAX)
            return -EBADMSG;
        buckets->items[buckets->len] = item_of(index, in_bucket);
        *count += in_bucket;
        *saturated |= in_bucket == COUNT_MAX;
    }
    return 0;
}

static int sketch_load(struct sketch *sketch, struct slice *from, struct cell_memory *memory)
{
    uint64_t counted;
    bool saturated = false;

    if (unpack_uint(from, &sketch->count) || sketch->count == 0 ||
        sketch->count > CELL_EVENTS_MAX || unpack_uint(from, &sketch->zeroes) ||
        sketch->zeroes > sketch->count || unpack_double(from, &sketch->min))
        return -EBADMSG;
    sketch->max = sketch->min;
    if (sketch->count > 1 && unpack_double(from, &sketch->max))
        return -EBADMSG;

    counted = sketch->zeroes;
    if (buckets_load(&sketch->negative, from, &counted, &saturated, memory) ||
        buckets_load(&sketch->positive, from, &counted, &saturated, memory))
        return -EBADMSG;
    if (saturated ? counted > sketch->count : counted != sketch->count)
        return -EBADMSG;
    if (sketch->min > sketch->max || (sketch->min < 0) != (sketch->negative.len > 0) ||
        (sketch->max > 0) != (sketch->positive.len > 0))
        return -EBADMSG;
    return from->len == 0 ? 0 : -EBADMSG;
}

int quantile_load(uint64_t *cell, struct slice from, struct cell_memory *memory)
{
    struct sketch *sketch = cell_memory_calloc(memory, sizeof(*sketch));
    int rc = sketch_load(sketch, &from, memory);

    *cell = (uint64_t)(uintptr_t)sketch;
    if (rc)
        quantile_done(cell, memory);
    return rc;
}

void quantile_sum_free(struct quantile_sum *sum)
{
    free(sum->negative.counts);
    free(sum->positive.counts);
    *sum = (struct quantile_sum){0};
}

static void range_reset(struct quantile_range *range)
{
    if (range->low < range->end)
        memset(&range->counts[range->low - range->first], 0,
               (size_t)(range->end - range->low) * sizeof(uint64_t));
    range->low = range->end = 0;
}

void quantile_sum_reset(struct quantile_sum *sum)
{
    range_reset(&sum->negative);
    range_reset(&sum->positive);
    sum->count = 0;
    sum->zeroes = 0;
}

/* Makes the array longer on both sides: other keys' numbers may lie elsewhere. */
static void range_grow(struct quantile_range *range, int32_t low, int32_t end)
{
    int32_t slack = (end - low) / 2;
    int32_t first = MAX(MIN(range->first, low - slack), INDEX_MIN);
    int32_t behind = MIN(MAX(range->first + (int32_t)range->cap, end + slack), INDEX_MAX + 1);
    uint64_t *counts = calloc((size_t)(behind - first), sizeof(uint64_t));

    CHECK(counts && first <= low && end <= behind);
    if (range->low < range->end)
        memcpy(&counts[range->low - first], &range->counts[range->low - range->first],
               (size_t)(range->end - range->low) * sizeof(uint64_t));
    free(range->counts);
    range->counts = counts;
    range->first = first;
    range->cap = (uint32_t)(behind - first);
}

/* Puts low .. end - 1 in use, beside what is. */
static void range_cover(struct quantile_range *range, int32_t low, int32_t end)
{
    if (range->low < range->end) {
        low = MIN(low, range->low);
        end = MAX(end, range->end);
    }
    if (low < range->first || end > range->first + (int32_t)range->cap)
        range_grow(range, low, end);
    range->low = low;
    range->end = end;
}

static void range_merge(struct quantile_range *range, const struct buckets *buckets)
{
    if (buckets->len == 0)
        return;
    range_cover(range, index_in(buckets->items[0]), index_in(buckets->items[buckets->len - 1]) + 1);
    for (uint32_t i = 0; i < buckets->len; i++)
        range->counts[index_in(buckets->items[i]) - range->first] += count_in(buckets->items[i]);
}

void quantile_sum_merge(struct quantile_sum *sum, uint64_t cell)
{
    const struct sketch *sketch = sketch_in(cell);

    if (!sketch)
        return;
    sum->min = sum->count ? MIN(sum->min, sketch->min) : sketch->min;
    sum->max = sum->count ? MAX(sum->max, sketch->max) : sketch->max;
    sum->count += sketch->count;
    sum->zeroes += sketch->zeroes;
    range_merge(&sum->negative, &sketch->negative);
    range_merge(&sum->positive, &sketch->positive);
}

static double number_of_rank(const struct quantile_sum *sum, uint64_t rank)
{
    const struct quantile_range *negative = &sum->negative;
    const struct quantile_range *positive = &sum->positive;
    uint64_t before = 0;

    for (int32_t i = negative->end; i-- > negative->low;) {
        before += negative->counts[i - negative->first];
        if (before > rank)
            return -magnitude_of(i);
    }
    before += sum->zeroes;
    if (before > rank)
        return 0;
    for (int32_t i = positive->low; i < positive->end; i++) {
        before += positive->counts[i - positive->first];
        if (before > rank)
            return magnitude_of(i);
    }
    return sum->max; /* buckets that stopped counting */
}

double quantile_sum_value(const struct quantile_sum *sum, double q)
{
    uint64_t last = sum->count - 1;
    uint64_t rank = MIN((uint64_t)(q * (double)last), last);

    if (rank == 0)
        return sum->min;
    if (rank == last)
        return sum->max;

    double number = number_of_rank(sum, rank);
    return number < sum->min ? sum->min : MIN(number, sum->max);
}
