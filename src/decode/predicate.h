/* predicate - evaluates a source's `where` conditions on an event.
 *
 * On an absent field every operator but EXISTS is false, NE too; NOT turns its child's answer. */
#ifndef FRESHET_DECODE_PREDICATE_H
#define FRESHET_DECODE_PREDICATE_H

#include "plan/plan.h"

/* Bit i: the source's predicate i holds for these field values. */
uint64_t predicates_hold(const struct plan_source *source, const struct field_value *fields);

#endif
