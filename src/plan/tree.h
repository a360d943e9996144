/* tree - a YAML text as nodes that know where they stand.
 *
 *   mapping ──▶ pairs[] ──▶ key: scalar, value: scalar, sequence or mapping
 *   sequence ──▶ items[]
 *
 * Scalars keep their text; what it means is up to the reader, who knows what is expected: YAML's
 * own guesses (yes, 1_000, 0x10) are not made. An alias is its anchor's node, so the tree may share
 * nodes; it has no cycle, and depth and size are bounded with every alias spelled out, so a reader
 * may recurse. All memory belongs to the region that was passed. */
#ifndef FRESHET_PLAN_TREE_H
#define FRESHET_PLAN_TREE_H

#include <stdint.h>

#include "plan/memory.h"
#include "plan/messages.h"

#define TREE_BYTES_MAX   (1024 * 1024)
#define TREE_DEPTH_MAX   64
#define TREE_ANCHORS_MAX 256
#define TREE_WEIGHT_MAX  (4 * 1024 * 1024) /* nodes and bytes, with every alias spelled out */

enum tree_kind {
    TREE_SCALAR,
    TREE_SEQUENCE,
    TREE_MAPPING,
};

struct tree_node {
    enum tree_kind kind;
    bool plain;        /* scalar: written without quotes and not as a block */
    bool open;         /* its end has not been read yet */
    uint32_t line;     /* from 1 */
    uint32_t column;   /* from 1, in characters */
    uint32_t height;   /* nodes on the longest way down, itself included */
    uint32_t weight;   /* nodes and bytes of text in it, aliases spelled out */
    uint32_t count;    /* of pairs or items */
    struct slice text; /* scalar; terminated, but may hold a NUL */
    union {
        struct tree_pair *pairs;  /* mapping: keys are scalars and differ */
        struct tree_node **items; /* sequence */
    };
};

struct tree_pair {
    struct tree_node *key;
    struct tree_node *value;
};

/* Returns 0 with the root, which is NULL for an empty text; or -EINVAL with the reason in
 * `messages`. A key that stands twice is a message too, and its second pair is left out, but the
 * tree is good otherwise: look at messages->count. */
MUST_USE int tree_parse(struct slice text, struct plan_memory *memory, struct messages *messages,
                        struct tree_node **ret_root);

/* The pair with this key, or NULL. `mapping` may be NULL or of another kind: NULL. */
const struct tree_pair *tree_find(const struct tree_node *mapping, const char *key);

/* A scalar that was left out, as in `key:` with nothing behind it. */
bool tree_is_blank(const struct tree_node *node);

bool tree_is_text(const struct tree_node *node, const char *text);

#endif
