/* err - an error's text for a person.
 *
 * Only where a person reads it: start-up, the pipeline file, commands. Functions return 0 or -errno
 * and, on failure, fill the err that their caller passed; they never log. */
#ifndef FRESHET_BASE_ERR_H
#define FRESHET_BASE_ERR_H

#include "base/check.h"

struct err {
    char text[1024];
};

/* Writes the text and returns `code` (a negative errno), so that `return err_set(err, -EINVAL, …)`
 * reads as one step. A text that is too long is cut. `err` may be NULL. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the text that is there. */
void err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
