#include "plan/value.h"

#include <errno.h>
#include <time.h>

#include "base/iso8601.h"
#include "base/text.h"
#include "freshet/event.h"

#define DURATION_FORM "an integer with ms, s, m, h or d, such as 30s or 1h30m"
#define SIZE_FORM     "an integer with KiB, MiB, GiB, TiB, KB, MB, GB or TB, or bytes without a unit"
#define TIME_FORM     "ISO 8601, such as 2026-01-31T08:00:00Z, or an integer in ms"

/* What is left to read of a text. */
struct cursor {
    const char *at;
    const char *end;
};

static struct cursor cursor_of(struct slice text)
{
    return (struct cursor){text.data, text.data + text.len};
}

static bool at_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool at_end(const struct cursor *cursor)
{
    return cursor->at == cursor->end;
}

static bool skip_char(struct cursor *cursor, char c)
{
    if (at_end(cursor) || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static size_t skip_digits(struct cursor *cursor)
{
    const char *start = cursor->at;

    while (at_digit(cursor))
        cursor->at++;
    return (size_t)(cursor->at - start);
}

/* Appends the digits, with `sign` 1 or -1, to *value (which they may follow, as a fraction does).
 * -EINVAL if there is none, -ERANGE if the result does not fit. */
static int read_digits(struct cursor *cursor, int sign, int64_t *value)
{
    if (!at_digit(cursor))
        return -EINVAL;
    for (; at_digit(cursor); cursor->at++) {
        if (__builtin_mul_overflow(*value, (int64_t)10, value) ||
            __builtin_add_overflow(*value, (int64_t)(*cursor->at - '0') * sign, value))
            return -ERANGE;
    }
    return 0;
}

/* An integer part as JSON has it: 0, or no zero in front. 010 is eight to some and ten to others.
 */
static bool has_leading_zero(const struct cursor *cursor)
{
    return cursor->end - cursor->at >= 2 && cursor->at[0] == '0' && cursor->at[1] >= '0' &&
           cursor->at[1] <= '9';
}

static int out_of_range(struct err *err)
{
    return err_set(err, -ERANGE, "is too large");
}

int value_int64(struct slice text, int64_t *ret, struct err *err)
{
    struct cursor cursor = cursor_of(text);
    int64_t value = 0;
    int sign = skip_char(&cursor, '-') ? -1 : 1;
    int rc = has_leading_zero(&cursor) ? -EINVAL : read_digits(&cursor, sign, &value);

    if (rc == -ERANGE)
        return out_of_range(err);
    if (rc < 0 || !at_end(&cursor))
        return err_set(err, -EINVAL, "is not an integer");
    *ret = value;
    return 0;
}

/* The grammar of a JSON number. */
static bool is_number(struct slice text)
{
    struct cursor cursor = cursor_of(text);

    skip_char(&cursor, '-');
    if (has_leading_zero(&cursor) || skip_digits(&cursor) == 0)
        return false;
    if (skip_char(&cursor, '.') && skip_digits(&cursor) == 0)
        return false;
    if (skip_char(&cursor, 'e') || skip_char(&cursor, 'E')) {
        if (!skip_char(&cursor, '-'))
            skip_char(&cursor, '+');
        if (skip_digits(&cursor) == 0)
            return false;
    }
    return at_end(&cursor);
}

int value_double(struct slice text, double *ret, struct err *err)
{
    int rc = is_number(text) ? text_to_double(text, ret) : -EINVAL;

    if (rc == -ERANGE)
        return out_of_range(err);
    if (rc < 0)
        return err_set(err, -EINVAL, "is not a number");
    return 0;
}

int value_decimal(struct slice text, unsigned scale, int64_t *ret, struct err *err)
{
    struct cursor cursor = cursor_of(text);
    int64_t value = 0;
    size_t digits = 0;
    int sign = skip_char(&cursor, '-') ? -1 : 1;
    int rc = has_leading_zero(&cursor) ? -EINVAL : read_digits(&cursor, sign, &value);

    if (rc == 0 && skip_char(&cursor, '.')) {
        const char *point = cursor.at;

        rc = read_digits(&cursor, sign, &value);
        digits = (size_t)(cursor.at - point);
    }
    if (rc == -EINVAL || (rc == 0 && !at_end(&cursor)))
        return err_set(err, -EINVAL, "is not a decimal number");
    if (digits > scale)
        return err_set(err, -EINVAL, "has more than %u digit%s behind the point", scale,
                       scale == 1 ? "" : "s");
    for (; digits < scale && rc == 0; digits++)
        rc = __builtin_mul_overflow(value, (int64_t)10, &value) ? -ERANGE : 0;
    if (rc < 0)
        return out_of_range(err);
    *ret = value;
    return 0;
}

int value_bool(struct slice text, bool *ret, struct err *err)
{
    bool value = slice_equal(text, SLICE_LITERAL("true"));

    if (!value && !slice_equal(text, SLICE_LITERAL("false")))
        return err_set(err, -EINVAL, "is neither true nor false");
    *ret = value;
    return 0;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, for printing. */
static const struct unit duration_units[] = {
    {"d", INT64_C(24) * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1},
};

/* Binary ones first and largest first, for printing. */
static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", INT64_C(1) << 30},      {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10}, {"TB", INT64_C(1000000000000)}, {"GB", INT64_C(1000000000)},
    {"MB", INT64_C(1000000)},  {"KB", INT64_C(1000)},
};

static const struct unit *find_unit(const struct unit *units, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(slice_of(units[i].name), name))
            return &units[i];
    }
    return NULL;
}

/* One integer and what follows it up to the next digit, which is its unit. */
static int read_quantity(struct cursor *cursor, int64_t *ret_number, struct slice *ret_unit)
{
    *ret_number = 0;
    int rc = read_digits(cursor, 1, ret_number);

    if (rc < 0)
        return rc;
    ret_unit->data = cursor->at;
    while (!at_end(cursor) && !at_digit(cursor))
        cursor->at++;
    ret_unit->len = (size_t)(cursor->at - ret_unit->data);
    return 0;
}

int value_duration(struct slice text, int64_t *ret_ms, struct err *err)
{
    struct cursor cursor = cursor_of(text);
    int64_t total = 0;
    bool negative = skip_char(&cursor, '-');

    if (cursor.end - cursor.at == 1 && *cursor.at == '0') {
        *ret_ms = 0; /* nothing of any unit */
        return 0;
    }
    do {
        struct slice unit_name = SLICE_NONE;
        int64_t number;
        int rc = read_quantity(&cursor, &number, &unit_name);

        if (rc == -ERANGE)
            return out_of_range(err);
        if (rc == 0 && unit_name.len == 0)
            return err_set(err, -EINVAL, "has no unit; write " DURATION_FORM);
        const struct unit *unit = rc < 0 ? NULL
                                         : find_unit(duration_units, ARRAY_LEN(duration_units),
                                                     unit_name);
        if (!unit)
            return err_set(err, -EINVAL, "is not a duration; write " DURATION_FORM);
        if (__builtin_mul_overflow(number, unit->factor, &number) ||
            __builtin_add_overflow(total, number, &total))
            return out_of_range(err);
    } while (!at_end(&cursor));
    *ret_ms = negative ? -total : total;
    return 0;
}

int value_size(struct slice text, int64_t *ret_bytes, struct err *err)
{
    struct cursor cursor = cursor_of(text);
    struct slice unit_name = SLICE_NONE;
    int64_t number;
    int rc = read_quantity(&cursor, &number, &unit_name);
    int64_t factor = 1;

    if (rc == -ERANGE)
        return out_of_range(err);
    if (rc == 0 && unit_name.len) {
        const struct unit *unit = find_unit(size_units, ARRAY_LEN(size_units), unit_name);

        if (unit)
            factor = unit->factor;
        else
            rc = -EINVAL;
    }
    if (rc < 0 || !at_end(&cursor))
        return err_set(err, -EINVAL, "is not a size; write " SIZE_FORM);
    if (__builtin_mul_overflow(number, factor, &number))
        return out_of_range(err);
    *ret_bytes = number;
    return 0;
}

void value_print_duration(struct buf *out, int64_t ms)
{
    const struct unit *unit = duration_units;
    /* As a negative number, since the least one has no positive twin. */
    int64_t rest = ms < 0 ? ms : -ms;

    if (ms == 0) {
        buf_append(out, "0s", 2);
        return;
    }
    if (ms < 0)
        buf_append_char(out, '-');
    /* 24h and 25h say more than 1d and 1d1h: days only where they are whole and several. */
    if (rest % unit->factor != 0 || rest / unit->factor == -1)
        unit++;
    for (; rest != 0; rest %= unit->factor, unit++) {
        int64_t number = -(rest / unit->factor);

        if (number)
            buf_printf(out, "%lld%s", (long long)number, unit->name);
    }
}

void value_print_size(struct buf *out, int64_t bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(size_units); i++) {
        if (bytes && bytes % size_units[i].factor == 0) {
            buf_printf(out, "%lld%s", (long long)(bytes / size_units[i].factor),
                       size_units[i].name);
            return;
        }
    }
    buf_printf(out, "%lld", (long long)bytes);
}

int value_time(struct slice text, int64_t *ret_ms, struct err *err)
{
    int64_t ms;
    int rc = value_int64(text, &ms, NULL);

    if (rc == -EINVAL)
        rc = iso8601_parse(text, &ms);
    if (rc == -EINVAL)
        return err_set(err, -EINVAL, "is not a time; write " TIME_FORM);
    if (rc == -ERANGE || ms < 0 || ms > EVENT_TIME_MAX_MS)
        return err_set(err, -ERANGE, "is not within the years 1970 to 9999");
    *ret_ms = ms;
    return 0;
}

void value_print_time(struct buf *out, int64_t ms)
{
    time_t seconds = ms / 1000;
    struct tm date;

    CHECK(gmtime_r(&seconds, &date));
    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", date.tm_year + 1900, date.tm_mon + 1,
               date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec);
    if (ms % 1000)
        buf_printf(out, ".%03d", (int)(ms % 1000));
    buf_append_char(out, 'Z');
}
