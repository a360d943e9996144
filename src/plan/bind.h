/* bind - from nodes of the file to members of the plan, by tables of settings.
 *
 *   section ──▶ settings[]: name, type, default, bounds, where it is stored, what it is for
 *
 * A setting stands in one row. From it come its reader, its default (read by the same reader), the
 * messages with the nearest valid spelling, and docs/PIPELINE.md. What needs more than its own
 * value, such as the name of a field, has the type LATER: the compiler reads it. All mistakes of a
 * section are reported, not just the first. */
#ifndef FRESHET_PLAN_BIND_H
#define FRESHET_PLAN_BIND_H

#include <stdint.h>

#include "plan/memory.h"
#include "plan/messages.h"
#include "plan/spelling.h"
#include "plan/tree.h"

/*      enumerator         in the documentation      stored as */
#define SETTING_TYPES(X)                                                                           \
    X(SETTING_TEXT, "text")          /* const char *, not empty */                                 \
    X(SETTING_NAME, "name")          /* const char * */                                            \
    X(SETTING_TOPIC, "topic")        /* const char * */                                            \
    X(SETTING_BOOL, "true or false") /* bool */                                                    \
    X(SETTING_COUNT, "integer")      /* uint32_t */                                                \
    X(SETTING_NUMBER, "number")      /* double */                                                  \
    X(SETTING_DURATION, "duration")  /* int64_t, ms */                                             \
    X(SETTING_SIZE, "size")          /* uint64_t, bytes */                                         \
    X(SETTING_CHOICE, "")            /* an enum: the value of the choice */                        \
    X(SETTING_FLAG, "")              /* bool: the value of the choice */                           \
    X(SETTING_FIXED, "")             /* not stored: one choice is left to this version */          \
    X(SETTING_PATH, "member names joined by dots") /* struct plan_path */                          \
    X(SETTING_START, "earliest, latest or a time") /* start, start_ms of struct plan_source */     \
    X(SETTING_WINDOW, "window")             /* window, *_ms and panes of struct plan_view */       \
    X(SETTING_PROPERTIES, "mapping")        /* properties of struct plan_kafka */                  \
    X(SETTING_REDIS_URL, "URL")             /* scheme to database of struct plan_redis */          \
    X(SETTING_SHARDS, "auto or an integer") /* uint32_t, auto: 0 */                                \
    X(SETTING_CPUS, "auto or a list")       /* cpus, cpu_count of struct plan_engine */            \
    X(SETTING_LISTEN, "host:port")          /* host, port of struct plan_admin */                  \
    X(SETTING_SECTION, "mapping")           /* the section's own settings, from the offset on */   \
    X(SETTING_LATER, "")                    /* by the compiler */

enum setting_type {
#define X(enumerator, documented) enumerator,
    SETTING_TYPES(X)
#undef X
        SETTING_TYPE_COUNT
};

struct choice {
    const char *name; /* NULL ends the list */
    int value;
    bool not_yet; /* named in the design, refused by this version */
};

struct setting {
    const char *name;
    enum setting_type type;
    const char *fallback; /* the default, as the file spells it, or NULL */
    size_t offset;        /* where it is stored, from the base of its section */
    int64_t min;          /* bounds, both inclusive; for numbers, durations and sizes */
    int64_t max;
    const struct choice *choices;
    const struct section *section;
    bool required;
    bool not_yet;
    unsigned kinds;      /* options of features: a bit for each kind that takes it */
    const char *written; /* documentation: what stands for the type, where that says too little */
    const char *derived; /* documentation: the default, where it comes from something else */
    const char *summary;
};

struct section {
    const char *name;
    const struct setting *settings;
    uint32_t count;
};

struct binder {
    struct plan_memory *memory;  /* for what the plan keeps */
    struct plan_memory *scratch; /* for what may go when the plan is made */
    struct messages *messages;
    const char *place; /* what is being read, for messages: "view purchases_30m" */
};

/* Reports a mistake at the node; false, so that `return mistake(…)` reads as one step. */
bool mistake(struct binder *binder, const struct tree_node *at, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Stores the section's defaults from `base` on, then what the file says. `pair` holds the section's
 * name and mapping. False if there was a mistake. */
bool bind_section(struct binder *binder, const struct section *section, const char *place,
                  const struct tree_pair *pair, void *base);

/* True if the value is a mapping with something in it; else a message. */
bool bind_mapping(struct binder *binder, const struct tree_pair *pair);

/* True if the value is a scalar and not blank; else a message. */
bool bind_scalar(struct binder *binder, const struct tree_pair *pair);

/* A key that names a source, view or feature: letters, digits and _ . - */
bool bind_name(struct binder *binder, const struct tree_node *key, const char *what);

/* A name of the file, in a sentence: as it is, or in quotes if it isn't a plain name. */
const char *bind_label(struct binder *binder, struct slice name);

const char *bind_shown(struct binder *binder, const struct tree_node *scalar);

/* The reader of a setting: pair->value into `to`. False after a mistake. */
bool setting_read(struct binder *binder, const struct setting *setting,
                  const struct tree_pair *pair, void *to);

/* Stores the setting's default, if it has one, as a section that begins at `base` keeps it. */
void setting_store_default(struct binder *binder, const struct setting *setting, void *base);

/* What documentation and messages call the type. */
const char *setting_type_name(enum setting_type type);

#endif
