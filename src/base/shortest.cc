// Doubles and their shortest round-trip text, by the C++ library.

#include <cerrno>
#include <charconv>
#include <cmath>

extern "C" {
#include "base/text.h"
}

extern "C" size_t text_double(char *out, double value)
{
    CHECK(std::isfinite(value));
    double size = std::fabs(value);
    // Plain digits where people write them so; "1e+05" is shorter but nobody's idea of 100000.
    bool plain = size == 0 || (size >= 1e-5 && size < 1e17);
    std::to_chars_result end = plain ? std::to_chars(out, out + TEXT_DOUBLE_MAX,
                                                     value == 0 ? 0.0 : value,
                                                     std::chars_format::fixed)
                                     : std::to_chars(out, out + TEXT_DOUBLE_MAX, value,
                                                     std::chars_format::scientific);

    CHECK(end.ec == std::errc());
    return static_cast<size_t>(end.ptr - out);
}

// A number that no double holds is either huge or tiny: its order of magnitude says which. That is
// far from 0, so no digit needs a closer look.
static bool is_tiny(struct slice text)
{
    const long long most = 1000000000000000; // no text has as many digits to make up for it
    const char *at = text.data;
    const char *end = text.data + text.len;
    long long place = 0; // of the first digit that counts: 1 for 1 .. 9.99, 0 for 0.1, -1 for 0.01
    long long exponent = 0;
    bool seen = false;
    bool behind_point = false;

    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.')
            behind_point = true;
        else if (*at >= '1' && *at <= '9')
            seen = true;
        if (*at >= '0' && *at <= '9')
            place += behind_point ? (seen ? 0 : -1) : (seen ? 1 : 0);
    }
    bool negative = at + 1 < end && at[1] == '-';
    for (; at < end; at++) {
        if (*at >= '0' && *at <= '9' && exponent < most)
            exponent = exponent * 10 + (*at - '0');
    }
    return place + (negative ? -exponent : exponent) <= 0;
}

extern "C" int text_to_double(struct slice text, double *ret)
{
    double value = 0;
    std::from_chars_result end = std::from_chars(text.data, text.data + text.len, value);

    if (end.ec == std::errc::invalid_argument || end.ptr != text.data + text.len)
        return -EINVAL;
    if (end.ec == std::errc::result_out_of_range) {
        if (!is_tiny(text))
            return -ERANGE;
        value = 0;
    }
    *ret = value;
    return 0;
}
