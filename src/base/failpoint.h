/* failpoint - places where a test kills the process, or makes a step fail.
 *
 *   FAILPOINT("freeze_rename");                      dies here if the environment says so
 *   int error = FAILPOINT_ERROR("freeze_rename");    a positive errno, or 0
 *
 * Nothing at all unless the CMake option FRESHET_FAILPOINTS is on (preset `failpoints`). Then:
 *
 *   FRESHET_FAILPOINT=name           SIGKILL to the process itself when it passes there
 *   FRESHET_FAILPOINT=name:3         when it passes there for the third time
 *   FRESHET_FAILPOINT_ERROR=name=ENOSPC,other:2=EIO,third:2-4=EIO
 *                                    every time; from the second time on; the second to fourth
 *   FRESHET_FAILPOINT_LIST=path      appends each name, a line each, when it is first passed
 *
 * All names stand in the table below, by layer; one that does not is no program. Any thread. */
#ifndef FRESHET_BASE_FAILPOINT_H
#define FRESHET_BASE_FAILPOINT_H

/* A name may stand for both kinds; each kind counts for itself. */
#define FAILPOINTS(X, arg) FAILPOINTS_CHECKPOINT(X, arg) FAILPOINTS_ENGINE(X, arg)

#define FAILPOINTS_CHECKPOINT(X, arg)                                                              \
    /* checkpoint: the file system */                                                              \
    X(arg, "file_sync")                                                                            \
    X(arg, "file_write")                                                                           \
    X(arg, "file_link")                                                                            \
    X(arg, "folder_sync")                                                                          \
    X(arg, "tree_remove")                                                                          \
    /* checkpoint: state.dir */                                                                    \
    X(arg, "state_dir_make")                                                                       \
    X(arg, "state_dir_made")                                                                       \
    X(arg, "state_dir_locked")                                                                     \
    X(arg, "sweep_claim")                                                                          \
    X(arg, "sweep_claimed")                                                                        \
    X(arg, "sweep_remove")                                                                         \
    /* checkpoint: the work store */                                                               \
    X(arg, "store_begin")                                                                          \
    X(arg, "store_begun")                                                                          \
    X(arg, "store_open")                                                                           \
    X(arg, "store_write")                                                                          \
    X(arg, "store_written")                                                                        \
    X(arg, "store_drop")                                                                           \
    X(arg, "store_flush")                                                                          \
    X(arg, "store_flushed")                                                                        \
    X(arg, "store_reset")                                                                          \
    X(arg, "store_emptied")                                                                        \
    /* checkpoint: freezing, in the order of its steps */                                          \
    X(arg, "freeze_folder")                                                                        \
    X(arg, "freeze_db")                                                                            \
    X(arg, "freeze_db_linked")                                                                     \
    X(arg, "freeze_rows")                                                                          \
    X(arg, "freeze_hash")                                                                          \
    X(arg, "freeze_manifest")                                                                      \
    X(arg, "freeze_sync")                                                                          \
    X(arg, "freeze_rename")                                                                        \
    X(arg, "freeze_renamed")                                                                       \
    X(arg, "freeze_synced")                                                                        \
    X(arg, "freeze_name")                                                                          \
    X(arg, "freeze_done")                                                                          \
    /* checkpoint: afterwards */                                                                   \
    X(arg, "checkpoint_open")                                                                      \
    X(arg, "publish_mark")                                                                         \
    X(arg, "publish_marked")                                                                       \
    X(arg, "retain_rename")                                                                        \
    X(arg, "retain_renamed")                                                                       \
    X(arg, "retain_removed")

#define FAILPOINTS_ENGINE(X, arg)                                                                  \
    /* engine: a checkpoint, in the order of its steps */                                          \
    X(arg, "checkpoint_begin")                                                                     \
    X(arg, "captured")                                                                             \
    X(arg, "rows_sealed")                                                                          \
    X(arg, "side_flushed")                                                                         \
    X(arg, "commit_send")                                                                          \
    X(arg, "commit_sent")                                                                          \
    X(arg, "transaction_commit")                                                                   \
    X(arg, "commit_accepted")                                                                      \
    X(arg, "publish_done")                                                                         \
    /* engine: recovery */                                                                         \
    X(arg, "assigned")                                                                             \
    X(arg, "store_recovered")                                                                      \
    X(arg, "output_recovered")                                                                     \
    X(arg, "restored")                                                                             \
    /* shard */                                                                                    \
    X(arg, "marked")                                                                               \
    X(arg, "capture_slice")                                                                        \
    X(arg, "images_saved")                                                                         \
    X(arg, "group_loaded")                                                                         \
    X(arg, "evicted")                                                                              \
    X(arg, "cold_loaded")

#define FAILPOINT_IS(name, known) || __builtin_strcmp(name, known) == 0
#define FAILPOINT_KNOWN(name)                                                                      \
    _Static_assert(0 FAILPOINTS(FAILPOINT_IS, name), "not in the table of failpoints: " name)

#ifdef FRESHET_FAILPOINTS
#define FAILPOINT(name)                                                                            \
    do {                                                                                           \
        FAILPOINT_KNOWN(name);                                                                     \
        failpoint_pass(name);                                                                      \
    } while (0)
#define FAILPOINT_ERROR(name)                                                                      \
    ({                                                                                             \
        FAILPOINT_KNOWN(name);                                                                     \
        failpoint_error(name);                                                                     \
    })
#else
#define FAILPOINT(name)                                                                            \
    do {                                                                                           \
        FAILPOINT_KNOWN(name);                                                                     \
    } while (0)
#define FAILPOINT_ERROR(name)                                                                      \
    ({                                                                                             \
        FAILPOINT_KNOWN(name);                                                                     \
        0;                                                                                         \
    })
#endif

/* Behind the macros. */
void failpoint_pass(const char *name);
int failpoint_error(const char *name);

#endif
