#include "bench/records.h"

#include <errno.h>
#include <inttypes.h>

#include "base/hash.h"
#include "decode/decode.h"
#include "decode/json_scan.h"
#include "plan/value.h"

#define LATE_DIVISOR      10               /* of the lines, before they count as not ordered */
#define NUMBERS_OF_PROBES INT64_C(1000000) /* apart from the keys' */

enum hole_kind { HOLE_ENTITY, HOLE_TIME, HOLE_ID, HOLE_KINDS };

struct hole {
    enum hole_kind kind;
    bool is_string;
    uint32_t at;
    uint32_t len;
};

struct template
{
    uint32_t begin; /* in the text */
    uint32_t len;
    uint32_t key; /* number of the sample's key */
    uint32_t hole_count;
    int64_t time_ms;
    int64_t behind_ms;
    uint64_t passes;
    struct hole holes[HOLE_KINDS]; /* in the order of their places */
};

/* A key of the sample: as text, and as it stands in the JSON. */
struct sample_key {
    uint64_t hash;
    struct slice text; /* may hold a NUL */
    struct slice raw;
};

struct records {
    const struct plan_source *source;
    struct slice text; /* of the sample */
    struct template *templates;
    uint32_t template_count;
    struct sample_key *keys;
    uint32_t key_count;
    uint32_t *slots; /* hash table of key numbers + 1 */
    uint32_t slot_count;
    int64_t number_base; /* int64 entities: copies' numbers begin here */
    uint32_t users;
    struct records_summary summary;
    struct buf key;
    struct buf value;
};

/* What takes a sample apart. */
struct sampler {
    struct records *records;
    struct decoder *decoder;
    struct json_index *index;
    struct json_paths *paths;
    struct json_token *tokens;
    uint32_t tokens_of[HOLE_KINDS]; /* UINT32_MAX: there is none */
    struct field_value *fields;
    struct region scratch;
    int64_t newest_ms;
    int64_t number_max;
};

static struct slice copy(struct slice text)
{
    char *made = malloc(text.len + 1);

    CHECK(made);
    memcpy(made, text.data, text.len);
    return (struct slice){made, text.len};
}

/* --- keys --- */

static uint32_t key_number(struct records *records, struct slice key, struct slice raw)
{
    uint64_t hash = hash64(key);
    uint32_t slot = (uint32_t)hash & (records->slot_count - 1);

    for (; records->slots[slot]; slot = (slot + 1) & (records->slot_count - 1)) {
        uint32_t number = records->slots[slot] - 1;

        if (records->keys[number].hash == hash && slice_equal(records->keys[number].text, key))
            return number;
    }
    records->keys[records->key_count] = (struct sample_key){hash, copy(key), copy(raw)};
    records->slots[slot] = ++records->key_count;
    return records->key_count - 1;
}

/* --- taking lines apart --- */

static void holes_find(struct sampler *sampler, struct slice line, struct template *template)
{
    for (int kind = 0; kind < HOLE_KINDS; kind++) {
        const struct json_token *token;
        struct hole hole = {.kind = (enum hole_kind)kind};
        uint32_t i = template->hole_count;

        if (sampler->tokens_of[kind] == UINT32_MAX)
            continue;
        token = &sampler->tokens[sampler->tokens_of[kind]];
        if (token->kind != JSON_STRING && token->kind != JSON_NUMBER)
            continue;
        hole.is_string = token->kind == JSON_STRING;
        hole.at = (uint32_t)(token->text.data - line.data);
        hole.len = (uint32_t)token->text.len;
        for (; i > 0 && template->holes[i - 1].at > hole.at; i--)
            template->holes[i] = template->holes[i - 1];
        template->holes[i] = hole;
        template->hole_count++;
    }
}

/* NULL, or why it is no event. */
static const char *line_take(struct sampler *sampler, struct slice line)
{
    struct records *records = sampler->records;
    struct record record = {.timestamp_ms = -1, .value = line};
    struct template *template = &records->templates[records->template_count];
    struct event event;
    struct reject reject;

    region_reset(&sampler->scratch);
    if (decoder_decode(sampler->decoder, &record, &sampler->scratch, sampler->fields, &event,
                       &reject))
        return reject_reason_name(reject.reason);
    if (json_scan(sampler->index, sampler->paths, line, sampler->tokens))
        return reject_reason_name(reject.reason);
    *template = (struct template){
        .begin = (uint32_t)(line.data - records->text.data),
        .len = (uint32_t)line.len,
        .time_ms = event.time_ms,
        .passes = event.passes,
    };
    holes_find(sampler, line, template);
    template->key = key_number(records, event.key,
                               sampler->tokens[sampler->tokens_of[HOLE_ENTITY]].text);
    sampler->newest_ms = MAX(sampler->newest_ms, event.time_ms);
    template->behind_ms = sampler->newest_ms - event.time_ms;
    if (records->source->fields[records->source->entity].type == FIELD_INT64)
        sampler->number_max = MAX(sampler->number_max, strtoll(event.key.data, NULL, 10));
    records->template_count++;
    records->summary.value_bytes += (double)line.len;
    return NULL;
}

static void lines_take(struct sampler *sampler, struct slice lines)
{
    struct records_summary *summary = &sampler->records->summary;
    uint32_t number = 0;

    while (lines.len > 0) {
        const char *end = memchr(lines.data, '\n', lines.len);
        struct slice line = {lines.data, end ? (size_t)(end - lines.data) : lines.len};
        const char *reason;

        lines.data += MIN(line.len + 1, lines.len);
        lines.len -= MIN(line.len + 1, lines.len);
        number++;
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        reason = line_take(sampler, line);
        if (reason && summary->skipped++ == 0) {
            summary->first_skipped = number;
            summary->first_reason = reason;
        }
    }
}

static void sampler_open(struct sampler *sampler, struct records *records)
{
    const struct plan_source *source = records->source;

    *sampler = (struct sampler){
        .records = records,
        .decoder = decoder_create(source),
        .index = json_index_create(),
        .paths = json_paths_create(),
        .newest_ms = INT64_MIN,
    };
    sampler->tokens_of[HOLE_ENTITY] = json_paths_add(sampler->paths,
                                                     &source->fields[source->entity].path);
    sampler->tokens_of[HOLE_TIME] = json_paths_add(sampler->paths, &source->time_path);
    sampler->tokens_of[HOLE_ID] = source->dedup_field == PLAN_NONE
                                      ? UINT32_MAX
                                      : json_paths_add(sampler->paths,
                                                       &source->fields[source->dedup_field].path);
    sampler->tokens = calloc(json_paths_count(sampler->paths), sizeof(*sampler->tokens));
    sampler->fields = calloc(source->field_count, sizeof(*sampler->fields));
    CHECK(sampler->tokens && sampler->fields);
}

static void sampler_close(struct sampler *sampler)
{
    decoder_free(sampler->decoder);
    json_index_free(sampler->index);
    json_paths_free(sampler->paths);
    free(sampler->tokens);
    free(sampler->fields);
    region_done(&sampler->scratch);
}

static int by_time(const void *a, const void *b)
{
    const struct template *first = a;
    const struct template *second = b;

    if (first->time_ms != second->time_ms)
        return first->time_ms < second->time_ms ? -1 : 1;
    return first->begin < second->begin ? -1 : first->begin > second->begin;
}

/* Lines as a consumer wrote them down, a partition after the other: that was no disorder. */
static void order_judge(struct records *records)
{
    uint32_t late = 0;

    for (uint32_t i = 0; i < records->template_count; i++)
        late += records->templates[i].behind_ms > records->source->out_of_orderness_ms;
    if (late <= records->template_count / LATE_DIVISOR)
        return;
    records->summary.sorted = true;
    qsort(records->templates, records->template_count, sizeof(*records->templates), by_time);
    for (uint32_t i = 0; i < records->template_count; i++)
        records->templates[i].behind_ms = 0;
}

static uint32_t line_count(struct slice lines)
{
    uint32_t count = 1;

    for (size_t i = 0; i < lines.len; i++)
        count += lines.data[i] == '\n';
    return count;
}

static void tables_make(struct records *records, uint32_t lines)
{
    records->slot_count = 16;
    while (records->slot_count < 2 * lines)
        records->slot_count *= 2;
    records->templates = calloc(lines, sizeof(*records->templates));
    records->keys = calloc(lines, sizeof(*records->keys));
    records->slots = calloc(records->slot_count, sizeof(*records->slots));
    CHECK(records->templates && records->keys && records->slots);
}

int records_create(const struct plan_source *source, struct slice lines, uint32_t users,
                   struct records **ret, struct err *err)
{
    uint32_t count = line_count(lines);
    struct records *records;
    struct sampler sampler;

    CHECK(users > 0);
    if (lines.len > RECORDS_SAMPLE_BYTES_MAX || count > RECORDS_LINES_MAX)
        return err_set(err, -EFBIG, "a sample has at most %d lines and %zu MiB", RECORDS_LINES_MAX,
                       RECORDS_SAMPLE_BYTES_MAX >> 20);
    records = calloc(1, sizeof(*records));
    CHECK(records);
    records->source = source;
    records->users = users;
    records->text = copy(lines);
    tables_make(records, count);
    sampler_open(&sampler, records);
    lines_take(&sampler, records->text);
    records->number_base = sampler.number_max < INT64_MAX / 2 ? sampler.number_max + 1 : 1;
    sampler_close(&sampler);
    order_judge(records);
    records->summary.lines = records->template_count;
    records->summary.keys = records->key_count;
    if (records->template_count) {
        records->summary.value_bytes /= records->template_count;
        *ret = records;
        return 0;
    }
    err_set(err, -EINVAL, "no line is an event of source %s%s%s", source->name,
            records->summary.first_reason ? "; the first one: " : "",
            records->summary.first_reason ? records->summary.first_reason : "");
    records_free(records);
    return -EINVAL;
}

void records_free(struct records *records)
{
    if (!records)
        return;
    for (uint32_t i = 0; i < records->key_count; i++) {
        free((char *)records->keys[i].text.data);
        free((char *)records->keys[i].raw.data);
    }
    free((char *)records->text.data);
    free(records->templates);
    free(records->keys);
    free(records->slots);
    buf_free(&records->key);
    buf_free(&records->value);
    free(records);
}

const struct records_summary *records_summary(const struct records *records)
{
    return &records->summary;
}

void records_set_users(struct records *records, uint32_t users)
{
    CHECK(users > 0);
    records->users = users;
}

/* --- putting records together --- */

/* Who the event is about: a key's text and how the JSON has it. */
struct who {
    char raw[64]; /* of a number, or what stands behind the sample's text */
    struct slice text;
    struct slice written;
};

static bool is_number(const struct records *records)
{
    return records->source->fields[records->source->entity].type == FIELD_INT64;
}

/* The key with this number among `users`. */
static void who_make(const struct records *records, uint32_t number, struct who *ret)
{
    const struct sample_key *key = &records->keys[number % records->key_count];
    uint32_t copies = number / records->key_count;

    ret->raw[0] = '\0';
    if (copies && is_number(records))
        snprintf(ret->raw, sizeof(ret->raw), "%" PRId64, records->number_base + number);
    else if (copies)
        snprintf(ret->raw, sizeof(ret->raw), "+%" PRIu32, copies);
    ret->text = copies && is_number(records) ? SLICE_NONE : key->text;
    ret->written = copies && is_number(records) ? SLICE_NONE : key->raw;
}

void records_key(const struct records *records, uint32_t number, struct buf *out)
{
    struct who who;

    who_make(records, number, &who);
    buf_append_slice(out, who.text);
    buf_append_slice(out, slice_of(who.raw));
}

static void write_time(struct buf *out, enum time_unit unit, int64_t time_ms)
{
    switch (unit) {
    case TIME_MS:
        buf_printf(out, "%" PRId64, time_ms);
        return;
    case TIME_S:
        buf_printf(out, "%" PRId64 ".%03d", time_ms / 1000, (int)(time_ms % 1000));
        return;
    case TIME_US:
        buf_printf(out, "%" PRId64 "000", time_ms);
        return;
    case TIME_ISO8601:
        value_print_time(out, time_ms);
        return;
    }
    UNREACHABLE();
}

static void write_hole(struct records *records, const struct hole *hole, struct slice was,
                       const struct who *who, uint64_t number, int64_t time_ms)
{
    struct buf *out = &records->value;

    switch (hole->kind) {
    case HOLE_ENTITY:
        buf_append_slice(out, who->written);
        buf_append_slice(out, slice_of(who->raw));
        return;
    case HOLE_TIME:
        write_time(out, records->source->time_unit, time_ms);
        return;
    case HOLE_ID:
        if (hole->is_string)
            buf_printf(out, "%.*s+", SLICE_ARGS(was));
        buf_printf(out, "%" PRIu64, number);
        return;
    case HOLE_KINDS:
        break;
    }
    UNREACHABLE();
}

static void make(struct records *records, const struct template *template, const struct who *who,
                 uint64_t number, int64_t time_ms, struct made_record *ret)
{
    const char *text = records->text.data + template->begin;
    uint32_t done = 0;

    buf_reset(&records->key);
    buf_reset(&records->value);
    buf_append_slice(&records->key, who->text);
    buf_append_slice(&records->key, slice_of(who->raw));
    for (uint32_t i = 0; i < template->hole_count; i++) {
        const struct hole *hole = &template->holes[i];

        buf_append(&records->value, text + done, hole->at - done);
        write_hole(records, hole, (struct slice){text + hole->at, hole->len}, who, number,
                   MAX(time_ms, INT64_C(0)));
        done = hole->at + hole->len;
    }
    buf_append(&records->value, text + done, template->len - done);
    *ret = (struct made_record){buf_slice(&records->key), buf_slice(&records->value)};
}

void records_make(struct records *records, uint64_t number, int64_t time_ms,
                  struct made_record *ret)
{
    const struct template *template = &records->templates[number % records->template_count];
    uint32_t copies = (records->users + records->key_count - 1) / records->key_count;
    uint64_t copy = (hash64_int(number) >> 32) * copies >> 32;
    struct who who;

    who_make(records, (uint32_t)((template->key + copy * records->key_count) % records->users),
             &who);
    make(records, template, &who, number, time_ms - template->behind_ms, ret);
}

bool records_make_probe(struct records *records, int predicate, const char *prefix, uint32_t probe,
                        uint64_t number, int64_t time_ms, struct made_record *ret)
{
    const struct template *found = NULL;
    struct who who = {.text = SLICE_NONE, .written = SLICE_NONE};

    for (uint32_t i = 0; i < records->template_count && !found; i++) {
        if (predicate == PLAN_NONE || (records->templates[i].passes >> predicate & 1))
            found = &records->templates[i];
    }
    if (!found)
        return false;
    if (is_number(records))
        snprintf(who.raw, sizeof(who.raw), "%" PRId64,
                 records->number_base + records->users + NUMBERS_OF_PROBES + probe);
    else
        snprintf(who.raw, sizeof(who.raw), "%s%" PRIu32, prefix, probe);
    make(records, found, &who, number, time_ms, ret);
    return true;
}
