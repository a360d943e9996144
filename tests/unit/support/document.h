/* document - a page of docs/ that a test makes: what stands there is what the program says.
 *
 * FRESHET_UPDATE_DOCS=1 test_<…> writes it anew; without it a page that differs fails the test. */
#ifndef FRESHET_TESTS_DOCUMENT_H
#define FRESHET_TESTS_DOCUMENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* The page as a string, to be freed. */
static inline char *document_read(const char *path)
{
    FILE *file = fopen(path, "r");
    struct buf text = {0};

    if (!file)
        fail_msg("cannot open %s", path);
    for (size_t got = 1; got > 0; text.len += got)
        got = fread(buf_reserve(&text, 4096), 1, 4096, file);
    fclose(file);
    buf_string(&text);
    return text.data;
}

static inline void document_write(const char *path, struct slice text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

/* `test`: the program that writes it. */
static inline void document_check(const char *path, struct slice wanted, const char *test)
{
    if (getenv("FRESHET_UPDATE_DOCS"))
        document_write(path, wanted);

    char *found = document_read(path);
    if (!slice_equal(slice_of(found), wanted))
        fail_msg("%s is not up to date: run FRESHET_UPDATE_DOCS=1 %s", path, test);
    free(found);
}

#endif
