/* json - what the pages share: members of objects. */
#ifndef FRESHET_ADMIN_JSON_H
#define FRESHET_ADMIN_JSON_H

#include "base/text.h"

/* Both are UTF-8. */
static inline void json_string(struct buf *out, const char *name, const char *value)
{
    text_json_string(out, slice_of(name));
    buf_append_char(out, ':');
    text_json_string(out, slice_of(value));
}

#endif
