#include "plan/address.h"

#include <errno.h>
#include <sys/un.h>

#include "plan/value.h"

#define REDIS_PORT_DEFAULT 6379

static bool starts_with(struct slice text, struct slice start)
{
    return text.len >= start.len && memcmp(text.data, start.data, start.len) == 0;
}

static struct slice behind(struct slice text, size_t count)
{
    return (struct slice){text.data + count, text.len - count};
}

/* Cuts *text at the first of the bytes `separators`, which stays with *ret_rest; without one the
 * rest is empty. */
static void cut(struct slice *text, const char *separators, struct slice *ret_rest)
{
    size_t len = 0;

    while (len < text->len && (text->data[len] == '\0' || !strchr(separators, text->data[len])))
        len++;
    *ret_rest = behind(*text, len);
    text->len = len;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes into a terminated copy; NULL for a bad escape or a control character. */
static const char *decode(struct plan_memory *memory, struct slice text)
{
    char *copy = plan_alloc(memory, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.data[i];

        if (c == '%') {
            int high = i + 1 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;

            if (high < 0 || low < 0)
                return NULL;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20)
            return NULL;
        copy[len++] = (char)c;
    }
    return copy;
}

static int parse_port(struct slice text, int64_t min, uint16_t *ret, struct err *err)
{
    int64_t port;

    if (value_int64(text, &port, NULL) < 0 || port < min || port > UINT16_MAX)
        return err_set(err, -EINVAL, "the port must be an integer from %d to 65535", (int)min);
    *ret = (uint16_t)port;
    return 0;
}

/* host, host:port, [ipv6] or [ipv6]:port; the port's text is data NULL where there is none. */
static int split_host(struct slice text, struct slice *ret_host, struct slice *ret_port,
                      struct err *err)
{
    struct slice host = text;
    struct slice rest;

    if (text.len && text.data[0] == '[') {
        cut(&host, "]", &rest);
        if (rest.len == 0)
            return err_set(err, -EINVAL, "a [ without its ]");
        host = behind(host, 1);
        rest = behind(rest, 1);
    } else {
        cut(&host, ":", &rest);
        if (rest.len && memchr(rest.data + 1, ':', rest.len - 1))
            return err_set(err, -EINVAL, "an IPv6 address stands in brackets: [::1]:port");
    }
    if (host.len == 0)
        return err_set(err, -EINVAL, "the host is missing");
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.data[i] <= ' ' || strchr("[]/?#%", host.data[i]))
            return err_set(err, -EINVAL, "the host has characters that no host has");
    }
    if (rest.len && rest.data[0] != ':')
        return err_set(err, -EINVAL, "behind a ] only :port may follow");
    *ret_host = host;
    *ret_port = rest.len ? behind(rest, 1) : SLICE_NONE;
    return 0;
}

static int parse_database(struct slice text, uint32_t *ret, struct err *err)
{
    int64_t database;

    if (value_int64(text, &database, NULL) < 0 || database < 0 || database > INT32_MAX)
        return err_set(err, -EINVAL, "the database must be a number");
    *ret = (uint32_t)database;
    return 0;
}

/* user, user:password or :password; empty is none. */
static int parse_login(struct slice text, struct plan_memory *memory, struct plan_redis *redis,
                       struct err *err)
{
    struct slice user = text;
    struct slice password;

    cut(&user, ":", &password);
    redis->user = user.len ? decode(memory, user) : NULL;
    if (user.len && !redis->user)
        return err_set(err, -EINVAL, "user: a %% stands before two hexadecimal digits");
    redis->password = password.len > 1 ? decode(memory, behind(password, 1)) : NULL;
    if (password.len > 1 && !redis->password)
        return err_set(err, -EINVAL, "password: a %% stands before two hexadecimal digits");
    return 0;
}

/* What stands behind redis:// */
static int parse_tcp(struct slice text, struct plan_memory *memory, struct plan_redis *redis,
                     struct err *err)
{
    struct slice location = text;
    struct slice user = {text.data, 0};
    struct slice database;
    struct slice host;
    struct slice port;

    cut(&location, "/?#", &database);
    const char *at = memrchr(location.data, '@', location.len);
    if (at) {
        user.len = (size_t)(at - location.data);
        location = behind(location, user.len + 1);
        int rc = parse_login(user, memory, redis, err);

        if (rc < 0)
            return rc;
        struct slice password;
        cut(&user, ":", &password); /* which url_text must not show */
    }
    int rc = split_host(location, &host, &port, err);
    if (rc < 0)
        return rc;
    redis->host = plan_text(memory, host);
    redis->port = REDIS_PORT_DEFAULT;
    if (port.data && (rc = parse_port(port, 1, &redis->port, err)) < 0)
        return rc;
    if (database.len && database.data[0] != '/')
        return err_set(err, -EINVAL, "behind the port only /database may follow");
    if (database.len > 1 && (rc = parse_database(behind(database, 1), &redis->database, err)) < 0)
        return rc;
    redis->url_text = plan_printf(memory, "redis://%.*s%s%.*s%.*s", SLICE_ARGS(user),
                                  user.len ? "@" : "", SLICE_ARGS(location), SLICE_ARGS(database));
    return 0;
}

/* What stands behind unix:// */
static int parse_unix(struct slice text, struct plan_memory *memory, struct plan_redis *redis,
                      struct err *err)
{
    static const struct slice database = SLICE_LITERAL("?db=");
    struct slice path = text;
    struct slice query;
    int rc;

    cut(&path, "?", &query);
    if (path.len == 0 || path.data[0] != '/')
        return err_set(err, -EINVAL, "the path must begin with /: unix:///run/redis.sock");
    redis->scheme = REDIS_UNIX;
    redis->path = decode(memory, path);
    if (!redis->path)
        return err_set(err, -EINVAL, "path: a %% stands before two hexadecimal digits");
    if (strlen(redis->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return err_set(err, -EINVAL, "the path is too long for a socket");
    if (query.len && !starts_with(query, database))
        return err_set(err, -EINVAL, "behind the path only ?db=number may follow");
    if (query.len && (rc = parse_database(behind(query, database.len), &redis->database, err)) < 0)
        return rc;
    redis->url_text = plan_printf(memory, "unix://%.*s", SLICE_ARGS(text));
    return 0;
}

int address_parse_redis(struct slice url, struct plan_memory *memory, struct plan_redis *ret,
                        struct err *err)
{
    static const struct slice tcp = SLICE_LITERAL("redis://");
    static const struct slice tls = SLICE_LITERAL("rediss://");
    static const struct slice local = SLICE_LITERAL("unix://");
    struct plan_redis redis = {.scheme = REDIS_TCP};
    int rc;

    if (starts_with(url, tls))
        return err_set(err, -EINVAL, "rediss:// is not supported by this version yet");
    if (starts_with(url, tcp))
        rc = parse_tcp(behind(url, tcp.len), memory, &redis, err);
    else if (starts_with(url, local))
        rc = parse_unix(behind(url, local.len), memory, &redis, err);
    else
        rc = err_set(err, -EINVAL,
                     "must begin with redis:// or unix://, such as redis://localhost:6379");
    if (rc < 0)
        return rc;
    ret->scheme = redis.scheme;
    ret->url_text = redis.url_text;
    ret->host = redis.host;
    ret->port = redis.port;
    ret->path = redis.path;
    ret->user = redis.user;
    ret->password = redis.password;
    ret->database = redis.database;
    return 0;
}

int address_parse_listen(struct slice text, struct plan_memory *memory, const char **ret_host,
                         uint16_t *ret_port, struct err *err)
{
    struct slice host;
    struct slice port_text;
    uint16_t port = 0;
    int rc = split_host(text, &host, &port_text, err);

    if (rc < 0)
        return rc;
    if (!port_text.data)
        return err_set(err, -EINVAL, "the port is missing: 127.0.0.1:9180");
    rc = parse_port(port_text, 0, &port, err);
    if (rc < 0)
        return rc;
    *ret_host = plan_text(memory, host);
    *ret_port = port;
    return 0;
}
