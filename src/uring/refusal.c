#include <errno.h>
#include <string.h>

#include "uring/op.h"

#define FILTERED                                                                                   \
    "a seccomp filter or security module forbids it; in a container, run with a seccomp profile "  \
    "that allows io_uring_setup, io_uring_enter and io_uring_register (the default profiles of "   \
    "Docker and containerd do not)"

/* kernel.io_uring_disabled, or -1 where the kernel has no such setting. */
static int disabled_setting(const char *path)
{
    FILE *file = fopen(path, "re");
    int value = -1;

    if (!file)
        return -1;
    if (fscanf(file, "%d", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

static int not_permitted(int error, const char *disabled_path, struct err *err)
{
    switch (disabled_setting(disabled_path)) {
    case 2:
        return err_set(err, error,
                       "io_uring is switched off on this host: kernel.io_uring_disabled is 2; "
                       "set it to 0 (sysctl -w kernel.io_uring_disabled=0)");
    case 1:
        return err_set(err, error,
                       "io_uring is kept from this user: kernel.io_uring_disabled is 1; set it to "
                       "0, or put the user into the group that kernel.io_uring_group names, or "
                       "grant CAP_SYS_ADMIN");
    default:
        return err_set(err, error, "the kernel does not permit io_uring: " FILTERED);
    }
}

int uring_refusal(int error, const char *disabled_path, struct err *err)
{
    switch (error) {
    case -ENOSYS:
        return err_set(err, error,
                       "no io_uring here: either the kernel has none (Linux 6.1 or newer is "
                       "needed), or " FILTERED);
    case -EPERM:
    case -EACCES:
        return not_permitted(error, disabled_path, err);
    case -ENOMEM:
        return err_set(err, error,
                       "no memory for io_uring's rings: raise the limit of locked memory "
                       "(ulimit -l, LimitMEMLOCK= in the systemd unit) or of the cgroup");
    case -EMFILE:
    case -ENFILE:
        return err_set(err, error,
                       "no file descriptor left for io_uring: raise the limit (ulimit -n, "
                       "LimitNOFILE= in the systemd unit)");
    case -EINVAL:
        return err_set(err, error,
                       "this kernel's io_uring is too old: Linux 6.1 or newer is needed");
    default:
        return err_set(err, error, "io_uring: %s", strerror(-error));
    }
}
