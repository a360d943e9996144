#include "decode/json_scan.h"

#include <errno.h>

#include "base/text.h"

#define NO_NODE (-1)
#define ROOT    0

struct path_node {
    struct slice name;
    int first_child;
    int next_sibling;
    int token; /* or -1: not a leaf */
};

struct json_paths {
    struct path_node *nodes;
    int count;
    uint32_t token_count;
};

static int node_add(struct json_paths *paths, struct slice name)
{
    paths->nodes = realloc(paths->nodes, (size_t)(paths->count + 1) * sizeof(*paths->nodes));
    CHECK(paths->nodes);
    paths->nodes[paths->count] = (struct path_node){
        .name = name, .first_child = NO_NODE, .next_sibling = NO_NODE, .token = -1};
    return paths->count++;
}

struct json_paths *json_paths_create(void)
{
    struct json_paths *paths = calloc(1, sizeof(*paths));

    CHECK(paths);
    node_add(paths, SLICE_LITERAL(""));
    return paths;
}

void json_paths_free(struct json_paths *paths)
{
    if (!paths)
        return;
    free(paths->nodes);
    free(paths);
}

uint32_t json_paths_count(const struct json_paths *paths)
{
    return paths->token_count;
}

static int child_named(const struct json_paths *paths, int node, struct slice name)
{
    int child = paths->nodes[node].first_child;

    while (child != NO_NODE && !slice_equal(paths->nodes[child].name, name))
        child = paths->nodes[child].next_sibling;
    return child;
}

uint32_t json_paths_add(struct json_paths *paths, const struct plan_path *path)
{
    int node = ROOT;

    for (uint32_t i = 0; i < path->count; i++) {
        int child = child_named(paths, node, path->members[i]);

        if (child == NO_NODE) {
            child = node_add(paths, path->members[i]);
            paths->nodes[child].next_sibling = paths->nodes[node].first_child;
            paths->nodes[node].first_child = child;
        }
        node = child;
    }
    if (paths->nodes[node].token < 0)
        paths->nodes[node].token = (int)paths->token_count++;
    return (uint32_t)paths->nodes[node].token;
}

/* One scan: where it stands among the token beginnings. */
struct scan {
    const char *text;
    const uint32_t *at;
    const uint32_t *end;
    const struct json_paths *paths;
    struct json_token *tokens;
    struct buf key; /* an escaped member name, unescaped */
    int depth;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Reads the escape whose backslash is at `at`; returns its length and the character it stands for,
 * or 0 if it is none. A high surrogate must be followed by a low one. */
static size_t escape_read(const char *at, const char *end, uint32_t *ret_character)
{
    static const char names[] = "\"\\/bfnrt";
    static const char characters[] = "\"\\/\b\f\n\r\t";

    if (end - at < 2)
        return 0;
    if (at[1] != 'u') {
        const char *name = memchr(names, at[1], sizeof(names) - 1);

        if (!name)
            return 0;
        *ret_character = (unsigned char)characters[name - names];
        return 2;
    }

    int unit = hex4(at + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    *ret_character = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u')
        return 0;

    int low = hex4(at + 8, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *ret_character = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

static size_t utf8_write(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static bool escapes_are_sound(struct slice text)
{
    const char *end = text.data + text.len;
    const char *at = text.data;
    uint32_t character;

    while ((at = memchr(at, '\\', (size_t)(end - at)))) {
        size_t len = escape_read(at, end, &character);

        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

size_t json_unescape(struct slice escaped, char *out)
{
    char *to = out;
    const char *at = escaped.data;
    const char *end = at + escaped.len;
    uint32_t character;

    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);

        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (backslash) {
            size_t len = escape_read(at, end, &character);

            CHECK(len > 0);
            to += utf8_write(to, character);
            at += len;
        }
    }
    return (size_t)(to - out);
}

/* The scalar that begins at `from` ends before the next token, less the space between them. */
static struct slice scalar_text(const struct scan *scan, uint32_t from)
{
    uint32_t end = *scan->at;

    while (end > from + 1 && is_space(scan->text[end - 1]))
        end--;
    return (struct slice){scan->text + from, end - from};
}

static bool string_read(const struct scan *scan, uint32_t from, struct json_token *ret)
{
    struct slice text = scalar_text(scan, from);

    if (text.len < 2 || text.data[text.len - 1] != '"')
        return false;
    ret->kind = JSON_STRING;
    ret->text = (struct slice){text.data + 1, text.len - 2};
    ret->escaped = memchr(ret->text.data, '\\', ret->text.len) != NULL;
    return !ret->escaped || escapes_are_sound(ret->text);
}

static const char *digits_skip(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static bool is_number(struct slice text)
{
    const char *at = text.data;
    const char *end = at + text.len;

    if (at < end && *at == '-')
        at++;
    if (at == end || !is_digit(*at))
        return false;
    at = *at == '0' ? at + 1 : digits_skip(at, end);
    if (at < end && *at == '.') {
        const char *digits = ++at;

        at = digits_skip(at, end);
        if (at == digits)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *digits = at;

        at = digits_skip(at, end);
        if (at == digits)
            return false;
    }
    return at == end;
}

static bool scalar_read(const struct scan *scan, uint32_t from, struct json_token *ret)
{
    *ret = (struct json_token){.text = scalar_text(scan, from)};
    switch (scan->text[from]) {
    case 'n':
        ret->kind = JSON_NULL;
        return slice_equal(ret->text, SLICE_LITERAL("null"));
    case 't':
        ret->kind = JSON_TRUE;
        return slice_equal(ret->text, SLICE_LITERAL("true"));
    case 'f':
        ret->kind = JSON_FALSE;
        return slice_equal(ret->text, SLICE_LITERAL("false"));
    default:
        ret->kind = JSON_NUMBER;
        return is_number(ret->text);
    }
}

/* The next token's first character; NUL behind the last token. */
static char next_char(struct scan *scan, uint32_t *ret_from)
{
    if (scan->at == scan->end)
        return '\0';
    *ret_from = *scan->at++;
    return scan->text[*ret_from];
}

static bool value_scan(struct scan *scan, int node);

static void tokens_reset(struct scan *scan, int node)
{
    int token = scan->paths->nodes[node].token;

    if (token >= 0)
        scan->tokens[token] = (struct json_token){.kind = JSON_ABSENT};
    for (int child = scan->paths->nodes[node].first_child; child != NO_NODE;
         child = scan->paths->nodes[child].next_sibling)
        tokens_reset(scan, child);
}

/* The declared node that the member leads to, emptied of what an earlier member of the same name
 * may have left there; or NO_NODE. */
static bool member_node(struct scan *scan, int parent, uint32_t from, int *ret_node)
{
    struct json_token name;

    *ret_node = NO_NODE;
    if (!string_read(scan, from, &name))
        return false;
    if (parent == NO_NODE)
        return true;
    if (name.escaped) {
        buf_reset(&scan->key);
        name.text.len = json_unescape(name.text, buf_reserve(&scan->key, name.text.len));
        name.text.data = scan->key.data;
    }
    *ret_node = child_named(scan->paths, parent, name.text);
    if (*ret_node != NO_NODE)
        tokens_reset(scan, *ret_node);
    return true;
}

/* The members of an object, from behind its brace to its end. */
static bool object_scan(struct scan *scan, int node)
{
    uint32_t from;
    char c = next_char(scan, &from);

    if (c == '}')
        return true;
    for (;;) {
        int child;

        if (c != '"' || !member_node(scan, node, from, &child))
            return false;
        if (next_char(scan, &from) != ':' || !value_scan(scan, child))
            return false;
        c = next_char(scan, &from);
        if (c == '}')
            return true;
        if (c != ',')
            return false;
        c = next_char(scan, &from);
    }
}

static bool array_scan(struct scan *scan)
{
    uint32_t from;

    if (scan->at < scan->end && scan->text[*scan->at] == ']') {
        scan->at++;
        return true;
    }
    for (;;) {
        if (!value_scan(scan, NO_NODE))
            return false;
        char c = next_char(scan, &from);

        if (c == ']')
            return true;
        if (c != ',')
            return false;
    }
}

static bool value_scan(struct scan *scan, int node)
{
    struct json_token ignored;
    int number = node == NO_NODE ? -1 : scan->paths->nodes[node].token;
    struct json_token *token = number < 0 ? &ignored : &scan->tokens[number];
    uint32_t from;
    bool sound;

    switch (next_char(scan, &from)) {
    case '\0':
        return false;
    case '"':
        return string_read(scan, from, token);
    case '{':
    case '[':
        if (++scan->depth > JSON_DEPTH_MAX)
            return false;
        *token = (struct json_token){.kind = scan->text[from] == '{' ? JSON_OBJECT : JSON_ARRAY};
        sound = scan->text[from] == '{' ? object_scan(scan, node) : array_scan(scan);
        scan->depth--;
        return sound;
    default:
        return scalar_read(scan, from, token);
    }
}

int json_scan(struct json_index *index, const struct json_paths *paths, struct slice text,
              struct json_token *tokens)
{
    struct scan scan = {.text = text.data, .paths = paths, .tokens = tokens};
    uint32_t count;
    int error = json_index_build(index, text, &scan.at, &count);

    if (error)
        return error;
    scan.end = scan.at + count;
    for (uint32_t i = 0; i < paths->token_count; i++)
        tokens[i].kind = JSON_ABSENT;

    bool sound = text.data[*scan.at] == '{' && value_scan(&scan, ROOT) && scan.at == scan.end;
    buf_free(&scan.key);
    return sound ? 0 : -EBADMSG;
}
