/* Any bytes as a record, for sources with every field type and every unit of time. An event that
 * comes out is sound, and what is called malformed is what a plain reader of JSON refuses too. */
#include "fuzz.h"

#include "../unit/support/json_value.h"
#include "base/hash.h"
#include "base/text.h"
#include "decode/decode.h"

#define SOURCES 4

#define FIELDS                                                                                     \
    "    entity: user\n"                                                                           \
    "    fields:\n"                                                                                \
    "      user: {type: string, optional: true}\n"                                                 \
    "      s: {type: string, optional: true}\n"                                                    \
    "      i: {type: int64, optional: true}\n"                                                     \
    "      d: {type: double, optional: true}\n"                                                    \
    "      m: {type: decimal(2), optional: true}\n"                                                \
    "      m18: {type: decimal(18), optional: true}\n"                                             \
    "      b: {type: bool, optional: true}\n"                                                      \
    "      t: {type: timestamp, optional: true}\n"                                                 \
    "      deep: {path: a.b.c, type: string, default: none}\n"                                     \
    "      flat: {path: a.b, type: int64, optional: true}\n"

static const char file[] =
    "pipeline: p\n"
    "kafka: {}\n"
    "sources:\n"
    "  s0:\n    topic: t0\n    time: {field: ts, unit: ms}\n" FIELDS
    "  s1:\n    topic: t1\n    time: {field: ts, unit: s}\n" FIELDS
    "  s2:\n    topic: t2\n    time: {field: ts, unit: us}\n" FIELDS
    "  s3:\n    topic: t3\n    time: {field: meta.ts, unit: iso8601}\n" FIELDS "views:\n"
    "  v0: {source: s0, window: {tumbling: 1h}, features: {f0: {count: true}},\n"
    "       where: {s: [x, y], i: {gt: 1}, not: {d: {le: 0.5}}, any: [{b: true}, {t: {exists: "
    "true}}]}}\n"
    "  v1: {source: s1, window: {tumbling: 1h}, features: {f1: {count: true}}}\n"
    "  v2: {source: s2, window: {tumbling: 1h}, features: {f2: {count: true}}}\n"
    "  v3: {source: s3, window: {tumbling: 1h}, features: {f3: {count: true}}}\n";

static struct plan *plan;
static struct decoder *decoders[SOURCES];

static void set_up(void)
{
    struct buf messages = {0};

    CHECK(plan_parse("f.yaml", slice_of(file), &plan, &messages) == 0);
    CHECK(plan->source_count == SOURCES);
    for (uint32_t i = 0; i < SOURCES; i++)
        decoders[i] = decoder_create(&plan->sources[i]);
}

static void check_event(const struct plan_source *source, const struct event *event,
                        const struct field_value *fields)
{
    CHECK(event->time_ms >= 0 && event->time_ms <= EVENT_TIME_MAX_MS);
    CHECK(event->key.len > 0 && text_is_utf8(event->key));
    CHECK(event->key_hash == hash64(event->key));
    CHECK(event->fields == fields);
    for (uint32_t i = 0; i < source->field_count; i++) {
        if (!fields[i].present)
            continue;
        if (source->fields[i].type == FIELD_STRING)
            CHECK(text_is_utf8((struct slice){fields[i].s, fields[i].len}));
        if (source->fields[i].type == FIELD_DOUBLE)
            CHECK(__builtin_isfinite(fields[i].d));
        if (source->fields[i].type == FIELD_BOOL)
            CHECK(fields[i].i == 0 || fields[i].i == 1);
    }
}

static void decode_one(uint32_t number, struct slice value, bool is_object)
{
    static struct region scratch;
    const struct plan_source *source = &plan->sources[number];
    const struct record record = {.offset = 1, .timestamp_ms = -1, .value = value};
    struct field_value fields[PLAN_FIELDS_MAX];
    struct event event;
    struct reject reject = {.reason = REJECT_REASON_COUNT};

    if (decoder_decode(decoders[number], &record, &scratch, fields, &event, &reject) == 0) {
        CHECK(is_object);
        check_event(source, &event, fields);
    } else {
        CHECK(reject.reason < REJECT_REASON_COUNT);
        CHECK((reject.reason == REJECT_MALFORMED) == !is_object);
        CHECK((reject.reason == REJECT_MALFORMED) == !reject.field);
    }
    region_reset(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct slice value = {copy, size};
    struct json_value *json = json_value_of(value);
    bool is_object = json && json->kind == VALUE_OBJECT;

    json_value_free(json);
    if (!plan)
        set_up();
    for (uint32_t i = 0; i < SOURCES; i++)
        decode_one(i, value, is_object);
    free(copy);
    return 0;
}
