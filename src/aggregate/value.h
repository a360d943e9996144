/* value - a field's value in the forms that cells and results have of it. */
#ifndef FRESHET_AGGREGATE_VALUE_H
#define FRESHET_AGGREGATE_VALUE_H

#include "freshet/row.h"
#include "plan/plan.h"

/* What `distinct` knows the value by: equal values have equal hashes, -0.0 and 0 too. */
uint64_t value_hash(enum field_type type, const struct field_value *value);

/* The canonical text, which is a map's key: strings as they are, others as JSON spells them. `out`
 * has room for TEXT_DOUBLE_MAX bytes. */
struct slice value_text(enum field_type type, unsigned scale, const struct field_value *value,
                        char *out);

/* The value that value_text made the text of; a string's bytes are the text's. */
struct field_value value_of_text(enum field_type type, struct slice text);

/* True if value_text makes it of some value of that type. */
bool value_text_is_canonical(enum field_type type, unsigned scale, struct slice text);

/* A number as a double; decimals in units of their last digit. */
double value_number(enum field_type type, const struct field_value *value);

/* Appends the value as JSON: strings quoted, decimals with their digits. */
void value_json(struct buf *out, enum field_type type, unsigned scale,
                const struct field_value *value);

/* The value as a feature's result. A string's bytes are copied to `out`, which must not change as
 * long as the result is used. */
struct row_value value_row(struct buf *out, enum field_type type, unsigned scale,
                           const struct field_value *value);

#endif
