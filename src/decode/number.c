#include "decode/number.h"

#include <errno.h>

/* Exponents beyond this are all the same: no text has as many digits to make up for one. */
#define EXPONENT_MAX INT64_C(1000000000000000)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* magnitude * 10 + digit, false on overflow of uint64. */
static bool push_digit(uint64_t *magnitude, unsigned digit)
{
    return !__builtin_mul_overflow(*magnitude, UINT64_C(10), magnitude) &&
           !__builtin_add_overflow(*magnitude, digit, magnitude);
}

static int apply_sign(uint64_t magnitude, bool negative, int64_t *ret)
{
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

int number_to_int64(struct slice text, int64_t *ret)
{
    bool negative = text.data[0] == '-';
    uint64_t magnitude = 0;
    bool fits = true;

    for (size_t i = negative; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return -EINVAL;
        fits = fits && push_digit(&magnitude, (unsigned)(text.data[i] - '0'));
    }
    return fits ? apply_sign(magnitude, negative, ret) : -ERANGE;
}

/* A number taken apart: its digits are those of the mantissa, read past the point. */
struct parts {
    bool negative;
    const char *mantissa;
    const char *mantissa_end;
    int64_t exponent; /* of the last mantissa digit */
};

static struct parts take_apart(struct slice text)
{
    const char *end = text.data + text.len;
    struct parts parts = {.negative = text.data[0] == '-'};
    int64_t written = 0;
    bool negative_exponent = false;

    const char *at = text.data + parts.negative;
    parts.mantissa = at;
    for (bool fraction = false; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.')
            fraction = true;
        else
            parts.exponent -= fraction;
    }
    parts.mantissa_end = at;
    for (at += at < end; at < end; at++) {
        if (is_digit(*at))
            written = written > EXPONENT_MAX ? written : written * 10 + (*at - '0');
        else
            negative_exponent = *at == '-';
    }
    parts.exponent += negative_exponent ? -written : written;
    return parts;
}

int number_to_scaled(struct slice text, unsigned scale, int64_t *ret)
{
    struct parts parts = take_apart(text);
    int64_t shift = parts.exponent + scale; /* zeros to append, or digits to cut if negative */
    int64_t digits_left = 0;
    uint64_t magnitude = 0;
    bool fits = true;

    for (const char *at = parts.mantissa; at < parts.mantissa_end; at++)
        digits_left += *at != '.';
    for (const char *at = parts.mantissa; at < parts.mantissa_end && fits; at++) {
        if (*at == '.')
            continue;
        if (digits_left + shift <= 0) {
            /* The first digit that is cut decides, if it stands right behind the last kept one. */
            if (digits_left + shift == 0 && *at >= '5')
                fits = !__builtin_add_overflow(magnitude, UINT64_C(1), &magnitude);
            break;
        }
        fits = push_digit(&magnitude, (unsigned)(*at - '0'));
        digits_left--;
    }
    for (; fits && shift > 0 && magnitude > 0; shift--)
        fits = push_digit(&magnitude, 0);
    return fits ? apply_sign(magnitude, parts.negative, ret) : -ERANGE;
}
