/* Dead letters and late records: in each life those that the records define, in order; over all
 * lives each of them at least once. */

#include "check.h"

static const struct side_seen *side_next(struct side_cursor *cursor)
{
    for (; cursor->next < sim.side_count; cursor->next++) {
        const struct side_seen *seen = &sim.sides[cursor->next];

        if (seen->life == cursor->life && seen->epoch == cursor->epoch &&
            seen->partition == cursor->partition && !seen->by_keyspace)
            return &sim.sides[cursor->next++];
    }
    return NULL;
}

void side_expect(struct side_cursor *cursor, const struct sim_record *record, const char *error,
                 const char *field, int64_t watermark_ms)
{
    const struct side_seen *seen = cursor->ended ? NULL : side_next(cursor);
    enum side_kind kind = record->error ? SIDE_DEAD_LETTER : SIDE_LATE;

    if (!seen && cursor->may_end) {
        cursor->ended = true;
        return;
    }
    if (!seen)
        sim_fail("partition %d offset %" PRId64 " is not set aside as %s", cursor->partition,
                 record->offset, error);
    if (seen->offset != record->offset || seen->kind != kind || strcmp(seen->error, error) != 0 ||
        strcmp(seen->field, field ? field : "") != 0 ||
        (kind == SIDE_LATE && seen->watermark_ms != watermark_ms))
        sim_fail("partition %d: set aside offset %" PRId64 " as %s (%s), not offset %" PRId64
                 " as %s (%s)",
                 cursor->partition, seen->offset, seen->error, seen->field, record->offset, error,
                 field ? field : "");
}

void side_end_expected(struct side_cursor *cursor)
{
    const struct side_seen *seen = cursor->ended ? NULL : side_next(cursor);

    if (seen)
        sim_fail("partition %d offset %" PRId64 " was set aside as %s for no reason",
                 cursor->partition, seen->offset, seen->error);
}

void side_covered(int partition, const struct sim_record *record, const char *error,
                  const char *field, int64_t watermark_ms)
{
    for (size_t i = 0; i < sim.side_count; i++) {
        const struct side_seen *seen = &sim.sides[i];

        if (!seen->is_lost && seen->partition == partition && seen->offset == record->offset &&
            strcmp(seen->error, error) == 0 && strcmp(seen->field, field ? field : "") == 0 &&
            (record->error || seen->watermark_ms == watermark_ms))
            return;
    }
    sim_fail("partition %d offset %" PRId64 " (%s) was set aside by nobody who was heard",
             partition, record->offset, error);
}

/* The same event may have been found late by several lives. */
void side_late_expect(const struct tap *tap, const struct sim_record *record, int partition,
                      int64_t watermark_ms, bool by_watermark)
{
    const char *error = by_watermark ? "late" : "released";
    bool is_heard = false;

    for (size_t i = 0; i < sim.side_count; i++) {
        struct side_seen *seen = &sim.sides[i];

        if (!seen->by_keyspace || seen->partition != partition || seen->offset != record->offset)
            continue;
        bool is_right = seen->kind == SIDE_LATE && seen->watermark_ms == watermark_ms &&
                        strcmp(seen->error, error) == 0;

        if (!is_right && seen->life == tap->life && !tap->was_cut)
            sim_fail("partition %d offset %" PRId64 " was set aside as %s", partition,
                     record->offset, seen->error);
        seen->is_expected |= is_right;
        is_heard |= is_right && !seen->is_lost;
    }
    if (!is_heard && !tap->was_cut)
        sim_fail("partition %d offset %" PRId64 " is late for all sessions and not set aside",
                 partition, record->offset);
}

void check_late_are_expected(void)
{
    for (size_t i = 0; i < sim.side_count; i++) {
        const struct side_seen *seen = &sim.sides[i];

        if (seen->by_keyspace && !seen->is_expected && seen->life == sim.scenario.lives - 1 &&
            seen->epoch == sim.partitions[seen->partition].epoch && !sim.scenario.drains_early)
            sim_fail("partition %d offset %" PRId64 " was set aside as %s for no reason",
                     seen->partition, seen->offset, seen->error);
    }
}
