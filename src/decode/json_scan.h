/* json_scan - picks declared values out of a JSON object, and checks all of it.
 *
 *   json_paths   user_id          ▶ token 0        a tree of member names; its leaves are numbered
 *                properties
 *                  └ page         ▶ token 1
 *
 * The whole text is held against the grammar (RFC 8259), what is not declared too; of what is
 * declared the tokens are handed out as they stand in the text, nothing is converted. A name that
 * comes twice in an object: the last one counts, with all that is below it. */
#ifndef FRESHET_DECODE_JSON_SCAN_H
#define FRESHET_DECODE_JSON_SCAN_H

#include "decode/json_index.h"
#include "plan/plan.h"

#define JSON_DEPTH_MAX 1000 /* of nested arrays and objects */

enum json_kind {
    JSON_ABSENT,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER, /* text: the number */
    JSON_STRING, /* text: between the quotes, still escaped if `escaped` */
    JSON_OBJECT, /* text: nothing */
    JSON_ARRAY,  /* text: nothing */
};

struct json_token {
    enum json_kind kind;
    bool escaped;
    struct slice text; /* into the scanned text */
};

struct json_paths;

struct json_paths *json_paths_create(void);
void json_paths_free(struct json_paths *paths);

/* The number of the token that the path leads to; the same path gives the same number. The path's
 * bytes must outlive `paths`. */
uint32_t json_paths_add(struct json_paths *paths, const struct plan_path *path);
uint32_t json_paths_count(const struct json_paths *paths);

/* Fills tokens[0 .. json_paths_count). Returns 0, or -EBADMSG for a text that is not one JSON
 * object; the tokens are then undefined. */
MUST_USE int json_scan(struct json_index *index, const struct json_paths *paths, struct slice text,
                       struct json_token *tokens);

/* Writes the content of a string token without its escapes to `out`, which has room for escaped.len
 * bytes (it never needs more), and returns how many there are. Scanned strings are known to be
 * sound. */
size_t json_unescape(struct slice escaped, char *out);

#endif
