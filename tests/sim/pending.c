/* Rows on their way to the output file: emitted, and in force with the checkpoint of their epoch or
 * a later one. */

#include "sim.h"

struct pending {
    uint64_t epoch;
    uint32_t row;
};

static struct {
    struct pending *all;
    size_t count;
    size_t cap;
} rows;

void pending_add(uint64_t epoch, uint32_t row)
{
    if (rows.count == rows.cap) {
        rows.cap = MAX(rows.cap * 2, (size_t)64);
        rows.all = realloc(rows.all, rows.cap * sizeof(*rows.all));
        CHECK(rows.all);
    }
    rows.all[rows.count++] = (struct pending){epoch, row};
}

size_t pending_count(void)
{
    return rows.count;
}

void pending_seal(uint64_t epoch, struct row_list *ret)
{
    for (size_t i = 0; i < rows.count; i++) {
        if (rows.all[i].epoch <= epoch)
            rows_add(ret, &rows.all[i].row, 1);
    }
}

void pending_drop(uint64_t epoch)
{
    size_t kept = 0;

    for (size_t i = 0; i < rows.count; i++) {
        if (rows.all[i].epoch > epoch)
            rows.all[kept++] = rows.all[i];
    }
    rows.count = kept;
}

void pending_end(void)
{
    free(rows.all);
    memset(&rows, 0, sizeof(rows));
}
