#include "admin/admin_client.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plan/tree.h"

#define TIMEOUT_S 15 /* the control thread may be waiting for the disk, or for a broker */

static int connect_to(const struct addrinfo *address)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    error = errno == EINPROGRESS ? -ETIMEDOUT : -errno;
    close(fd);
    return error;
}

/* A socket, or a negative errno. An address that means all of the host's own is reached by the
 * loopback. */
static int open_socket(const struct plan_admin *admin, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses;
    char port[8];
    int fd = -ECONNREFUSED;
    int answer;

    snprintf(port, sizeof(port), "%u", admin->port);
    answer = getaddrinfo(admin->host, port, &hints, &addresses);
    if (answer)
        return err_set(err, -EINVAL, "admin.listen: %s: %s", admin->host, gai_strerror(answer));
    for (const struct addrinfo *one = addresses; one && fd < 0; one = one->ai_next)
        fd = connect_to(one);
    freeaddrinfo(addresses);
    if (fd < 0)
        return err_set(err, fd, "no engine answers at %s:%u: %s", admin->host, admin->port,
                       strerror(-fd));
    return fd;
}

static int send_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        bytes.data += sent;
        bytes.len -= (size_t)sent;
    }
    return 0;
}

static int receive_all(int fd, struct buf *out)
{
    ssize_t got;

    while ((got = recv(fd, buf_reserve(out, 4096), 4096, 0)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        out->len += (size_t)got;
        if (out->len > ADMIN_REPLY_MAX)
            return -EMSGSIZE;
    }
    return 0;
}

/* The server answers HTTP/1.0 without chunks and closes, so the body is what follows the head. */
static int reply_take(struct buf *reply, unsigned *ret_status, struct buf *ret_body)
{
    const char *text = buf_string(reply);
    const char *body = strstr(text, "\r\n\r\n");

    if (!body || sscanf(text, "HTTP/1.%*1[01] %3u", ret_status) != 1)
        return -EPROTO;
    body += 4;
    buf_reset(ret_body);
    buf_append(ret_body, body, (size_t)(reply->data + reply->len - body));
    return 0;
}

int admin_request(const struct plan_admin *admin, const char *method, const char *target,
                  unsigned *ret_status, struct buf *ret_body, struct err *err)
{
    struct buf request = {0};
    struct buf reply = {0};
    int error;

    if (admin->port == 0)
        return err_set(err, -EINVAL,
                       "admin.listen has port 0, so nobody knows where the engine listens: give "
                       "it a port in the pipeline file");
    int fd = open_socket(admin, err);
    if (fd < 0)
        return fd;
    buf_printf(&request, "%s %s HTTP/1.0\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, target,
               admin->host);
    error = send_all(fd, buf_slice(&request));
    if (!error)
        error = receive_all(fd, &reply);
    if (!error)
        error = reply_take(&reply, ret_status, ret_body);
    if (error == -EAGAIN)
        error = -ETIMEDOUT;
    if (error)
        err_set(err, error, "the engine at %s:%u did not answer: %s", admin->host, admin->port,
                strerror(-error));
    close(fd);
    buf_free(&request);
    buf_free(&reply);
    return error;
}

/* JSON is YAML, and that can be read here already. */
char *admin_member(struct slice object, const char *name)
{
    struct plan_memory *memory = plan_memory_create();
    struct messages *messages = plan_alloc(memory, sizeof(*messages));
    struct tree_node *root = NULL;
    const struct tree_pair *pair;
    char *text;

    messages->memory = memory;
    if (tree_parse(object, memory, messages, &root))
        root = NULL;
    pair = tree_find(root, name);
    text = strdup(pair && pair->value->kind == TREE_SCALAR ? pair->value->text.data : "");
    CHECK(text);
    plan_memory_free(memory);
    return text;
}

void admin_query_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        bool is_plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                        (*text >= '0' && *text <= '9') || strchr("-._~", *text);

        if (is_plain)
            buf_append_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}
