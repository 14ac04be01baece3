/*
 * substitute.c - see substitute.h
 *
 * Reads and expands in one go. `out` is the result so far, and at its end the words that a
 * substitution under way needs: they are cut off again before the outcome takes their place.
 */
#include "substitute.h"

#include "glob.h"

struct job {
    struct bd_arena *arena;
    struct bd_slice text;
    size_t at;   /* in `text` */
    size_t open; /* where the innermost substitution begins */
    unsigned depth;
    bool idle; /* in a word that is not used, which is only read */
    substitute_look_up *look_up;
    void *self;
    char *out;
    size_t len, room; /* of `out` */
    size_t *ret_at;
    struct bd_error *err;
};

static int expand(struct job *j, const char *stops);

/* --- reading ---------------------------------------------------------------------------------- */

static int blame(struct job *j, const char *reason)
{
    *j->ret_at = j->depth > 0 ? j->open : j->at;
    return bd_fail(j->err, "%s", reason);
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

/* A byte further on; NUL behind the end. */
static char peek(const struct job *j, size_t ahead)
{
    return j->text.len - j->at > ahead ? j->text.p[j->at + ahead] : '\0';
}

static bool take(struct job *j, char c)
{
    bool there = peek(j, 0) == c;

    j->at += there;
    return there;
}

static bool is_of_name(char c)
{
    char lower = bd_ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static struct bd_slice read_name(struct job *j)
{
    size_t begin = j->at;

    while (is_of_name(peek(j, 0)))
        j->at++;
    return (struct bd_slice){j->text.p + begin, j->at - begin};
}

static struct bd_slice value_of(struct job *j, struct bd_slice name)
{
    const char *value = j->idle ? NULL : j->look_up(j->self, name);

    return bd_slice_of(value ? value : "");
}

/* --- writing ---------------------------------------------------------------------------------- */

static int put(struct job *j, struct bd_slice s)
{
    if (j->idle || s.len == 0)
        return 0;
    if (s.len > SUBSTITUTE_BYTES_MAX - j->len)
        return blame(j, "Too much text after substitution, more than 1 MiB");
    if (s.len > j->room - j->len) {
        char *old = j->out;

        /* The old bytes stay in the arena: slices of words remain good. */
        j->room = 2 * (j->len + s.len);
        j->out = bd_arena_alloc(j->arena, j->room);
        memcpy(j->out, old, j->len);
    }
    memcpy(j->out + j->len, s.p, s.len);
    j->len += s.len;
    return 0;
}

/* What has been put since there were `mark` bytes. */
static struct bd_slice since(const struct job *j, size_t mark)
{
    return (struct bd_slice){j->out + mark, j->len - mark};
}

/* Puts a word, up to one of `stops`, which is not taken. */
static int word(struct job *j, const char *stops)
{
    if (expand(j, stops) < 0)
        return -1;
    if (j->at == j->text.len)
        return blame(j, "Unable to parse substitution within function");
    return 0;
}

/* --- characters ------------------------------------------------------------------------------- */

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int64_t characters(struct bd_slice s)
{
    int64_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += begins_character(s.p[i]);
    return n;
}

/* Where the character begins that has `n` others before it. */
static size_t offset_of(struct bd_slice s, int64_t n)
{
    size_t i = 0;

    for (; i < s.len; i++)
        if (begins_character(s.p[i]) && n-- == 0)
            break;
    return i;
}

static int64_t within(int64_t n, int64_t least, int64_t most)
{
    return n < least ? least : n > most ? most : n;
}

static struct bd_slice part_of(struct bd_slice s, int64_t from, int64_t count)
{
    int64_t all = characters(s), to;
    size_t begin, end;

    from = within(from < 0 ? all + from : from, 0, all);
    to = within(count < 0 ? all + count : from + within(count, 0, all), from, all);
    begin = offset_of(s, from);
    end = offset_of(s, to);
    return (struct bd_slice){s.p + begin, end - begin};
}

/* Blanks may come first, because a shell needs one in ${A: -1}. */
static bool read_number(struct bd_slice s, int64_t *ret_n)
{
    bool negative;

    s = bd_slice_trim(s);
    negative = s.len > 0 && s.p[0] == '-';
    if (negative || (s.len > 0 && s.p[0] == '+')) {
        s.p++;
        s.len--;
    }
    if (!bd_slice_number(s, ret_n))
        return false;
    if (negative)
        *ret_n = -*ret_n;
    return true;
}

/* --- what can stand behind a name --------------------------------------------------------------
 */

static int refuse(struct job *j, struct bd_slice name, struct bd_slice reason)
{
    const int most = sizeof(j->err->text);

    if (reason.len == 0)
        reason = BD_SLICE("not set or empty");
    *j->ret_at = j->open;
    return bd_fail(j->err, "%.*s: %.*s", (int)within((int64_t)name.len, 0, most), name.p,
                   (int)within((int64_t)reason.len, 0, most), reason.p);
}

static int choose(struct job *j, char sign, struct bd_slice name, struct bd_slice value)
{
    bool wanted = (sign == '+') == (value.len > 0), idle = j->idle;
    size_t mark = j->len;

    j->idle = idle || !wanted;
    if (word(j, "}") < 0)
        return -1;
    j->idle = idle;
    if (wanted && sign == '?' && !idle)
        return refuse(j, name, since(j, mark));
    return wanted || sign == '+' ? 0 : put(j, value);
}

static int cut(struct job *j, struct bd_slice value)
{
    size_t mark = j->len;
    int64_t from, count = INT64_MAX;
    bool numbers;

    if (word(j, ":}") < 0)
        return -1;
    numbers = read_number(since(j, mark), &from);
    j->len = mark;
    if (take(j, ':')) {
        if (word(j, "}") < 0)
            return -1;
        numbers = read_number(since(j, mark), &count) && numbers;
        j->len = mark;
    }
    return put(j, numbers ? part_of(value, from, count) : value);
}

static int change_case(struct job *j, char sign, struct bd_slice value)
{
    bool all = take(j, sign);
    size_t mark = j->len;

    if (put(j, value) < 0)
        return -1;
    for (size_t i = mark; i < j->len && (all || i == mark); i++)
        j->out[i] = sign == '^' ? bd_ascii_upper(j->out[i]) : bd_ascii_lower(j->out[i]);
    return 0;
}

static int trim(struct job *j, char sign, struct bd_slice value)
{
    bool most = take(j, sign);
    size_t mark = j->len;

    if (word(j, "}") < 0)
        return -1;
    value = glob_trim(value, since(j, mark), sign == '#' ? GLOB_BEGINNING : GLOB_END, most);
    j->len = mark;
    return put(j, value);
}

/* The next text in `s` to be replaced, or NULL. */
static const char *find(struct bd_slice s, struct bd_slice x, char where)
{
    if (where != '#' && where != '%')
        return x.len > 0 ? memmem(s.p, s.len, x.p, x.len) : NULL;
    if (where == '%' && s.len > x.len) {
        s.p += s.len - x.len;
        s.len = x.len;
    }
    return bd_slice_starts(s, x) ? s.p : NULL;
}

static int put_replaced(struct job *j, struct bd_slice value, struct bd_slice x, struct bd_slice y,
                        char where)
{
    const char *end = value.p + value.len, *hit;

    while ((hit = find(value, x, where))) {
        if (put(j, (struct bd_slice){value.p, (size_t)(hit - value.p)}) < 0 || put(j, y) < 0)
            return -1;
        value.p = hit + x.len;
        value.len = (size_t)(end - value.p);
        if (where != '/')
            break;
    }
    return put(j, value);
}

static int replace(struct job *j, struct bd_slice value)
{
    char where = peek(j, 0);
    size_t mark = j->len, middle, end;
    struct bd_slice x;

    if (is_one_of(where, "/#%"))
        j->at++;
    if (word(j, "/}") < 0)
        return -1;
    x = since(j, mark);
    middle = j->len;
    if (take(j, '/') && word(j, "}") < 0)
        return -1;
    end = j->len;
    if (put_replaced(j, value, x, since(j, middle), where) < 0)
        return -1;
    memmove(j->out + mark, j->out + end, j->len - end);
    j->len -= end - mark;
    return 0;
}

static int put_length(struct job *j, struct bd_slice value)
{
    char digits[20];

    return put(j, bd_slice_digits(digits + sizeof(digits), (uint64_t)characters(value)));
}

/* --- substitutions ---------------------------------------------------------------------------- */

/* What stands between the braces. */
static int expand_inside(struct job *j)
{
    bool length = take(j, '#');
    struct bd_slice name = read_name(j), value;
    char sign = peek(j, 0);

    if (name.len == 0)
        return blame(j, "Unable to parse variable name");
    value = value_of(j, name);
    if (length)
        return put_length(j, value);
    if (!is_one_of(sign, ":=^,#%/"))
        return put(j, value);
    j->at++;
    switch (sign) {
    case ':':
        if (!is_one_of(peek(j, 0), "-=?+"))
            return cut(j, value);
        return choose(j, j->text.p[j->at++], name, value);
    case '=':
        return choose(j, sign, name, value);
    case '/':
        return replace(j, value);
    case '#':
    case '%':
        return trim(j, sign, value);
    default:
        return change_case(j, sign, value);
    }
}

static int expand_one(struct job *j)
{
    size_t outer = j->open;

    j->open = j->at;
    j->at += strlen("${");
    if (++j->depth > SUBSTITUTE_DEPTH_MAX)
        return blame(j, "Too many substitutions within each other");
    if (expand_inside(j) < 0)
        return -1;
    if (!take(j, '}'))
        return blame(j, "Missing closing brace");
    j->depth--;
    j->open = outer;
    return 0;
}

/* Puts the text up to one of `stops` or to its end. */
static int expand(struct job *j, const char *stops)
{
    while (j->at < j->text.len) {
        const char *c = j->text.p + j->at;
        char behind = *c == '$' ? peek(j, 1) : '\0';

        if (is_one_of(*c, stops))
            break;
        if (behind == '{') {
            if (expand_one(j) < 0)
                return -1;
        } else {
            if (put(j, (struct bd_slice){c, 1}) < 0)
                return -1;
            j->at += behind == '$' ? 2 : 1;
        }
    }
    return 0;
}

int substitute(struct bd_arena *arena, struct bd_slice text, substitute_look_up *look_up,
               void *self, struct bd_slice *ret_text, size_t *ret_at, struct bd_error *err)
{
    struct job j = {
        .arena = arena,
        .text = text,
        .look_up = look_up,
        .self = self,
        .room = 4096,
        .ret_at = ret_at,
        .err = err,
    };

    j.out = bd_arena_alloc(arena, j.room);
    if (expand(&j, "") < 0)
        return -1;
    *ret_text = (struct bd_slice){j.out, j.len};
    return 0;
}
