#include "checkpoint/id.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"

#define TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

void checkpoint_id_make(int64_t now_ms, char ret[CHECKPOINT_ID_SIZE])
{
    time_t seconds = (time_t)(now_ms / 1000);
    uint64_t random;
    struct tm tm;

    CHECK(now_ms >= 0 && now_ms <= TIME_MAX_MS);
    CHECK(getrandom(&random, sizeof(random), 0) == sizeof(random));
    gmtime_r(&seconds, &tm);
    size_t len = strftime(ret, CHECKPOINT_ID_SIZE, "%Y%m%dT%H%M%S", &tm);
    snprintf(ret + len, CHECKPOINT_ID_SIZE - len, ".%03dZ-%016lx", (int)(now_ms % 1000),
             (unsigned long)random);
}

/* By a pattern: 0 a decimal digit, x a hexadecimal one (small letters), all else itself. */
static bool is_like(const char *text, size_t len, const char *pattern)
{
    if (len != strlen(pattern))
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        bool is_hex = is_digit || (text[i] >= 'a' && text[i] <= 'f');

        if (pattern[i] == '0' ? !is_digit : pattern[i] == 'x' ? !is_hex : text[i] != pattern[i])
            return false;
    }
    return true;
}

bool checkpoint_id_is_valid(const char *id)
{
    return is_like(id, strlen(id), "00000000T000000.000Z-xxxxxxxxxxxxxxxx");
}

/* "1234-0123456789abcdef" */
static bool is_process(const char *text, size_t len)
{
    size_t digits = 0;

    while (digits < len && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return digits > 0 && len < CHECKPOINT_PROCESS_SIZE &&
           is_like(text + digits, len - digits, "-xxxxxxxxxxxxxxxx");
}

bool half_made_by(const char *name, char ret_process[CHECKPOINT_PROCESS_SIZE])
{
    size_t len = strlen(name);

    if (len < 4 || strcmp(name + len - 4, ".tmp") != 0)
        return false;
    len -= 4;
    size_t begin = len;
    while (begin > 0 && name[begin - 1] != '.')
        begin--;
    if (begin < 2 || !is_process(name + begin, len - begin))
        return false;
    memcpy(ret_process, name + begin, len - begin);
    ret_process[len - begin] = '\0';
    return true;
}
