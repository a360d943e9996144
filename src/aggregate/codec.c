#include "aggregate/codec.h"

#include <errno.h>

#include "aggregate/counts.h"
#include "aggregate/distinct.h"
#include "aggregate/quantile.h"
#include "aggregate/sequence.h"
#include "aggregate/top.h"
#include "base/pack.h"

static const uint32_t cell_bytes[CELL_KIND_COUNT] = {
#define X(enumerator, bytes) [enumerator] = bytes,
    CELL_KINDS(X)
#undef X
};

static const union number_cell zeroed;

static bool is_zeroed(enum cell_kind kind, const union number_cell *number)
{
    return memcmp(number, &zeroed, cell_bytes[kind]) == 0;
}

/* `number` is not zeroed. */
static void number_save(enum cell_kind kind, const union number_cell *number, struct buf *out)
{
    switch (kind) {
    case CELL_COUNT:
        pack_uint(out, number->count);
        return;
    case CELL_SUM_INT:
        pack_wide(out, wide_int_get(&number->sum));
        return;
    case CELL_SUM_DOUBLE:
        pack_double(out, number->sum_double);
        return;
    case CELL_MEAN_INT:
        pack_uint(out, number->mean.count);
        pack_wide(out, wide_int_get(&number->mean.sum));
        return;
    case CELL_MEAN_DOUBLE:
        pack_uint(out, number->mean_double.count);
        pack_double(out, number->mean_double.sum);
        return;
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        pack_int(out, number->extremum.value);
        return;
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        pack_double(out, number->extremum_double.value);
        return;
    case CELL_MOMENTS:
        pack_uint(out, number->moments.count);
        pack_double(out, number->moments.mean);
        if (number->moments.count > 1)
            pack_double(out, number->moments.squares);
        return;
    default:
        UNREACHABLE();
    }
}

static int count_load(struct slice *from, uint64_t *ret)
{
    return unpack_uint(from, ret) || *ret == 0 || *ret > CELL_EVENTS_MAX ? -EBADMSG : 0;
}

/* A sum of at most `count` int64. */
static int sum_load(struct slice *from, uint64_t count, struct wide_int *ret)
{
    __int128 sum;

    if (unpack_wide(from, &sum) || sum < (__int128)count * INT64_MIN ||
        sum > (__int128)count * INT64_MAX)
        return -EBADMSG;
    wide_int_add(ret, sum);
    return 0;
}

static int moments_load(struct slice *from, struct moments *ret)
{
    if (count_load(from, &ret->count) || unpack_double(from, &ret->mean))
        return -EBADMSG;
    if (ret->count > 1 && (unpack_double(from, &ret->squares) || ret->squares < 0))
        return -EBADMSG;
    return 0;
}

/* Into a zeroed one. */
static int number_load(enum cell_kind kind, struct slice *from, union number_cell *ret)
{
    switch (kind) {
    case CELL_COUNT:
        return count_load(from, &ret->count);
    case CELL_SUM_INT:
        return sum_load(from, CELL_EVENTS_MAX, &ret->sum);
    case CELL_SUM_DOUBLE:
        return unpack_double(from, &ret->sum_double);
    case CELL_MEAN_INT:
        return count_load(from, &ret->mean.count) || sum_load(from, ret->mean.count, &ret->mean.sum)
                   ? -EBADMSG
                   : 0;
    case CELL_MEAN_DOUBLE:
        return count_load(from, &ret->mean_double.count) ||
                       unpack_double(from, &ret->mean_double.sum)
                   ? -EBADMSG
                   : 0;
    case CELL_MIN_INT:
    case CELL_MAX_INT:
        ret->extremum.present = 1;
        return unpack_int(from, &ret->extremum.value);
    case CELL_MIN_DOUBLE:
    case CELL_MAX_DOUBLE:
        ret->extremum_double.present = 1;
        return unpack_double(from, &ret->extremum_double.value);
    case CELL_MOMENTS:
        return moments_load(from, &ret->moments);
    default:
        UNREACHABLE();
    }
}

static void body_save(const struct plan_cell *plan, const struct plan_field *field,
                      const char *cell, const struct intern *intern, struct buf *out)
{
    union number_cell number;

    switch (plan->kind) {
    case CELL_DISTINCT:
        distinct_save(*(const uint64_t *)cell, out);
        return;
    case CELL_HISTOGRAM:
    case CELL_TOP:
        counts_save(*(const uint64_t *)cell, intern, out);
        return;
    case CELL_FIRST:
    case CELL_LAST:
        sequence_save(*(const uint64_t *)cell, field, intern, out);
        return;
    case CELL_QUANTILE:
        quantile_save(*(const uint64_t *)cell, out);
        return;
    default:
        memcpy(&number, cell, cell_bytes[plan->kind]);
        if (!is_zeroed(plan->kind, &number))
            number_save(plan->kind, &number, out);
        return;
    }
}

/* All of `body`, which is not empty. */
static int body_load(const struct plan_cell *plan, const struct plan_field *field,
                     struct slice body, char *cell, struct cell_memory *memory)
{
    union number_cell number = {0};

    switch (plan->kind) {
    case CELL_DISTINCT:
        return distinct_load((uint64_t *)cell, body, memory);
    case CELL_HISTOGRAM:
        return counts_load((uint64_t *)cell, field, plan->limit, CELL_EVENTS_MAX, body, memory);
    case CELL_TOP:
        return counts_load((uint64_t *)cell, field, TOP_COUNTERS, 0, body, memory);
    case CELL_FIRST:
    case CELL_LAST:
        return sequence_load((uint64_t *)cell, plan, field, body, memory);
    case CELL_QUANTILE:
        return quantile_load((uint64_t *)cell, body, memory);
    default:
        if (number_load(plan->kind, &body, &number) || body.len > 0 ||
            is_zeroed(plan->kind, &number))
            return -EBADMSG;
        memcpy(cell, &number, cell_bytes[plan->kind]);
        return 0;
    }
}

void cell_save(const struct plan_cell *plan, const struct plan_field *field, const char *pane,
               const struct intern *intern, struct buf *out)
{
    size_t start = out->len;
    char length[PACK_UINT_MAX];

    buf_append_char(out, 0); /* most lengths take one byte; for others the body moves */
    body_save(plan, field, pane + plan->offset, intern, out);

    size_t body_len = out->len - start - 1;
    size_t length_len = pack_uint_to(length, body_len);
    buf_reserve(out, length_len - 1);
    memmove(out->data + start + length_len, out->data + start + 1, body_len);
    memcpy(out->data + start, length, length_len);
    out->len += length_len - 1;
}

int cell_load(const struct plan_cell *plan, const struct plan_field *field, struct slice *from,
              char *pane, struct cell_memory *memory)
{
    struct slice rest = *from;
    struct slice body;

    if (unpack_text(&rest, &body))
        return -EBADMSG;
    if (body.len > 0 && body_load(plan, field, body, pane + plan->offset, memory))
        return -EBADMSG;
    *from = rest;
    return 0;
}

int cell_skip(struct slice *from)
{
    struct slice body;

    return unpack_text(from, &body);
}

static const struct plan_field *field_of(const struct plan_cell *cell,
                                         const struct plan_field *fields)
{
    return cell->field == PLAN_NONE ? NULL : &fields[cell->field];
}

void cells_save(const struct plan_paneset *plan, const struct plan_field *fields, const char *pane,
                const struct intern *intern, struct buf *out)
{
    for (uint32_t i = 0; i < plan->cell_count; i++)
        cell_save(&plan->cells[i], field_of(&plan->cells[i], fields), pane, intern, out);
}

int cells_load(const struct plan_paneset *plan, const struct plan_field *fields, struct slice *from,
               char *pane, struct cell_memory *memory)
{
    struct slice rest = *from;

    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *cell = &plan->cells[i];

        if (cell_load(cell, field_of(cell, fields), &rest, pane, memory)) {
            pane_cells_done(plan, pane, memory);
            return -EBADMSG;
        }
    }
    *from = rest;
    return 0;
}
