/* rejects - why a record is no event: the one table of dead-letter reasons.
 *
 * The spelled names are the "error" of dead letters and the reason label of their metric. */
#ifndef FRESHET_DECODE_REJECTS_H
#define FRESHET_DECODE_REJECTS_H

/* In the order in which a record is checked. */
#define REJECT_REASONS(X)                                                                          \
    X(REJECT_NULL_VALUE, "null_value", "the record has no value")                                  \
    X(REJECT_MALFORMED, "malformed", "the value is not one JSON object in UTF-8")                  \
    X(REJECT_MISSING, "missing", "a required field is absent or null")                             \
    X(REJECT_WRONG_TYPE, "wrong_type", "a field has another type than declared")                   \
    X(REJECT_OVERFLOW, "overflow", "a number does not fit its field's type")                       \
    X(REJECT_BAD_TIME, "bad_time", "a time is negative, fractional, unreadable or out of range")   \
    X(REJECT_EMPTY_ENTITY, "empty_entity", "the entity key is the empty string")                   \
    X(REJECT_FUTURE, "future", "the event time is beyond max_future")

enum reject_reason {
#define X(enumerator, spelled, meaning) enumerator,
    REJECT_REASONS(X)
#undef X
        REJECT_REASON_COUNT
};

const char *reject_reason_name(enum reject_reason reason);
const char *reject_reason_meaning(enum reject_reason reason);

#endif
