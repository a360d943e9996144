/* json_value - a strict reader of JSON texts, straight from RFC 8259, to hold against the engine's.
 *
 * The whole text becomes a tree. Slow and simple: a recursive descent over the grammar, UTF-8 by
 * decoding each character and encoding it again. Shares no code with what it tests. */
#ifndef FRESHET_TESTS_JSON_VALUE_H
#define FRESHET_TESTS_JSON_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "freshet/slice.h"

#define VALUE_DEPTH_MAX 1000

enum value_kind {
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_NUMBER,
    VALUE_STRING,
    VALUE_OBJECT,
    VALUE_ARRAY,
};

struct json_value {
    enum value_kind kind;
    struct slice raw; /* number: its text; string: between the quotes */
    char *string;     /* string: its content */
    size_t string_len;
    size_t count; /* of members or items */
    struct json_value **items;
    struct json_value **names; /* object: strings */
};

struct json_reader {
    const char *at;
    const char *end;
    int depth;
};

static inline struct json_value *value_read(struct json_reader *in);

static inline void json_value_free(struct json_value *value)
{
    if (!value)
        return;
    for (size_t i = 0; i < value->count; i++) {
        json_value_free(value->items[i]);
        if (value->names)
            json_value_free(value->names[i]);
    }
    free(value->items);
    free(value->names);
    free(value->string);
    free(value);
}

static inline struct json_value *value_new(enum value_kind kind)
{
    struct json_value *value = calloc(1, sizeof(*value));

    value->kind = kind;
    return value;
}

static inline void space_skip(struct json_reader *in)
{
    while (in->at < in->end && strchr(" \t\n\r", *in->at) && *in->at)
        in->at++;
}

static inline bool char_take(struct json_reader *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static inline bool word_take(struct json_reader *in, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
        return false;
    in->at += len;
    return true;
}

/* The UTF-8 form of a character, by RFC 3629's table; 0 bytes if it has none. */
static inline size_t utf8_encode(uint32_t c, char *out)
{
    static const struct {
        uint32_t last;
        unsigned char lead;
        size_t len;
    } rows[] = {{0x7f, 0, 1}, {0x7ff, 0xc0, 2}, {0xffff, 0xe0, 3}, {0x10ffff, 0xf0, 4}};
    size_t row = 0;

    while (row < 4 && c > rows[row].last)
        row++;
    if (row == 4 || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    for (size_t i = rows[row].len; i-- > 1; c /= 64)
        out[i] = (char)(0x80 + c % 64);
    out[0] = (char)(rows[row].lead + c);
    return rows[row].len;
}

/* How long the character at the beginning is, or 0 if there is none: what its bits say, encoded
 * again, must give the same bytes. */
static inline size_t utf8_length(const char *at, size_t left)
{
    unsigned char lead = (unsigned char)at[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = len == 1 ? lead : lead & (0xffu >> (len + 1));
    char again[4];

    if (len > left || (lead >= 0x80 && lead < 0xc0))
        return 0;
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)at[i] & 0x3f);
    return utf8_encode(c, again) == len && memcmp(again, at, len) == 0 ? len : 0;
}

static inline bool hex_take(struct json_reader *in, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = in->at < in->end && *in->at ? strchr(digits, *in->at) : NULL;

        if (!digit)
            return false;
        *ret = *ret * 16 + (uint32_t)(digit - digits) % 16;
        in->at++;
    }
    return true;
}

/* Behind the backslash. */
static inline bool escape_take(struct json_reader *in, uint32_t *ret)
{
    const char *names = "\"\\/bfnrt";
    const char *name = in->at < in->end && *in->at ? strchr(names, *in->at) : NULL;
    uint32_t low;

    if (name) {
        in->at++;
        *ret = (unsigned char)"\"\\/\b\f\n\r\t"[name - names];
        return true;
    }
    if (!char_take(in, 'u') || !hex_take(in, ret) || (*ret >= 0xdc00 && *ret <= 0xdfff))
        return false;
    if (*ret < 0xd800 || *ret > 0xdbff)
        return true;
    if (!word_take(in, "\\u") || !hex_take(in, &low) || low < 0xdc00 || low > 0xdfff)
        return false;
    *ret = 0x10000 + (*ret - 0xd800) * 0x400 + (low - 0xdc00);
    return true;
}

/* One character of a string. */
static inline bool string_char_take(struct json_reader *in, struct json_value *value)
{
    uint32_t c;

    if (in->at == in->end || (unsigned char)*in->at < 0x20)
        return false;
    if (char_take(in, '\\')) {
        if (!escape_take(in, &c))
            return false;
        value->string_len += utf8_encode(c, value->string + value->string_len);
        return true;
    }
    size_t len = utf8_length(in->at, (size_t)(in->end - in->at));

    memcpy(value->string + value->string_len, in->at, len);
    value->string_len += len;
    in->at += len;
    return len > 0;
}

static inline struct json_value *string_take(struct json_reader *in)
{
    struct json_value *value;

    if (!char_take(in, '"'))
        return NULL;
    value = value_new(VALUE_STRING);
    value->string = malloc((size_t)(in->end - in->at) + 4);
    value->raw.data = in->at;
    while (in->at == in->end || *in->at != '"') {
        if (!string_char_take(in, value)) {
            json_value_free(value);
            return NULL;
        }
    }
    value->raw.len = (size_t)(in->at++ - value->raw.data);
    return value;
}

static inline size_t digits_take(struct json_reader *in)
{
    const char *from = in->at;

    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return (size_t)(in->at - from);
}

static inline bool number_skip(struct json_reader *in)
{
    char_take(in, '-');
    if (!char_take(in, '0') && digits_take(in) == 0)
        return false;
    if (char_take(in, '.') && digits_take(in) == 0)
        return false;
    if (char_take(in, 'e') || char_take(in, 'E')) {
        if (!char_take(in, '+'))
            char_take(in, '-');
        return digits_take(in) > 0;
    }
    return true;
}

static inline struct json_value *number_take(struct json_reader *in)
{
    const char *from = in->at;
    struct json_value *value;

    if (!number_skip(in))
        return NULL;
    value = value_new(VALUE_NUMBER);
    value->raw = (struct slice){from, (size_t)(in->at - from)};
    return value;
}

static inline void *value_append(struct json_value ***items, size_t count, struct json_value *item)
{
    *items = realloc(*items, (count + 1) * sizeof(struct json_value *));
    (*items)[count] = item;
    return item;
}

/* An item of an array, or a member of an object. */
static inline bool item_take(struct json_reader *in, struct json_value *value)
{
    struct json_value *name = NULL;
    struct json_value *item;

    if (value->kind == VALUE_OBJECT) {
        space_skip(in);
        name = string_take(in);
        space_skip(in);
        if (!name || !char_take(in, ':')) {
            json_value_free(name);
            return false;
        }
    }
    item = value_read(in);
    if (!item) {
        json_value_free(name);
        return false;
    }
    if (name)
        value_append(&value->names, value->count, name);
    value_append(&value->items, value->count++, item);
    return true;
}

static inline struct json_value *items_take(struct json_reader *in, enum value_kind kind,
                                            char close)
{
    struct json_value *value = value_new(kind);
    bool good = ++in->depth <= VALUE_DEPTH_MAX;

    space_skip(in);
    if (good && !char_take(in, close)) {
        do
            good = item_take(in, value);
        while (good && char_take(in, ','));
        good = good && char_take(in, close);
    }
    in->depth--;
    if (good)
        return value;
    json_value_free(value);
    return NULL;
}

/* A value with the space around it. */
static inline struct json_value *value_read(struct json_reader *in)
{
    struct json_value *value;

    space_skip(in);
    if (word_take(in, "null"))
        value = value_new(VALUE_NULL);
    else if (word_take(in, "false"))
        value = value_new(VALUE_FALSE);
    else if (word_take(in, "true"))
        value = value_new(VALUE_TRUE);
    else if (char_take(in, '{'))
        value = items_take(in, VALUE_OBJECT, '}');
    else if (char_take(in, '['))
        value = items_take(in, VALUE_ARRAY, ']');
    else if (in->at < in->end && *in->at == '"')
        value = string_take(in);
    else
        value = number_take(in);
    space_skip(in);
    return value;
}

/* The text as a tree, or NULL if it is not one JSON value. The text must outlive it. */
static inline struct json_value *json_value_of(struct slice text)
{
    struct json_reader in = {text.data, text.data + text.len, 0};
    struct json_value *value = value_read(&in);

    if (value && in.at == in.end)
        return value;
    json_value_free(value);
    return NULL;
}

static inline struct slice json_string(const struct json_value *value)
{
    return (struct slice){value->string, value->string_len};
}

/* The last member of that name, or NULL if there is none or the value is not an object. */
static inline const struct json_value *json_member(const struct json_value *value,
                                                   struct slice name)
{
    if (!value || value->kind != VALUE_OBJECT)
        return NULL;
    for (size_t i = value->count; i-- > 0;) {
        if (slice_equal(json_string(value->names[i]), name))
            return value->items[i];
    }
    return NULL;
}

#endif
