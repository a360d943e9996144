#include "plan/messages.h"

#include "base/text.h"

#define SHOWN_BYTES_MAX 100 /* of one quoted text */

static int compare(const struct message *a, const struct message *b)
{
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

void messages_vadd(struct messages *messages, uint32_t line, uint32_t column, const char *format,
                   va_list args)
{
    struct message message = {line, column, plan_vprintf(messages->memory, format, args)};
    uint32_t at = messages->count;

    while (at > 0 && compare(&messages->list[at - 1], &message) > 0)
        at--;
    for (uint32_t i = at; i > 0 && compare(&messages->list[i - 1], &message) == 0; i--) {
        if (strcmp(messages->list[i - 1].text, message.text) == 0)
            return;
    }
    if (messages->count == MESSAGES_MAX) {
        messages->dropped++;
        if (at == MESSAGES_MAX)
            return;
        messages->count--;
    }
    memmove(&messages->list[at + 1], &messages->list[at],
            (messages->count - at) * sizeof(messages->list[0]));
    messages->list[at] = message;
    messages->count++;
}

void messages_add(struct messages *messages, uint32_t line, uint32_t column, const char *format,
                  ...)
{
    va_list args;

    va_start(args, format);
    messages_vadd(messages, line, column, format, args);
    va_end(args);
}

void messages_write(const struct messages *messages, const char *file, struct buf *out)
{
    for (uint32_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->list[i];

        if (message->line)
            buf_printf(out, "%s:%u:%u: %s\n", file, message->line, message->column, message->text);
        else
            buf_printf(out, "%s: %s\n", file, message->text);
    }
    if (messages->dropped)
        buf_printf(out, "%s: %u more mistakes are not shown\n", file, messages->dropped);
}

const char *shown(struct plan_memory *memory, struct slice text)
{
    struct slice kept = text;
    struct buf quoted = {0};

    if (kept.len > SHOWN_BYTES_MAX) {
        kept.len = SHOWN_BYTES_MAX;
        while (kept.len > 0 && ((unsigned char)text.data[kept.len] & 0xc0) == 0x80)
            kept.len--; /* not in the middle of a character */
    }
    text_json_string(&quoted, kept);
    if (kept.len < text.len)
        buf_append(&quoted, "…", strlen("…"));
    const char *copy = plan_text(memory, buf_slice(&quoted));
    buf_free(&quoted);
    return copy;
}
