/* messages - what is wrong with a pipeline file, one line a mistake, in the order of the file.
 *
 * Mistakes are found in the order of the checks and kept in the order of their positions. The first
 * MESSAGES_MAX of the file are kept, the rest is counted. The same mistake found twice (by way of
 * two aliases of one node) stands once. */
#ifndef FRESHET_PLAN_MESSAGES_H
#define FRESHET_PLAN_MESSAGES_H

#include <stdint.h>

#include "base/buf.h"
#include "plan/memory.h"

#define MESSAGES_MAX 50

struct message {
    uint32_t line;   /* from 1; 0: about the file as a whole */
    uint32_t column; /* from 1, in characters */
    const char *text;
};

struct messages {
    struct plan_memory *memory; /* where the texts live */
    uint32_t count;
    uint32_t dropped; /* found, but not among the first MESSAGES_MAX */
    struct message list[MESSAGES_MAX];
};

void messages_add(struct messages *messages, uint32_t line, uint32_t column, const char *format,
                  ...) PRINTF_LIKE(4, 5);
void messages_vadd(struct messages *messages, uint32_t line, uint32_t column, const char *format,
                   va_list args) PRINTF_LIKE(4, 0);

/* "file:line:column: text" for each, and a last line for those that were dropped. */
void messages_write(const struct messages *messages, const char *file, struct buf *out);

/* A text of the file as a message shows it: in quotes, on one line, cut if it is long. */
const char *shown(struct plan_memory *memory, struct slice text);

#endif
