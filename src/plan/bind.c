#include "plan/bind.h"

#define NAME_BYTES_MAX 128

bool mistake(struct binder *binder, const struct tree_node *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    messages_vadd(binder->messages, at->line, at->column, format, args);
    va_end(args);
    return false;
}

const char *bind_shown(struct binder *binder, const struct tree_node *scalar)
{
    return shown(binder->scratch, scalar->text);
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(struct slice text)
{
    if (text.len == 0 || text.len > NAME_BYTES_MAX || !is_name_start(text.data[0]))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i];

        if (!is_name_start(c) && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return false;
    }
    return true;
}

bool bind_name(struct binder *binder, const struct tree_node *key, const char *what)
{
    if (is_name(key->text))
        return true;
    return mistake(binder, key,
                   "%s is not a name for a %s: letters, digits, _ . and -, a letter or _ first, at "
                   "most %d",
                   bind_shown(binder, key), what, NAME_BYTES_MAX);
}

const char *bind_label(struct binder *binder, struct slice name)
{
    return is_name(name) ? plan_text(binder->scratch, name) : shown(binder->scratch, name);
}

bool bind_mapping(struct binder *binder, const struct tree_pair *pair)
{
    const struct tree_node *node = pair->value;

    if (node->kind != TREE_MAPPING && !tree_is_blank(node))
        return mistake(binder, node, "%s must be a mapping: name: value",
                       bind_label(binder, pair->key->text));
    if (node->count == 0)
        return mistake(binder, pair->key, "%s is empty", bind_label(binder, pair->key->text));
    return true;
}

bool bind_scalar(struct binder *binder, const struct tree_pair *pair)
{
    if (pair->value->kind != TREE_SCALAR)
        return mistake(binder, pair->value, "%s must be a single value, not a %s",
                       bind_label(binder, pair->key->text),
                       pair->value->kind == TREE_MAPPING ? "mapping" : "list");
    if (tree_is_blank(pair->value))
        return mistake(binder, pair->key, "%s has no value", bind_label(binder, pair->key->text));
    return true;
}

static const struct setting *find_setting(const struct section *section, struct slice name)
{
    for (uint32_t i = 0; i < section->count; i++) {
        if (slice_equal(slice_of(section->settings[i].name), name))
            return &section->settings[i];
    }
    return NULL;
}

/* Returns the setting that may have been meant, or NULL. */
static const struct setting *unknown_key(struct binder *binder, const struct section *section,
                                         const struct tree_node *key)
{
    struct spelling spelling;

    spelling_init(&spelling, key->text);
    for (uint32_t i = 0; i < section->count; i++) {
        if (!section->settings[i].not_yet)
            spelling_offer(&spelling, slice_of(section->settings[i].name));
    }
    mistake(binder, key, "unknown key %s in %s%s", bind_shown(binder, key), binder->place,
            spelling_hint(&spelling, binder->scratch));
    spelling_done(&spelling);
    return spelling.best.data ? find_setting(section, spelling.best) : NULL;
}

static void store_defaults(struct binder *binder, const struct section *section, void *base)
{
    for (uint32_t i = 0; i < section->count; i++)
        setting_store_default(binder, &section->settings[i], base);
}

/* A default is read as if it stood in the file, so it cannot differ from what its text says. */
void setting_store_default(struct binder *binder, const struct setting *setting, void *base)
{
    struct tree_node node = {.plain = true, .text = slice_of(setting->fallback)};
    struct tree_pair pair = {&node, &node};
    char *to = (char *)base + setting->offset;

    if (setting->type == SETTING_SECTION)
        store_defaults(binder, setting->section, to);
    else if (setting->fallback)
        CHECK(setting_read(binder, setting, &pair, to));
}

/* Sets *ret_meant to the setting that the pair is, or may be a misspelling of, or NULL. */
static bool bind_pair(struct binder *binder, const struct section *section,
                      const struct tree_pair *pair, void *base, const struct setting **ret_meant)
{
    const struct setting *setting = find_setting(section, pair->key->text);

    *ret_meant = setting;
    if (!setting) {
        *ret_meant = unknown_key(binder, section, pair->key);
        return false;
    }
    if (setting->not_yet)
        return mistake(binder, pair->key, "%s in %s is not supported by this version yet",
                       setting->name, binder->place);
    return setting_read(binder, setting, pair, (char *)base + setting->offset);
}

bool bind_section(struct binder *binder, const struct section *section, const char *place,
                  const struct tree_pair *pair, void *base)
{
    const char *outer = binder->place;
    uint64_t seen = 0; /* by row; one that was misspelled is not missing as well */
    bool good = true;

    CHECK(section->count <= 64);
    store_defaults(binder, section, base);
    const struct tree_node *node = pair->value;
    if (node->kind != TREE_MAPPING && !tree_is_blank(node))
        return mistake(binder, node, "%s must be a mapping: name: value", place);

    binder->place = place;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct setting *meant;

        good &= bind_pair(binder, section, &node->pairs[i], base, &meant);
        if (meant)
            seen |= UINT64_C(1) << (meant - section->settings);
    }
    for (uint32_t i = 0; i < section->count; i++) {
        if (section->settings[i].required && !(seen >> i & 1))
            good = mistake(binder, pair->key, "%s has no %s", place, section->settings[i].name);
    }
    binder->place = outer;
    return good;
}
