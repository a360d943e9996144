/* freshet checkpoint save: asks the running engine for a savepoint and waits until it is in force.
 */

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "admin/admin_client.h"
#include "base/text.h"
#include "cli/cli.h"

#define LOOK_US   100000
#define HTTP_OK   200
#define HTTP_WAIT 202

struct request {
    const struct plan *plan;
    const char *name;
    bool as_json;
};

static void name_make(char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(out, size, "savepoint-%Y%m%dT%H%M%SZ", &utc);
}

/* What the engine answers; a refusal is an error with its text. */
static int ask(const struct request *request, const char *method, const char *target,
               struct buf *reply, struct err *err)
{
    unsigned status;
    int error = admin_request(&request->plan->admin, method, target, &status, reply, err);
    char *text;

    if (error || status == HTTP_OK || status == HTTP_WAIT)
        return error;
    text = admin_member(buf_slice(reply), "error");
    error = *text ? err_set(err, -EIO, "%s", text)
                  : err_set(err, -EPROTO,
                            "what answers at %s:%u does not know %s (HTTP status %u): it is no "
                            "engine of this version",
                            request->plan->admin.host, request->plan->admin.port, target, status);
    free(text);
    return error;
}

static void print_done(const struct request *request, struct slice reply)
{
    char *id = admin_member(reply, "id");
    char *path = admin_member(reply, "path");

    if (request->as_json)
        printf("%.*s", SLICE_ARGS(reply));
    else
        printf("%s  %s\n", id, path);
    free(id);
    free(path);
}

/* Whether it has come to an end, and *ret says how. */
static bool is_over(const struct request *request, struct slice reply, int *ret, struct err *err)
{
    char *name = admin_member(reply, "name");
    char *state = admin_member(reply, "state");
    char *text = admin_member(reply, "error");
    bool is_waiting = strcmp(state, "waiting") == 0;

    *ret = 0;
    if (strcmp(name, request->name) != 0) {
        *ret = err_set(err, -EIO,
                       "the engine was asked for savepoint %s meanwhile: look for %s "
                       "with 'freshet checkpoint ls'",
                       name, request->name);
        is_waiting = false;
    } else if (strcmp(state, "done") == 0) {
        print_done(request, reply);
    } else if (!is_waiting) {
        *ret = err_set(err, -EIO, "savepoint %s failed: %s", request->name, text);
    }
    free(name);
    free(state);
    free(text);
    return !is_waiting;
}

static int save(const struct request *request, struct err *err)
{
    struct buf target = {0};
    struct buf reply = {0};
    int error;

    buf_printf(&target, "/savepoint?name=");
    admin_query_text(&target, request->name);
    buf_printf(&target, "&pipeline=");
    admin_query_text(&target, request->plan->pipeline);
    error = ask(request, "POST", buf_string(&target), &reply, err);
    if (!error)
        fprintf(stderr, "waiting for savepoint %s to be in force\n", request->name);
    while (!error && !is_over(request, buf_slice(&reply), &error, err)) {
        usleep(LOOK_US);
        error = ask(request, "GET", "/savepoint", &reply, err);
    }
    buf_free(&target);
    buf_free(&reply);
    return error;
}

int command_checkpoint_save(const struct cli_args *args)
{
    char name[64];
    struct request request = {.name = name, .as_json = args->values[SAVE_JSON] != NULL};
    struct plan *plan;
    struct err err;
    int code = cli_load_plan(args->positional[0], &plan);

    if (code)
        return code;
    request.plan = plan;
    name_make(name, sizeof(name));
    if (args->positional_count > 1)
        request.name = args->positional[1];
    if (save(&request, &err)) {
        cli_error("%s", err.text);
        code = EXIT_FAILED;
    }
    plan_free(plan);
    return code;
}
