/* admin_client - asks the engine that runs a pipeline, by way of its admin pages. */
#ifndef FRESHET_ADMIN_ADMIN_CLIENT_H
#define FRESHET_ADMIN_ADMIN_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "plan/plan.h"

#define ADMIN_REPLY_MAX ((size_t)1 << 20)

/* One HTTP request without a body: "GET", "/status". Returns 0 with status and body; -ECONNREFUSED
 * if nobody answers there, else another negative errno. The text says where it looked. */
MUST_USE int admin_request(const struct plan_admin *admin, const char *method, const char *target,
                           unsigned *ret_status, struct buf *ret_body, struct err *err);

/* The text of a member of a JSON object, a string; "" if there is none such. To be freed. */
char *admin_member(struct slice object, const char *name);

/* Appends the text as part of a query. */
void admin_query_text(struct buf *out, const char *text);

#endif
