#include "checkpoint/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "checkpoint/files.h"
#include "checkpoint/id.h"

#define LOCK_WAIT_MS 10000

struct state_dir {
    char *path;
    char *process;
    char *work;
    int lock; /* of the work folder, or -1 */
};

static const char *const folders[] = {"checkpoints", "savepoints", "work"};

/* What a person can do about it. */
static const char *hint_of(int error)
{
    switch (error) {
    case -EACCES:
    case -EPERM:
        return "; make it yourself and give it to the user that runs freshet, or set state.dir to "
               "a folder of that user";
    case -EROFS:
        return "; set state.dir to a folder on a file system that can be written";
    case -ENOTDIR:
        return "; part of this path is a file: set state.dir to a folder";
    case -ENOSPC:
    case -EDQUOT:
        return "; free some space, or set state.dir to another file system";
    default:
        return "";
    }
}

static int refuse(struct err *err, int error, const char *path, const char *what)
{
    return err_set(err, error, "state.dir %s cannot be %s: %s%s", path, what, strerror(-error),
                   hint_of(error));
}

static int make_folders(const char *path, struct err *err)
{
    FAILPOINT("state_dir_make");
    int error = folder_make_all(path, NULL);

    if (error)
        return refuse(err, error, path, "made");
    for (size_t i = 0; i < ARRAY_LEN(folders) && !error; i++) {
        char *folder = text_make("%s/%s", path, folders[i]);

        error = folder_make(folder, NULL);
        free(folder);
    }
    if (!error)
        error = folder_sync(path, NULL);
    return error ? refuse(err, error, path, "written") : 0;
}

/* Takes the lock that those who make and those who claim exclude each other by. */
static int lock_whole(const char *path, int *ret)
{
    char *name = text_make("%s/lock", path);
    int64_t until_ns = clock_monotonic_ns() + LOCK_WAIT_MS * NS_PER_MS;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int error = fd < 0 ? -errno : 0;

    free(name);
    while (!error && flock(fd, LOCK_EX | LOCK_NB)) {
        error = -errno;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        if (clock_monotonic_ns() < until_ns) {
            error = 0;
            usleep(5000);
        }
    }
    if (error && fd >= 0)
        close(fd);
    *ret = fd;
    return error;
}

/* Takes the lock of work/<process>: -ENOENT if there is none, -EWOULDBLOCK if it is held. */
static int lock_process(const struct state_dir *dir, const char *process, int *ret)
{
    char *name = text_make("%s/work/%s/lock", dir->path, process);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;

    free(name);
    if (!error && flock(fd, LOCK_EX | LOCK_NB)) {
        error = -errno;
        close(fd);
    }
    *ret = fd;
    return error;
}

/* Moves a dead process' thing into the own work folder, from where it is removed later: if this
 * process dies too, the next one finds it there. */
static void claim(const struct state_dir *dir, const char *folder, const char *name)
{
    char *from = text_make("%s/%s/%s", dir->path, folder, name);
    char *to = text_make("%s/dead.%s.%s", dir->work, folder, name);

    FAILPOINT("sweep_claim");
    if (file_rename(from, to, NULL)) {
        /* On another file system; or not ours to move, and then it stays. */
        int ignored = tree_remove(from, NULL);

        (void)ignored;
    }
    FAILPOINT("sweep_claimed");
    free(from);
    free(to);
}

static void sweep_work(const struct state_dir *dir)
{
    char *folder = text_make("%s/work", dir->path);
    char **names;
    size_t count;
    int lock;

    if (folder_list(folder, &names, &count, NULL)) {
        free(folder);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], dir->process) == 0)
            continue;
        int error = lock_process(dir, names[i], &lock);

        if (error == 0 || error == -ENOENT)
            claim(dir, "work", names[i]);
        if (error == 0)
            close(lock);
    }
    folder_names_free(names, count);
    free(folder);
}

static bool process_is_gone(const struct state_dir *dir, const char *process)
{
    int lock;
    int error = lock_process(dir, process, &lock);

    if (error == 0)
        close(lock);
    return error == 0 || error == -ENOENT;
}

static void sweep_half_made(const struct state_dir *dir, const char *in)
{
    char *folder = text_make("%s/%s", dir->path, in);
    char process[CHECKPOINT_PROCESS_SIZE];
    char **names;
    size_t count;

    if (folder_list(folder, &names, &count, NULL)) {
        free(folder);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (half_made_by(names[i], process) && strcmp(process, dir->process) != 0 &&
            process_is_gone(dir, process))
            claim(dir, in, names[i]);
    }
    folder_names_free(names, count);
    free(folder);
}

/* Removes what was claimed. What can't be removed now goes with the work folder. */
static void remove_claimed(const struct state_dir *dir)
{
    char **names;
    size_t count;

    if (folder_list(dir->work, &names, &count, NULL))
        return;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], "dead.", 5) != 0)
            continue;
        char *path = text_make("%s/%s", dir->work, names[i]);

        FAILPOINT("sweep_remove");
        int ignored = tree_remove(path, NULL);
        (void)ignored;
        free(path);
    }
    folder_names_free(names, count);
}

static int make_work(struct state_dir *dir)
{
    char *name = text_make("%s/lock", dir->work);
    int error = folder_make(dir->work, NULL);

    FAILPOINT("state_dir_made");
    if (!error) {
        dir->lock = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (dir->lock < 0 || flock(dir->lock, LOCK_EX | LOCK_NB))
            error = -errno;
    }
    FAILPOINT("state_dir_locked");
    free(name);
    return error;
}

static int take_place(struct state_dir *dir, struct err *err)
{
    int whole;
    int error = lock_whole(dir->path, &whole);

    if (error == -EWOULDBLOCK)
        return err_set(err, error,
                       "state.dir %s is busy: another process has held %s/lock for %d s", dir->path,
                       dir->path, LOCK_WAIT_MS / 1000);
    if (error)
        return refuse(err, error, dir->path, "locked");
    error = make_work(dir);
    if (!error) {
        /* Half made checkpoints first: their maker's lock tells whose they are. */
        sweep_half_made(dir, "checkpoints");
        sweep_half_made(dir, "savepoints");
        sweep_work(dir);
    }
    close(whole);
    return error ? refuse(err, error, dir->path, "written") : 0;
}

static struct state_dir *create(const char *path)
{
    struct state_dir *dir = calloc(1, sizeof(*dir));

    CHECK(dir);
    dir->path = text_make("%s", path);
    dir->lock = -1;
    return dir;
}

int state_dir_open(const char *path, struct state_dir **ret, struct err *err)
{
    int error = make_folders(path, err);
    uint64_t random;

    if (error)
        return error;
    CHECK(getrandom(&random, sizeof(random), 0) == sizeof(random));
    struct state_dir *dir = create(path);
    dir->process = text_make("%d-%016lx", (int)getpid(), (unsigned long)random);
    dir->work = text_make("%s/work/%s", path, dir->process);
    error = take_place(dir, err);
    if (error) {
        state_dir_close(dir);
        return error;
    }
    remove_claimed(dir);
    *ret = dir;
    return 0;
}

int state_dir_open_to_read(const char *path, struct state_dir **ret, struct err *err)
{
    struct stat status;

    if (stat(path, &status))
        return refuse(err, -errno, path, "read");
    if (!S_ISDIR(status.st_mode))
        return refuse(err, -ENOTDIR, path, "read");
    *ret = create(path);
    return 0;
}

void state_dir_close(struct state_dir *dir)
{
    if (!dir)
        return;
    if (dir->lock >= 0) {
        int ignored = tree_remove(dir->work, NULL); /* else by the next that starts */

        (void)ignored;
        close(dir->lock);
    }
    free(dir->path);
    free(dir->process);
    free(dir->work);
    free(dir);
}

const char *state_dir_path(const struct state_dir *dir)
{
    return dir->path;
}

const char *state_dir_process(const struct state_dir *dir)
{
    return dir->process;
}

const char *state_dir_work(const struct state_dir *dir)
{
    return dir->work;
}

bool savepoint_name_is_valid(const char *name)
{
    char process[CHECKPOINT_PROCESS_SIZE];
    size_t len = strlen(name);

    if (len == 0 || len > SAVEPOINT_NAME_MAX || name[0] == '.')
        return false;
    if (half_made_by(name, process) || checkpoint_id_is_valid(name))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}
