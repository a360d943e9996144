#include "bench/schema_lines.h"

#include <inttypes.h>
#include <math.h>

#include "base/hash.h"
#include "base/text.h"
#include "plan/value.h"

#define START_MS      INT64_C(1767225600000)
#define STEP_MS       10
#define POWER         2.2 /* of the law that draws keys */
#define STRINGS       40  /* different values of a string that no condition names */
#define NUMBERS       1000
#define LITERALS_MAX  64
#define LEAVES_MAX    (PLAN_FIELDS_MAX + 2)
#define FILLER_NAME   "_filler"
#define FILLER_AROUND 14 /* bytes of ,"_filler":"" */

/* A value and where it goes. */
struct leaf {
    struct plan_path path;
    size_t begin; /* in line.texts */
    size_t len;
    bool done;
};

struct line {
    const struct plan_source *source;
    uint64_t state; /* of the random numbers */
    struct leaf leaves[LEAVES_MAX];
    uint32_t leaf_count;
    struct buf texts;
};

static uint32_t below(struct line *line, uint32_t limit)
{
    return (uint32_t)((hash64_int(line->state++) >> 32) * limit >> 32);
}

/* --- values --- */

/* Those that conditions compare the field with. */
static uint32_t literals_find(const struct plan_source *source, uint32_t field,
                              const struct field_value **ret)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < source->predicate_count; i++) {
        for (uint32_t j = 0; j < source->predicates[i].node_count; j++) {
            const struct predicate_node *node = &source->predicates[i].nodes[j];

            for (uint32_t k = 0; node->field == (int)field && k < node->value_count; k++) {
                if (count < LITERALS_MAX)
                    ret[count++] = &node->values[k];
            }
        }
    }
    return count;
}

static void put_scaled(struct buf *out, int64_t value, unsigned scale)
{
    out->len += text_decimal(buf_reserve(out, TEXT_DECIMAL_MAX), value, scale);
}

static int64_t power_of_ten(unsigned exponent)
{
    int64_t power = 1;

    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* A literal, or for numbers one somewhat below or above, so that comparisons go either way. */
static void put_literal(struct line *line, const struct plan_field *field,
                        const struct field_value *literal)
{
    int64_t off = (int64_t)below(line, 3) - 1;
    double number;

    switch (field->type) {
    case FIELD_STRING:
        text_json_string(&line->texts, (struct slice){literal->s, literal->len});
        return;
    case FIELD_DOUBLE:
        number = literal->d + (double)off;
        line->texts.len += text_double(buf_reserve(&line->texts, TEXT_DOUBLE_MAX), number);
        return;
    case FIELD_DECIMAL:
        put_scaled(&line->texts, literal->i + off, field->scale);
        return;
    case FIELD_BOOL:
        buf_printf(&line->texts, "%s", literal->i ? "true" : "false");
        return;
    case FIELD_INT64:
    case FIELD_TIMESTAMP:
        buf_printf(&line->texts, "%" PRId64, literal->i + off);
        return;
    }
    UNREACHABLE();
}

static void put_any(struct line *line, const struct plan_field *field, int64_t time_ms)
{
    switch (field->type) {
    case FIELD_STRING:
        buf_printf(&line->texts, "\"%s-%" PRIu32 "\"", "value", below(line, STRINGS));
        return;
    case FIELD_DOUBLE:
        buf_printf(&line->texts, "%" PRIu32 ".%" PRIu32, below(line, NUMBERS), below(line, 100));
        return;
    case FIELD_DECIMAL:
        put_scaled(&line->texts,
                   below(line, NUMBERS) * power_of_ten(MIN(field->scale, (uint8_t)12)) +
                       below(line, 10),
                   field->scale);
        return;
    case FIELD_BOOL:
        buf_printf(&line->texts, "%s", below(line, 2) ? "true" : "false");
        return;
    case FIELD_INT64:
        buf_printf(&line->texts, "%" PRIu32, below(line, NUMBERS));
        return;
    case FIELD_TIMESTAMP:
        buf_printf(&line->texts, "%" PRId64, time_ms);
        return;
    }
    UNREACHABLE();
}

static void put_value(struct line *line, uint32_t field, int64_t time_ms)
{
    const struct field_value *literals[LITERALS_MAX];
    uint32_t count = literals_find(line->source, field, literals);

    if (count > 0 && below(line, 10) < 6)
        put_literal(line, &line->source->fields[field], literals[below(line, count)]);
    else
        put_any(line, &line->source->fields[field], time_ms);
}

static void put_key(struct line *line, uint32_t users)
{
    double lot = (double)below(line, UINT32_MAX) / (double)UINT32_MAX;
    uint32_t key = MIN((uint32_t)(users * pow(lot, POWER)), users - 1);

    if (line->source->fields[line->source->entity].type == FIELD_INT64)
        buf_printf(&line->texts, "%" PRIu32, key + 1);
    else
        buf_printf(&line->texts, "\"user-%" PRIu32 "\"", key);
}

static void put_time(struct line *line, int64_t time_ms)
{
    switch (line->source->time_unit) {
    case TIME_MS:
        buf_printf(&line->texts, "%" PRId64, time_ms);
        return;
    case TIME_S:
        put_scaled(&line->texts, time_ms, 3);
        return;
    case TIME_US:
        buf_printf(&line->texts, "%" PRId64 "000", time_ms);
        return;
    case TIME_ISO8601:
        buf_append_char(&line->texts, '"');
        value_print_time(&line->texts, time_ms);
        buf_append_char(&line->texts, '"');
        return;
    }
    UNREACHABLE();
}

/* --- lines --- */

static bool same_path(const struct plan_path *a, const struct plan_path *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!slice_equal(a->members[i], b->members[i]))
            return false;
    }
    return true;
}

static void leaf_begin(struct line *line, const struct plan_path *path)
{
    line->leaves[line->leaf_count] = (struct leaf){.path = *path, .begin = line->texts.len};
}

static void leaf_end(struct line *line)
{
    struct leaf *leaf = &line->leaves[line->leaf_count++];

    leaf->len = line->texts.len - leaf->begin;
}

static void leaves_make(struct line *line, uint32_t users, uint32_t number, int64_t time_ms)
{
    const struct plan_source *source = line->source;

    buf_reset(&line->texts);
    line->leaf_count = 0;
    for (uint32_t i = 0; i < source->field_count; i++) {
        const struct plan_field *field = &source->fields[i];
        bool is_entity = (int)i == source->entity;
        bool is_id = (int)i == source->dedup_field;

        if (same_path(&field->path, &source->time_path) ||
            (field->optional && !is_entity && !is_id && below(line, 4) == 0))
            continue;
        leaf_begin(line, &field->path);
        if (is_entity)
            put_key(line, users);
        else if (is_id)
            buf_printf(&line->texts, field->type == FIELD_INT64 ? "%" PRIu32 : "\"id-%" PRIu32 "\"",
                       number);
        else
            put_value(line, i, time_ms);
        leaf_end(line);
    }
    leaf_begin(line, &source->time_path);
    put_time(line, time_ms);
    leaf_end(line);
}

/* The leaves below what leads to `first`, down to `depth`, as one object's members. */
static void write_members(struct line *line, uint32_t first, uint32_t depth, struct buf *out)
{
    bool is_first = true;

    for (uint32_t i = first; i < line->leaf_count; i++) {
        struct leaf *leaf = &line->leaves[i];
        bool is_here = !leaf->done && leaf->path.count > depth;

        for (uint32_t d = 0; is_here && d < depth; d++)
            is_here = slice_equal(leaf->path.members[d], line->leaves[first].path.members[d]);
        if (!is_here)
            continue;
        if (!is_first)
            buf_append_char(out, ',');
        is_first = false;
        text_json_string(out, leaf->path.members[depth]);
        buf_append_char(out, ':');
        if (leaf->path.count > depth + 1) {
            buf_append_char(out, '{');
            write_members(line, i, depth + 1, out);
            buf_append_char(out, '}');
        } else {
            buf_append(out, line->texts.data + leaf->begin, leaf->len);
            leaf->done = true;
        }
    }
}

static void write_line(struct line *line, struct buf *out)
{
    size_t begin = out->len;

    buf_append_char(out, '{');
    write_members(line, 0, 0, out);
    if (out->len - begin + FILLER_AROUND < SCHEMA_RECORD_BYTES) {
        buf_printf(out, ",\"" FILLER_NAME "\":\"");
        while (out->len - begin + 2 < SCHEMA_RECORD_BYTES)
            buf_append_char(out, (char)('a' + below(line, 26)));
        buf_append_char(out, '"');
    }
    buf_printf(out, "}\n");
}

void schema_lines(const struct plan_source *source, uint32_t count, uint32_t users, uint64_t seed,
                  struct buf *out)
{
    struct line *line = calloc(1, sizeof(*line));

    CHECK(line && users > 0);
    line->source = source;
    line->state = hash64_int(seed);
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_ms = START_MS + (int64_t)i * STEP_MS;

        if (source->out_of_orderness_ms > 0 && below(line, 10) == 0)
            time_ms -= (int64_t)below(
                line, (uint32_t)MIN(source->out_of_orderness_ms, (int64_t)UINT32_MAX));
        leaves_make(line, users, i, MAX(time_ms, INT64_C(0)));
        write_line(line, out);
    }
    buf_free(&line->texts);
    free(line);
}
