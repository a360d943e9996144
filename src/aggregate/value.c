#include "aggregate/value.h"

#include <math.h>

#include "base/hash.h"
#include "base/text.h"

uint64_t value_hash(enum field_type type, const struct field_value *value)
{
    uint64_t bits;
    double number;

    switch (type) {
    case FIELD_STRING:
        return hash64((struct slice){value->s, value->len});
    case FIELD_DOUBLE:
        number = value->d == 0 ? 0 : value->d; /* -0.0 is 0 */
        memcpy(&bits, &number, sizeof(bits));
        return hash64_int(bits);
    case FIELD_INT64:
    case FIELD_DECIMAL:
    case FIELD_BOOL:
    case FIELD_TIMESTAMP:
        return hash64_int((uint64_t)value->i);
    }
    UNREACHABLE();
}

struct slice value_text(enum field_type type, unsigned scale, const struct field_value *value,
                        char *out)
{
    switch (type) {
    case FIELD_STRING:
        return (struct slice){value->s, value->len};
    case FIELD_DOUBLE:
        return (struct slice){out, text_double(out, value->d)};
    case FIELD_DECIMAL:
        return (struct slice){out, text_decimal(out, value->i, scale)};
    case FIELD_BOOL:
        return value->i ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
    case FIELD_INT64:
    case FIELD_TIMESTAMP:
        return (struct slice){out, text_int64(out, value->i)};
    }
    UNREACHABLE();
}

/* The digits as one number, whether or not there is a point among them. */
static int64_t digits_of(struct slice text)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t digits = 0;

    for (size_t i = negative; i < text.len; i++) {
        if (text.data[i] != '.')
            digits = digits * 10 + (uint64_t)(text.data[i] - '0');
    }
    return (int64_t)(negative ? 0 - digits : digits);
}

struct field_value value_of_text(enum field_type type, struct slice text)
{
    struct field_value value = {.present = true};

    switch (type) {
    case FIELD_STRING:
        value.s = text.data;
        value.len = (uint32_t)text.len;
        return value;
    case FIELD_DOUBLE:
        CHECK(text_to_double(text, &value.d) == 0);
        return value;
    case FIELD_BOOL:
        value.i = text.data[0] == 't';
        return value;
    case FIELD_DECIMAL:
    case FIELD_INT64:
    case FIELD_TIMESTAMP:
        value.i = digits_of(text);
        return value;
    }
    UNREACHABLE();
}

bool value_text_is_canonical(enum field_type type, unsigned scale, struct slice text)
{
    char spelled[TEXT_DOUBLE_MAX];
    struct field_value value;
    double number;

    if (type == FIELD_STRING)
        return text_is_utf8(text);
    if (text.len == 0 || text.len > sizeof(spelled))
        return false;
    if (type == FIELD_DOUBLE && (text_to_double(text, &number) != 0 || !isfinite(number)))
        return false; /* it reads nan and inf, too */
    value = value_of_text(type, text);
    return slice_equal(value_text(type, scale, &value, spelled), text);
}

double value_number(enum field_type type, const struct field_value *value)
{
    return type == FIELD_DOUBLE ? value->d : (double)value->i;
}

void value_json(struct buf *out, enum field_type type, unsigned scale,
                const struct field_value *value)
{
    char text[TEXT_DOUBLE_MAX];
    struct slice spelled = value_text(type, scale, value, text);

    if (type == FIELD_STRING)
        text_json_string(out, spelled);
    else
        buf_append_slice(out, spelled);
}

struct row_value value_row(struct buf *out, enum field_type type, unsigned scale,
                           const struct field_value *value)
{
    switch (type) {
    case FIELD_STRING:
        buf_reset(out);
        buf_append(out, value->s, value->len);
        return (struct row_value){.type = ROW_STRING, .text = buf_slice(out)};
    case FIELD_DOUBLE:
        return (struct row_value){.type = ROW_DOUBLE, .d = value->d};
    case FIELD_DECIMAL:
        return (struct row_value){.type = ROW_DECIMAL, .scale = (uint8_t)scale, .i = value->i};
    case FIELD_BOOL:
        return (struct row_value){.type = ROW_BOOL, .i = value->i};
    case FIELD_INT64:
    case FIELD_TIMESTAMP:
        return (struct row_value){.type = ROW_INT, .i = value->i};
    }
    UNREACHABLE();
}
