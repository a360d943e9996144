/* compile - the steps from a bound file to a plan, in their order.
 *
 *   sources ─▶ views (conditions, features) ─▶ keys ─▶ checks across sections ─▶ layout
 *
 * Every step but the last reports mistakes and goes on. What refers to a thing that was already
 * reported as wrong is left alone, so one mistake gives one message. The layout runs on a plan
 * without mistakes only. */
#ifndef FRESHET_PLAN_COMPILE_H
#define FRESHET_PLAN_COMPILE_H

#include "plan/bind.h"
#include "plan/plan.h"

/* What the plan does not keep of a source. */
struct source_notes {
    const struct tree_pair *pair; /* its name and mapping in the file */
    bool fields_known;            /* plan.fields is complete: other names are mistakes */
    bool *type_known;             /* by field number; false after a mistake in its type */
    bool full;                    /* has too many conditions, and that was reported */
};

struct compile {
    struct binder binder;
    struct plan *plan;
    const struct tree_node *root;
    struct source_notes *sources;   /* by source number */
    const struct tree_pair **views; /* by view number: name and mapping in the file */
};

/* source.c */
void compile_sources(struct compile *compile);

/* A source's field by name. If there is none, PLAN_NONE, with a message at `at` unless the source
 * (PLAN_NONE: unknown) was reported already. */
int compile_field_named(struct compile *compile, int source, const struct tree_node *at,
                        const char *label);

/* True if it is known what type the field has. */
bool compile_type_known(const struct compile *compile, int source, int field);

/* "a string", "a decimal(2)" */
const char *compile_type_text(struct compile *compile, const struct plan_field *field);

/* The node's scalar as a value of the field's type; `label` begins the message if it is none. The
 * string of a value belongs to the plan. */
bool compile_value(struct compile *compile, const char *label, const struct plan_field *field,
                   const struct tree_node *node, struct field_value *ret);

/* condition.c: the number of the condition among the source's predicates, or PLAN_NONE after a
 * mistake. An equal one is not added twice. */
int compile_condition(struct compile *compile, int source, const struct tree_pair *where);

/* view.c */
void compile_views(struct compile *compile);

/* check.c: the Redis keys, and what no section can see for itself. */
void compile_keys(struct compile *compile);
void check_topics(struct compile *compile);
void check_unused_sources(struct compile *compile);
void check_feature_names(struct compile *compile);

/* print.c: a value of the field's type, strings in quotes. */
void plan_print_value(struct buf *out, const struct plan_field *field,
                      const struct field_value *value);

/* layout.c */
void compile_layout(struct plan *plan);

#endif
