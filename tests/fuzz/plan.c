/* Any bytes as a pipeline file: a plan that can be printed, or messages that name the file. */
#include "fuzz.h"

#include "base/text.h"
#include "plan/plan.h"

static void check_messages(struct buf *messages)
{
    const char *line = buf_string(messages);

    CHECK(messages->len > 0 && strlen(line) == messages->len);
    while (*line) {
        const char *end = strchr(line, '\n');

        CHECK(end && strncmp(line, "f.yaml:", 7) == 0);
        line = end + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct plan *plan = NULL;
    struct buf messages = {0};
    struct buf text = {0};

    if (plan_parse("f.yaml", (struct slice){copy, size}, &plan, &messages) == 0) {
        CHECK(plan && messages.len == 0);
        memset(copy, '#', size); /* the plan has what it needs of the file */
        plan_print(plan, &text);
        CHECK(text.len > 0 && text_is_utf8(buf_slice(&text)));
        plan_free(plan);
    } else {
        CHECK(!plan);
        check_messages(&messages);
    }
    buf_free(&text);
    buf_free(&messages);
    free(copy);
    return 0;
}
