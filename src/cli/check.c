#include "cli/cli.h"

int command_check(const struct cli_args *args)
{
    struct plan *plan;
    struct buf text = {0};
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    plan_print(plan, &text);
    fwrite(text.data, 1, text.len, stdout);
    buf_free(&text);
    plan_free(plan);
    return EXIT_DONE;
}
