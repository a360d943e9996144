/* story - a pipeline and the events of one partition, told one by one: decoded, applied, and the
 * windows fired that are due by then. The rows are kept as the file output spells them.
 *
 *   story_begin ─▶ story_event … ─▶ rows[] ─▶ story_end
 *
 * An event's time moves the watermark behind it, as in shard/ingest.c. */
#ifndef FRESHET_TESTS_STORY_H
#define FRESHET_TESTS_STORY_H

#include "../support/plan_text.h"
#include "decode/decode.h"
#include "sink/row_json.h"
#include "view/keyspace.h"
#include "window/lateness.h"

#define STORY_VIEWS_MAX  8
#define STORY_FIELDS_MAX 8
#define STORY_ROWS_MAX   128

struct story_row {
    int after; /* the event behind which it came, from 1 */
    uint32_t view;
    int64_t start_ms;
    int64_t end_ms;
    uint32_t revision;
    bool empty;
    bool retracted;
    struct buf key;
    struct buf json;
};

struct story {
    struct plan *plan;
    struct arena arena;
    struct intern intern;
    struct decoder *decoder;
    struct region scratch;
    struct keyspace *keyspace;
    struct view_stats stats[STORY_VIEWS_MAX];
    struct counter duplicates;
    struct row_json json[STORY_VIEWS_MAX];
    struct story_row rows[STORY_ROWS_MAX];
    int row_count;
    int event_count;
    int64_t watermark_ms;
};

static inline bool story_row_take(void *context, const struct row *row, void **slot)
{
    struct story *story = context;
    struct story_row *told = &story->rows[story->row_count++];

    (void)slot;
    assert_true(story->row_count <= STORY_ROWS_MAX);
    *told = (struct story_row){.after = story->event_count,
                               .view = row->view->number,
                               .start_ms = row->window_start_ms,
                               .end_ms = row->window_end_ms,
                               .revision = row->revision,
                               .empty = row->empty,
                               .retracted = row->retracted};
    buf_append_slice(&told->key, row->key);
    row_json_append(&story->json[row->view->number], row, &told->json);
    return true;
}

static inline bool story_late(void *context, uint32_t source, const struct event *event,
                              bool by_watermark)
{
    (void)context;
    (void)source;
    (void)event;
    (void)by_watermark;
    fail_msg("no event of a story is late for every view");
    return true;
}

static inline void story_begin(struct story *story, const char *text)
{
    struct view_stats *stats[STORY_VIEWS_MAX];

    memset(story, 0, sizeof(*story));
    story->plan = plan_of_text(text);
    assert_true(story->plan->view_count <= STORY_VIEWS_MAX);
    assert_true(story->plan->sources[0].field_count <= STORY_FIELDS_MAX);
    arena_init(&story->arena);
    intern_init(&story->intern, &story->arena);
    story->decoder = decoder_create(&story->plan->sources[0]);
    for (uint32_t i = 0; i < story->plan->view_count; i++) {
        stats[i] = &story->stats[i];
        row_json_init(&story->json[i], story->plan, &story->plan->views[i]);
    }
    story->keyspace = keyspace_create(story->plan, 0,
                                      story->plan->sources[0].aligned ? 0 : PLAN_NONE,
                                      &story->arena, &story->intern, stats,
                                      (struct keyspace_output){.row = story_row_take,
                                                               .late = story_late,
                                                               .duplicates = &story->duplicates,
                                                               .context = story});
    story->watermark_ms = WATERMARK_NONE;
}

static inline void story_end(struct story *story)
{
    for (int i = 0; i < story->row_count; i++) {
        buf_free(&story->rows[i].key);
        buf_free(&story->rows[i].json);
    }
    for (uint32_t i = 0; i < story->plan->view_count; i++)
        row_json_done(&story->json[i]);
    keyspace_free(story->keyspace);
    decoder_free(story->decoder);
    region_done(&story->scratch);
    intern_done(&story->intern);
    arena_done(&story->arena);
    plan_free(story->plan);
}

static inline void story_advance(struct story *story, int64_t watermark_ms)
{
    story->watermark_ms = MAX(story->watermark_ms, watermark_ms);
    keyspace_advance(story->keyspace, story->watermark_ms, story->watermark_ms);
    while (keyspace_fire(story->keyspace, 100))
        continue;
}

static inline void story_event(struct story *story, struct slice json)
{
    const struct plan_source *source = &story->plan->sources[0];
    struct field_value fields[STORY_FIELDS_MAX];
    struct event event;
    const struct event *events[] = {&event};
    struct reject reject;
    struct record record = {.offset = story->event_count++, .timestamp_ms = -1, .value = json};

    if (decoder_decode(story->decoder, &record, &story->scratch, fields, &event, &reject))
        fail_msg("no event: %.*s", SLICE_ARGS(json));
    event.watermark_ms = story->watermark_ms;
    event.fetched_ns = 0;

    enum lateness lateness = lateness_of(story->plan, source, event.time_ms, event.watermark_ms);
    assert_true(lateness != LATE_FOR_ALL);
    event.record = lateness == LATE_UNDECIDED ? &record : NULL;

    assert_int_equal(keyspace_apply(story->keyspace, events, 1), 1);
    story_advance(story, event.time_ms - source->out_of_orderness_ms);
    region_reset(&story->scratch);
}

/* Appends a feature's value as it stands in the row's JSON. */
static inline void story_value(const struct story *story, const struct story_row *row,
                               uint32_t feature, struct buf *out)
{
    const struct row_json *json = &story->json[row->view];
    struct slice all = buf_slice(&row->json);
    struct slice name = buf_slice(&json->features[feature]);
    const char *value = memmem(all.data, all.len, name.data, name.len);

    assert_non_null(value);
    value += name.len;

    const char *end = all.data + all.len - strlen("}}");
    if (feature + 1 < json->feature_count) {
        struct slice next = buf_slice(&json->features[feature + 1]);

        end = memmem(value, (size_t)(all.data + all.len - value), next.data, next.len);
    }
    assert_non_null(end);
    buf_append(out, value, (size_t)(end - value));
}

#endif
