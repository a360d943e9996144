/* A layout from text, which may be anything: what is taken has the bounds that a plan's has. */

#include <errno.h>

#include "aggregate/codec.h"
#include "view/internal.h"
#include "view/layout.h"

#define NUMBER_DIGITS_MAX 15

struct lines {
    struct slice left;
    uint32_t number; /* of the line at hand */
    struct slice line;
    struct plan_memory *memory;
};

/* Up to the character, which goes as well; false if it is not there. */
static bool take_until(struct slice *from, char end, struct slice *ret)
{
    const char *at = memchr(from->data, end, from->len);

    if (!at)
        return false;
    *ret = (struct slice){from->data, (size_t)(at - from->data)};
    from->len -= ret->len + 1;
    from->data = at + 1;
    return true;
}

static int next_line(struct lines *lines)
{
    lines->number++;
    return take_until(&lines->left, '\n', &lines->line) ? 0 : -EBADMSG;
}

/* If the next line begins with the word and a space, it becomes the line at hand, without them. */
static bool begins_line(struct lines *lines, const char *word)
{
    size_t len = strlen(word);

    if (lines->left.len <= len || memcmp(lines->left.data, word, len) != 0 ||
        lines->left.data[len] != ' ' || next_line(lines))
        return false;
    lines->line = (struct slice){lines->line.data + len + 1, lines->line.len - len - 1};
    return true;
}

/* How many lines there are at the most that begin with the word. */
static uint32_t count_lines(struct slice text, const char *word)
{
    struct lines lines = {.left = text};
    uint32_t count = 0;

    while (lines.left.len > 0) {
        if (begins_line(&lines, word))
            count++;
        else if (next_line(&lines))
            break;
    }
    return count;
}

/* One of the words, which a space follows. */
static int take_word(struct lines *lines, const char *const *words, size_t count, uint32_t *ret)
{
    struct slice word;

    if (!take_until(&lines->line, ' ', &word))
        return -EBADMSG;
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(word, slice_of(words[i]))) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    return -EBADMSG;
}

static int number_of(struct slice digits, int64_t min, int64_t max, int64_t *ret)
{
    int64_t value = 0;

    if (digits.len == 0 || digits.len > NUMBER_DIGITS_MAX ||
        (digits.data[0] == '0' && digits.len > 1))
        return -EBADMSG;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return -EBADMSG;
        value = value * 10 + (digits.data[i] - '0');
    }
    if (value < min || value > max)
        return -EBADMSG;
    *ret = value;
    return 0;
}

/* A number, which a space follows. */
static int take_number(struct lines *lines, int64_t min, int64_t max, int64_t *ret)
{
    struct slice digits;

    return take_until(&lines->line, ' ', &digits) ? number_of(digits, min, max, ret) : -EBADMSG;
}

/* The rest of the line, as text. */
static int take_rest(struct lines *lines, const char **ret)
{
    if (lines->line.len == 0 || memchr(lines->line.data, '\0', lines->line.len))
        return -EBADMSG;
    *ret = plan_text(lines->memory, lines->line);
    return 0;
}

static int read_cells(struct lines *lines, struct layout_paneset *ret)
{
    uint32_t max = 0;

    for (struct lines ahead = *lines; begins_line(&ahead, "cell");)
        max++;
    ret->cells = plan_alloc_array(lines->memory, max, sizeof(ret->cells[0]));
    for (; ret->cell_count < max; ret->cell_count++) {
        struct layout_cell *cell = &ret->cells[ret->cell_count];

        if (!begins_line(lines, "cell") || take_rest(lines, &cell->identity))
            return -EBADMSG;
        cell->to = PLAN_NONE;
    }
    return max > 0 ? 0 : -EBADMSG;
}

static bool is_sound(const struct layout_paneset *paneset)
{
    if (paneset->kind == PANES_SLIDES)
        return paneset->slide_ms > 0 && paneset->offset_ms < paneset->slide_ms &&
               paneset->gap_ms == 0 && paneset->panes_max > 0 &&
               paneset->panes_max <= PLAN_WINDOW_MAX_MS / paneset->slide_ms &&
               paneset->levels == slides_levels(paneset->panes_max);
    return paneset->slide_ms == 0 && paneset->offset_ms == 0 && paneset->panes_max == 0 &&
           !paneset->split && paneset->levels == 0 &&
           (paneset->kind == PANES_SESSIONS) == (paneset->gap_ms > 0);
}

static int read_paneset(struct lines *lines, struct layout_paneset *ret)
{
    int64_t split;
    int64_t levels;
    uint32_t kind;

    if (take_word(lines, layout_paneset_names, PANES_LIFETIME + 1, &kind) ||
        take_number(lines, 0, PLAN_WINDOW_MAX_MS, &ret->slide_ms) ||
        take_number(lines, 0, PLAN_WINDOW_MAX_MS, &ret->offset_ms) ||
        take_number(lines, 0, PLAN_WINDOW_MAX_MS, &ret->gap_ms) ||
        take_number(lines, 0, PLAN_SLIDES_MAX, &ret->panes_max) ||
        take_number(lines, 0, 1, &split) || take_number(lines, 0, PLAN_SLIDES_MAX, &levels) ||
        take_rest(lines, &ret->where))
        return -EBADMSG;
    ret->kind = (enum paneset_kind)kind;
    ret->split = split == 1;
    ret->levels = (uint32_t)levels;
    ret->to = PLAN_NONE;
    return is_sound(ret) ? read_cells(lines, ret) : -EBADMSG;
}

static int read_features(struct lines *lines, const struct layout *layout, struct layout_view *ret)
{
    const struct layout_paneset *paneset = &layout->panesets[ret->paneset];
    uint32_t max = 0;

    for (struct lines ahead = *lines; begins_line(&ahead, "feature");)
        max++;
    ret->features = plan_alloc_array(lines->memory, max, sizeof(ret->features[0]));
    for (; ret->feature_count < max; ret->feature_count++) {
        struct layout_feature *feature = &ret->features[ret->feature_count];
        struct slice computes;
        int64_t cell;

        if (!begins_line(lines, "feature") ||
            take_number(lines, 0, (int64_t)paneset->cell_count - 1, &cell) ||
            !take_until(&lines->line, ' ', &computes) || take_rest(lines, &feature->name))
            return -EBADMSG;
        feature->computes = plan_text(lines->memory, computes);
        feature->cell = (uint32_t)cell;
    }
    return 0;
}

/* The windows that there are over panes of the kind. */
static bool suits(const struct layout_view *view, const struct layout_paneset *paneset)
{
    switch (view->window) {
    case WINDOW_TUMBLING:
        return paneset->kind == PANES_SLIDES && view->size_ms == paneset->slide_ms;
    case WINDOW_SLIDING:
        return paneset->kind == PANES_SLIDES && view->size_ms >= paneset->slide_ms &&
               view->size_ms % paneset->slide_ms == 0 &&
               view->size_ms / paneset->slide_ms <= paneset->panes_max;
    case WINDOW_SESSION:
        return paneset->kind == PANES_SESSIONS && view->size_ms == 0;
    case WINDOW_LIFETIME:
        return paneset->kind == PANES_LIFETIME && view->size_ms == 0 && view->on_update;
    }
    UNREACHABLE();
}

static int read_view(struct lines *lines, const struct layout *layout, struct layout_view *ret)
{
    static const char *const emissions[] = {"on_close", "on_update"};
    int64_t paneset;
    uint32_t window;
    uint32_t emission;

    if (take_number(lines, 0, (int64_t)layout->paneset_count - 1, &paneset) ||
        take_word(lines, layout_window_names, WINDOW_LIFETIME + 1, &window) ||
        take_number(lines, 0, PLAN_WINDOW_MAX_MS, &ret->size_ms) ||
        take_word(lines, emissions, ARRAY_LEN(emissions), &emission) ||
        take_rest(lines, &ret->name))
        return -EBADMSG;
    ret->paneset = (uint32_t)paneset;
    ret->window = (enum window_kind)window;
    ret->on_update = emission == 1;
    ret->to = PLAN_NONE;
    return suits(ret, &layout->panesets[paneset]) ? read_features(lines, layout, ret) : -EBADMSG;
}

static int read_source(struct lines *lines, struct layout *ret)
{
    if (!begins_line(lines, "source") || take_rest(lines, &ret->source) ||
        !begins_line(lines, "lateness") ||
        number_of(lines->line, 0, PLAN_WINDOW_MAX_MS, &ret->lateness_ms))
        return -EBADMSG;
    if (!begins_line(lines, "dedup"))
        return 0;
    return take_number(lines, 1, INT64_MAX, &ret->dedup_width_ms) || take_rest(lines, &ret->dedup)
               ? -EBADMSG
               : 0;
}

static int read_all(struct lines *lines, struct layout *ret)
{
    uint32_t panesets = count_lines(lines->left, "paneset");
    uint32_t views = count_lines(lines->left, "view");

    if (panesets > PLAN_VIEWS_MAX || views > PLAN_VIEWS_MAX || read_source(lines, ret))
        return -EBADMSG;
    ret->panesets = plan_alloc_array(lines->memory, panesets, sizeof(ret->panesets[0]));
    ret->views = plan_alloc_array(lines->memory, views, sizeof(ret->views[0]));
    while (begins_line(lines, "paneset")) {
        if (read_paneset(lines, &ret->panesets[ret->paneset_count++]))
            return -EBADMSG;
    }
    while (ret->paneset_count > 0 && begins_line(lines, "view")) {
        if (read_view(lines, ret, &ret->views[ret->view_count++]))
            return -EBADMSG;
    }
    if (ret->view_count == 0 || next_line(lines) || !slice_equal(lines->line, SLICE_LITERAL("end")))
        return -EBADMSG;
    return lines->left.len > 0 ? -EBADMSG : 0;
}

int layout_read(struct slice text, struct plan_memory *memory, struct layout *ret, struct err *err)
{
    struct lines lines = {.left = text, .memory = memory};
    char version[64];

    *ret = (struct layout){0};
    snprintf(version, sizeof(version), LAYOUT_VERSION, STATE_FORMAT, CELLS_FORMAT);
    if (next_line(&lines))
        return err_set(err, -EBADMSG, "the layout of the state is not readable");
    if (!slice_equal(lines.line, slice_of(version)))
        return err_set(err, -EBADMSG,
                       "the state was written as \"%.*s\"; this version reads \"%s\"",
                       (int)MIN(lines.line.len, (size_t)64), lines.line.data, version);
    if (read_all(&lines, ret))
        return err_set(err, -EBADMSG, "the layout of the state is not readable at line %u",
                       lines.number);
    return 0;
}
