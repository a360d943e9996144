#include "base/err.h"

#include <stdarg.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return code;
}

void err_prefix(struct err *err, const char *format, ...)
{
    char prefix[256];
    va_list args;

    if (!err)
        return;
    va_start(args, format);
    vsnprintf(prefix, sizeof(prefix), format, args);
    va_end(args);

    size_t prefix_len = strlen(prefix);
    size_t room = sizeof(err->text) - prefix_len - 3;
    size_t len = strnlen(err->text, room);

    memmove(err->text + prefix_len + 2, err->text, len);
    memcpy(err->text, prefix, prefix_len);
    memcpy(err->text + prefix_len, ": ", 2);
    err->text[prefix_len + 2 + len] = '\0';
}
