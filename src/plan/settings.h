/* settings - the tables of everything that a pipeline file may say. */
#ifndef FRESHET_PLAN_SETTINGS_H
#define FRESHET_PLAN_SETTINGS_H

#include "plan/bind.h"
#include "plan/plan.h"

/*                    stored from */
extern const struct section settings_top; /* struct plan */
extern const struct section settings_kafka;
extern const struct section settings_redis;
extern const struct section settings_source;  /* struct plan_source */
extern const struct section settings_time;    /* struct plan_source */
extern const struct section settings_dedup;   /* struct plan_source */
extern const struct section settings_field;   /* struct plan_field */
extern const struct section settings_view;    /* struct plan_view */
extern const struct section settings_window;  /* struct window_setting */
extern const struct section settings_feature; /* struct plan_feature */
extern const struct section settings_option;  /* struct plan_feature: what its kind takes besides */
extern const struct section settings_state;
extern const struct section settings_checkpoint;
extern const struct section settings_engine;
extern const struct section settings_admin;
extern const struct section settings_outputs;     /* struct plan */
extern const struct section settings_output_file; /* struct plan */
extern const struct section settings_output_kafka;

/* A window as written; which of its settings are there is up to the tree. */
struct window_setting {
    int64_t tumbling_ms;
    int64_t sliding_ms;
    int64_t every_ms;
    int64_t offset_ms;
    int64_t session_ms;
};

/* window.c: the reader of SETTING_WINDOW. */
bool setting_read_window(struct binder *binder, const struct setting *setting,
                         const struct tree_pair *pair, void *to);

/* What a kind of feature gives, for documentation. */
struct feature_doc {
    const char *value;
    const char *empty; /* of a window without such events */
    const char *exactness;
};
extern const struct feature_doc feature_docs[FEATURE_KIND_COUNT];

#endif
