/*
 * Any file of types. What is taken from it must be fit for a field; each line that is plain must
 * count, the later one before the earlier one.
 */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "media_type.h"

#define EXTENSION_BYTES_MAX 32 /* longer ones are nobody's business */

/* A token (RFC 9110, 5.6.2). */
static bool is_token(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalnum((unsigned char)s.p[i]) && (!s.p[i] || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
            return false;
    return s.len > 0;
}

static bool is_type(struct bd_slice s)
{
    const char *slash = s.len > 0 ? memchr(s.p, '/', s.len) : NULL;

    return slash && is_token((struct bd_slice){s.p, (size_t)(slash - s.p)}) &&
           is_token((struct bd_slice){slash + 1, (size_t)(s.p + s.len - slash - 1)});
}

/* "text" types say their charset, others nothing. */
static void check_sent(struct bd_slice type)
{
    static const struct bd_slice charset = {"; charset=utf-8", 15};
    bool is_text = bd_slice_starts(type, BD_SLICE("text/"));

    if (is_text) {
        assert(type.len > charset.len);
        type.len -= charset.len;
        assert(memcmp(type.p + type.len, charset.p, charset.len) == 0);
    }
    assert(is_type(type));
}

static void check_rows(const struct media_types *t)
{
    char name[EXTENSION_BYTES_MAX + 8];

    for (size_t i = 0; i < t->rows; i++) {
        const struct media_type_row *row = &t->row[i];

        assert(i == 0 || strcmp(t->row[i - 1].extension, row->extension) < 0);
        assert(*row->extension && strlen(row->extension) <= EXTENSION_BYTES_MAX);
        check_sent(bd_slice_of(row->type));
        snprintf(name, sizeof(name), "x.%s", row->extension);
        if (!strchr(row->extension, '.'))
            assert(media_type_of(t, bd_slice_of(name)) == row->type);
    }
}

/* Takes the next word off the line. */
static struct bd_slice next_word(struct bd_slice *line)
{
    struct bd_slice word;

    while (line->len > 0 && (*line->p == ' ' || *line->p == '\t'))
        *line = (struct bd_slice){line->p + 1, line->len - 1};
    word = (struct bd_slice){line->p, 0};
    while (word.len < line->len && word.p[word.len] != ' ' && word.p[word.len] != '\t')
        word.len++;
    *line = (struct bd_slice){line->p + word.len, line->len - word.len};
    return word;
}

/* No NUL or CR, and its first word is a type. */
static bool is_plain(struct bd_slice line)
{
    if (line.len >= 1024 || memchr(line.p, '\0', line.len) || memchr(line.p, '\r', line.len))
        return false;
    return is_type(next_word(&line));
}

static void check_line(const struct media_types *t, struct bd_slice line, const char *behind)
{
    struct bd_slice type = next_word(&line), extension;

    while ((extension = next_word(&line)).len > 0) {
        char name[EXTENSION_BYTES_MAX + 8];
        const char *got;

        if (extension.len > EXTENSION_BYTES_MAX || memchr(extension.p, '.', extension.len) ||
            memmem(behind, strlen(behind), extension.p, extension.len))
            continue; /* perhaps a later line says something else */
        snprintf(name, sizeof(name), "x.%.*s", (int)extension.len, extension.p);
        got = media_type_of(t, bd_slice_of(name));
        assert(got && bd_slice_starts(bd_slice_of(got), type));
        assert(got[type.len] == '\0' || got[type.len] == ';');
    }
}

static void check_lines(const struct media_types *t, const char *text, size_t len)
{
    if (len > 0 && memchr(text, '\0', len))
        return; /* what then is a line is nobody's business */
    while (len > 0) {
        const char *end = memchr(text, '\n', len), *comment;
        struct bd_slice line = {text, end ? (size_t)(end - text) : len};

        text += line.len + (end ? 1 : 0);
        len -= line.len + (end ? 1 : 0);
        comment = line.len > 0 ? memchr(line.p, '#', line.len) : NULL;
        if (comment)
            line.len = (size_t)(comment - line.p);
        if (line.len > 0 && is_plain(line))
            check_line(t, line, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct media_types t;
    char path[64], *text = malloc(size + 1);
    int fd = memfd_create("mime.types", MFD_CLOEXEC);
    const char *type;

    assert(text && fd >= 0);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    assert(write(fd, text, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    media_types_init(&t, path);
    close(fd);
    check_rows(&t);
    check_lines(&t, text, size);
    type = media_type_of(&t, (struct bd_slice){text, size}); /* as a name */
    if (type)
        check_sent(bd_slice_of(type));
    assert(media_type_of(&t, BD_SLICE("a.html")));
    media_types_release(&t);
    free(text);
    return 0;
}
