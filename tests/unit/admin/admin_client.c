/* What the engine's admin pages answer, taken apart; texts in queries; and replies of a server that
 * is none. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/testing.h"
#include "admin/admin_client.h"
#include "base/text.h"

static void member_is(const char *object, const char *name, const char *wanted)
{
    char *found = admin_member(slice_of(object), name);

    assert_string_equal(found, wanted);
    free(found);
}

static void members_are_found_by_name(void **state)
{
    const char
        *object = "{\"name\":\"a\",\"state\":\"waiting\",\"n\":12,\"list\":[1,{\"id\":\"x\"}]}\n";

    (void)state;
    member_is(object, "name", "a");
    member_is(object, "state", "waiting");
    member_is(object, "n", "12");
    member_is(object, "list", "");
    member_is(object, "id", "");
    member_is(object, "", "");
}

static void what_is_no_object_has_no_members(void **state)
{
    static const char *const others[] = {"",           "not found\n", "[1,2]",
                                         "{\"name\":", "\"name\"",    "{{{"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        member_is(others[i], "name", "");
}

/* Whatever is escaped on the way is there again. */
static void texts_come_through(void **state)
{
    static const char *const texts[] = {
        "a \"b\" \\ c", "line\nline\ttab", "\x01\x1f", "größer → 日本", ": # {} [] , & * ! | > ' %",
    };
    struct buf object = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        buf_reset(&object);
        buf_printf(&object, "{\"error\":");
        text_json_string(&object, slice_of(texts[i]));
        buf_printf(&object, ",\"x\":\"y\"}\n");
        member_is(buf_string(&object), "error", texts[i]);
    }
    buf_free(&object);
}

static void queries_hold_any_text(void **state)
{
    struct buf query = {0};

    (void)state;
    admin_query_text(&query, "Az09-._~");
    admin_query_text(&query, " &=?#%/+\n\xc3\xa9");
    assert_string_equal(buf_string(&query), "Az09-._~%20%26%3D%3F%23%25%2F%2B%0A%C3%A9");
    buf_free(&query);
}

struct server {
    int listener;
    const char *reply;
};

static void *serve_once(void *context)
{
    struct server *server = context;
    char request[4096];
    int fd = accept(server->listener, NULL, NULL);

    if (fd >= 0 && recv(fd, request, sizeof(request), 0) > 0)
        send(fd, server->reply, strlen(server->reply), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

/* What a request is told by a server that says `reply`. */
static int answered(const char *reply, unsigned *ret_status, struct buf *ret_body)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct server server = {.listener = socket(AF_INET, SOCK_STREAM, 0), .reply = reply};
    struct plan_admin admin = {.host = "127.0.0.1"};
    socklen_t len = sizeof(address);
    pthread_t thread;
    struct err err = {""};

    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server.listener, 1), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &len), 0);
    admin.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&thread, NULL, serve_once, &server), 0);
    int error = admin_request(&admin, "GET", "/x", ret_status, ret_body, &err);
    pthread_join(thread, NULL);
    close(server.listener);
    assert_true((error != 0) == (strstr(err.text, "127.0.0.1") != NULL));
    return error;
}

static void replies_are_taken_apart(void **state)
{
    struct buf body = {0};
    unsigned status;

    (void)state;
    assert_int_equal(answered("HTTP/1.1 202 Accepted\r\nA: b\r\n\r\n{\"a\":1}\n", &status, &body),
                     0);
    assert_int_equal(status, 202);
    assert_string_equal(buf_string(&body), "{\"a\":1}\n");
    assert_int_equal(answered("HTTP/1.0 404 Not Found\r\n\r\n", &status, &body), 0);
    assert_int_equal(status, 404);
    assert_int_equal(body.len, 0);
    assert_int_equal(answered("", &status, &body), -EPROTO);
    assert_int_equal(answered("220 mail.example ESMTP\r\n\r\n", &status, &body), -EPROTO);
    assert_int_equal(answered("HTTP/1.1 200 OK\r\nA: b\r\n", &status, &body), -EPROTO);
    buf_free(&body);
}

static void nobody_there_is_said(void **state)
{
    struct plan_admin admin = {.host = "127.0.0.1", .port = 1};
    struct buf body = {0};
    struct err err;
    unsigned status;

    (void)state;
    assert_int_equal(admin_request(&admin, "GET", "/", &status, &body, &err), -ECONNREFUSED);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    admin.port = 0;
    assert_int_equal(admin_request(&admin, "GET", "/", &status, &body, &err), -EINVAL);
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(what_is_no_object_has_no_members),
        cmocka_unit_test(texts_come_through),
        cmocka_unit_test(queries_hold_any_text),
        cmocka_unit_test(replies_are_taken_apart),
        cmocka_unit_test(nobody_there_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
