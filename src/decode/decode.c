#include "decode/decode.h"

#include <errno.h>

#include "base/hash.h"
#include "base/iso8601.h"
#include "base/text.h"
#include "decode/json_scan.h"
#include "decode/number.h"
#include "decode/predicate.h"

struct decoder {
    const struct plan_source *source;
    struct json_index *index;
    struct json_paths *paths;
    struct json_token *tokens;
    uint32_t *field_tokens; /* by field number: which token */
    uint32_t time_token;
    char *time_name; /* the time's path as text, for messages */
};

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[] = {
#define X(enumerator, spelled, meaning) spelled,
        REJECT_REASONS(X)
#undef X
    };
    return names[reason];
}

const char *reject_reason_meaning(enum reject_reason reason)
{
    static const char *const meanings[] = {
#define X(enumerator, spelled, meaning) meaning,
        REJECT_REASONS(X)
#undef X
    };
    return meanings[reason];
}

static char *path_text(const struct plan_path *path)
{
    struct buf text = {0};

    for (uint32_t i = 0; i < path->count; i++) {
        if (i > 0)
            buf_append_char(&text, '.');
        buf_append_slice(&text, path->members[i]);
    }
    buf_append_char(&text, '\0');
    return text.data;
}

struct decoder *decoder_create(const struct plan_source *source)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));

    CHECK(decoder);
    decoder->source = source;
    decoder->index = json_index_create();
    decoder->paths = json_paths_create();
    decoder->field_tokens = calloc(source->field_count, sizeof(*decoder->field_tokens));
    CHECK(decoder->field_tokens);
    for (uint32_t i = 0; i < source->field_count; i++)
        decoder->field_tokens[i] = json_paths_add(decoder->paths, &source->fields[i].path);
    decoder->time_token = json_paths_add(decoder->paths, &source->time_path);
    decoder->time_name = path_text(&source->time_path);
    decoder->tokens = calloc(json_paths_count(decoder->paths), sizeof(*decoder->tokens));
    CHECK(decoder->tokens);
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    json_index_free(decoder->index);
    json_paths_free(decoder->paths);
    free(decoder->tokens);
    free(decoder->field_tokens);
    free(decoder->time_name);
    free(decoder);
}

static int reject(struct reject *ret, enum reject_reason reason, const char *field)
{
    *ret = (struct reject){.reason = reason, .field = field};
    return -EBADMSG;
}

/* What a failed conversion of a number is called. */
static enum reject_reason number_reason(int error)
{
    return error == -ERANGE ? REJECT_OVERFLOW : REJECT_WRONG_TYPE;
}

static bool is_absent(const struct json_token *token)
{
    return token->kind == JSON_ABSENT || token->kind == JSON_NULL;
}

/* The content of a string token; unescaped into scratch where needed. */
static struct slice string_value(const struct json_token *token, struct region *scratch)
{
    if (!token->escaped)
        return token->text;

    char *content = region_alloc(scratch, token->text.len);
    size_t len = json_unescape(token->text, content);

    region_shrink(scratch, token->text.len - len);
    return (struct slice){content, len};
}

/* The conversion itself: any error is a bad time. */
static int time_convert(struct slice text, enum time_unit unit, int64_t *ret_ms)
{
    int error;

    switch (unit) {
    case TIME_MS:
        return number_to_int64(text, ret_ms);
    case TIME_US:
        error = number_to_int64(text, ret_ms);
        if (!error)
            *ret_ms = *ret_ms / 1000 - (*ret_ms % 1000 < 0);
        return error;
    case TIME_S:
        return number_to_scaled(text, 3, ret_ms);
    case TIME_ISO8601:
        return iso8601_parse(text, ret_ms);
    }
    UNREACHABLE();
}

static int time_read(const struct json_token *token, enum time_unit unit, struct region *scratch,
                     int64_t *ret_ms, enum reject_reason *ret_reason)
{
    bool is_text = unit == TIME_ISO8601;
    int error;

    *ret_reason = REJECT_WRONG_TYPE;
    if (token->kind != (is_text ? JSON_STRING : JSON_NUMBER))
        return -EINVAL;

    *ret_reason = REJECT_BAD_TIME;
    error = time_convert(is_text ? string_value(token, scratch) : token->text, unit, ret_ms);
    if (error)
        return error;
    return *ret_ms >= 0 && *ret_ms <= EVENT_TIME_MAX_MS ? 0 : -ERANGE;
}

static int field_read(const struct plan_field *field, const struct json_token *token,
                      struct region *scratch, struct field_value *ret,
                      enum reject_reason *ret_reason)
{
    int error = -EINVAL;
    struct slice text;

    *ret = (struct field_value){.present = true};
    switch (field->type) {
    case FIELD_STRING:
        if (token->kind == JSON_STRING) {
            text = string_value(token, scratch);
            ret->s = text.data;
            ret->len = (uint32_t)text.len;
            return 0;
        }
        break;
    case FIELD_BOOL:
        if (token->kind == JSON_TRUE || token->kind == JSON_FALSE) {
            ret->i = token->kind == JSON_TRUE;
            return 0;
        }
        break;
    case FIELD_TIMESTAMP:
        return time_read(token, token->kind == JSON_STRING ? TIME_ISO8601 : TIME_MS, scratch,
                         &ret->i, ret_reason);
    case FIELD_INT64:
        if (token->kind == JSON_NUMBER)
            error = number_to_int64(token->text, &ret->i);
        break;
    case FIELD_DECIMAL:
        if (token->kind == JSON_NUMBER)
            error = number_to_scaled(token->text, field->scale, &ret->i);
        break;
    case FIELD_DOUBLE:
        if (token->kind == JSON_NUMBER)
            error = text_to_double(token->text, &ret->d);
        break;
    }
    *ret_reason = number_reason(error);
    return error;
}

static int fields_read(const struct decoder *decoder, struct region *scratch,
                       struct field_value *ret_fields, struct reject *ret_reject)
{
    const struct plan_source *source = decoder->source;

    for (uint32_t i = 0; i < source->field_count; i++) {
        const struct plan_field *field = &source->fields[i];
        const struct json_token *token = &decoder->tokens[decoder->field_tokens[i]];

        if (is_absent(token)) {
            ret_fields[i] = field->fallback;
            if (!field->fallback.present && !field->optional)
                return reject(ret_reject, REJECT_MISSING, field->name);
            continue;
        }

        enum reject_reason reason;
        if (field_read(field, token, scratch, &ret_fields[i], &reason))
            return reject(ret_reject, reason, field->name);
    }
    return 0;
}

/* The entity's key as a string, also where the field is a number. */
static int key_read(const struct plan_source *source, const struct field_value *fields,
                    struct region *scratch, struct slice *ret_key, struct reject *ret_reject)
{
    const struct plan_field *field = &source->fields[source->entity];
    const struct field_value *value = &fields[source->entity];

    if (!value->present)
        return reject(ret_reject, REJECT_MISSING, field->name);
    if (field->type == FIELD_STRING) {
        if (value->len == 0)
            return reject(ret_reject, REJECT_EMPTY_ENTITY, field->name);
        *ret_key = (struct slice){value->s, value->len};
        return 0;
    }

    char *text = region_alloc(scratch, TEXT_INT64_MAX);

    *ret_key = (struct slice){text, text_int64(text, value->i)};
    return 0;
}

int decoder_decode(struct decoder *decoder, const struct record *record, struct region *scratch,
                   struct field_value *ret_fields, struct event *ret_event,
                   struct reject *ret_reject)
{
    const struct plan_source *source = decoder->source;
    const struct json_token *time = &decoder->tokens[decoder->time_token];
    enum reject_reason reason;
    int64_t time_ms;
    struct slice key;

    if (!record->value.data)
        return reject(ret_reject, REJECT_NULL_VALUE, NULL);
    if (json_scan(decoder->index, decoder->paths, record->value, decoder->tokens))
        return reject(ret_reject, REJECT_MALFORMED, NULL);
    if (is_absent(time))
        return reject(ret_reject, REJECT_MISSING, decoder->time_name);
    if (time_read(time, source->time_unit, scratch, &time_ms, &reason))
        return reject(ret_reject, reason, decoder->time_name);

    int error = fields_read(decoder, scratch, ret_fields, ret_reject);
    if (error)
        return error;
    error = key_read(source, ret_fields, scratch, &key, ret_reject);
    if (error)
        return error;
    if (record->timestamp_ms >= 0 && time_ms - record->timestamp_ms > source->max_future_ms)
        return reject(ret_reject, REJECT_FUTURE, decoder->time_name);

    *ret_event = (struct event){
        .time_ms = time_ms,
        .watermark_ms = WATERMARK_NONE,
        .offset = record->offset,
        .record_ms = record->timestamp_ms,
        .key_hash = hash64(key),
        .passes = predicates_hold(source, ret_fields),
        .key = key,
        .partition = record->partition,
        .fields = ret_fields,
    };
    return 0;
}
