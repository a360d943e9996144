#include "base/iso8601.h"

#include <errno.h>

struct cursor {
    const char *at;
    const char *end;
};

static bool take_char(struct cursor *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `count` digits. */
static bool take_number(struct cursor *in, int count, int min, int max, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (in->at == in->end || !is_digit(*in->at))
            return false;
        value = value * 10 + (*in->at++ - '0');
    }
    *ret = value;
    return value >= min && value <= max;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar, by years that begin in March, so that
 * the leap day is a year's last (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* The fraction behind the seconds, if there is one: its first three digits count. */
static bool take_fraction(struct cursor *in, int *ret_ms)
{
    int digits = 0;

    *ret_ms = 0;
    if (!take_char(in, '.') && !take_char(in, ','))
        return true;
    for (; in->at < in->end && is_digit(*in->at); in->at++, digits++) {
        if (digits < 3)
            *ret_ms = *ret_ms * 10 + (*in->at - '0');
    }
    for (int i = digits; i < 3; i++)
        *ret_ms *= 10;
    return digits > 0;
}

static bool take_zone(struct cursor *in, int *ret_minutes)
{
    int hours;
    int minutes = 0;

    *ret_minutes = 0;
    if (in->at == in->end || take_char(in, 'Z') || take_char(in, 'z'))
        return true;

    bool west = *in->at == '-';
    if (!west && *in->at != '+')
        return false;
    in->at++;
    if (!take_number(in, 2, 0, 23, &hours))
        return false;
    if (in->at < in->end) {
        take_char(in, ':');
        if (!take_number(in, 2, 0, 59, &minutes))
            return false;
    }
    *ret_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

int iso8601_parse(struct slice text, int64_t *ret_ms)
{
    struct cursor in = {text.data, text.data + text.len};
    int year, month, day;
    int hour = 0, minute = 0, second = 0, ms = 0, zone = 0;

    if (!take_number(&in, 4, 0, 9999, &year) || !take_char(&in, '-') ||
        !take_number(&in, 2, 1, 12, &month) || !take_char(&in, '-') ||
        !take_number(&in, 2, 1, days_in_month(year, month), &day))
        return -EINVAL;
    if (in.at < in.end) {
        if (!take_char(&in, 'T') && !take_char(&in, 't') && !take_char(&in, ' '))
            return -EINVAL;
        if (!take_number(&in, 2, 0, 23, &hour) || !take_char(&in, ':') ||
            !take_number(&in, 2, 0, 59, &minute))
            return -EINVAL;
        if (take_char(&in, ':') &&
            (!take_number(&in, 2, 0, 59, &second) || !take_fraction(&in, &ms)))
            return -EINVAL;
        if (!take_zone(&in, &zone))
            return -EINVAL;
    }
    if (in.at != in.end)
        return -EINVAL;

    int64_t minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - zone;
    *ret_ms = minutes * 60000 + second * 1000 + ms;
    return 0;
}
