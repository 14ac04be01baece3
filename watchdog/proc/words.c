/*
 * words.c - see words.h
 *
 * No word is longer than its source and each ends where at least one byte of source is used up, so
 * the words fit into as many bytes as the line, and are written behind the pointers to them.
 */
#include "words.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct words {
    const char *line, *at; /* source; `at` is where the next byte is read */
    char **word;
    size_t words;
    char *put; /* where the next byte of a word goes */
    struct bd_error *err;
};

static bool bad(struct words *w, const char *why)
{
    bd_fail(w->err, "%s at byte %zu of the command line", why, (size_t)(w->at - w->line) + 1);
    return false;
}

static void begin_word(struct words *w)
{
    w->word[w->words++] = w->put;
}

static void end_word(struct words *w)
{
    *w->put++ = '\0';
}

/* At every single space, so that runs of them give empty words. */
static bool split_at_spaces(struct words *w)
{
    begin_word(w);
    for (; *w->at; w->at++) {
        if (*w->at == ' ') {
            end_word(w);
            begin_word(w);
        } else {
            *w->put++ = *w->at;
        }
    }
    end_word(w);
    return true;
}

/* POSIX shell words (XCU, section 2.2) */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

static bool single_quoted(struct words *w)
{
    const char *end = strchr(++w->at, '\'');

    if (!end)
        return bad(w, "a single quote is not closed");
    memcpy(w->put, w->at, (size_t)(end - w->at));
    w->put += end - w->at;
    w->at = end + 1;
    return true;
}

/* A backslash before a newline makes both vanish. */
static bool escaped(struct words *w)
{
    if (!*++w->at)
        return bad(w, "nothing follows the backslash");
    if (*w->at != '\n')
        *w->put++ = *w->at;
    w->at++;
    return true;
}

static bool double_quoted(struct words *w)
{
    w->at++;
    while (*w->at != '"') {
        if (!*w->at)
            return bad(w, "a double quote is not closed");
        if (*w->at == '\\' && w->at[1] && strchr("$`\"\\\n", w->at[1]))
            escaped(w);
        else
            *w->put++ = *w->at++;
    }
    w->at++;
    return true;
}

static bool shell_word(struct words *w)
{
    bool ok = true;

    begin_word(w);
    while (ok && *w->at && !is_blank(*w->at)) {
        if (*w->at == '\'')
            ok = single_quoted(w);
        else if (*w->at == '"')
            ok = double_quoted(w);
        else if (*w->at == '\\')
            ok = escaped(w);
        else
            *w->put++ = *w->at++;
    }
    end_word(w);
    return ok;
}

static bool split_as_shell(struct words *w)
{
    for (;;) {
        while (is_blank(*w->at))
            w->at++;
        if (!*w->at)
            return true;
        if (!shell_word(w))
            return false;
    }
}

/* A JSON array of strings (RFC 8259) */

static void skip_space(struct words *w)
{
    while (*w->at == '\r' || is_blank(*w->at))
        w->at++;
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

/* The four digits of \uXXXX. */
static bool code_unit(struct words *w, uint32_t *ret_unit)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*w->at);

        if (digit < 0)
            return bad(w, "\\u wants four hexadecimal digits");
        unit = unit << 4 | (uint32_t)digit;
        w->at++;
    }
    *ret_unit = unit;
    return true;
}

static void put_utf8(struct words *w, uint32_t point)
{
    if (point < 0x80) {
        *w->put++ = (char)point;
        return;
    }
    if (point < 0x800) {
        *w->put++ = (char)(0xc0 | point >> 6);
    } else {
        if (point < 0x10000) {
            *w->put++ = (char)(0xe0 | point >> 12);
        } else {
            *w->put++ = (char)(0xf0 | point >> 18);
            *w->put++ = (char)(0x80 | (point >> 12 & 0x3f));
        }
        *w->put++ = (char)(0x80 | (point >> 6 & 0x3f));
    }
    *w->put++ = (char)(0x80 | (point & 0x3f));
}

/* What follows \u; a code point beyond U+FFFF is written as two of them. */
static bool unicode_escape(struct words *w)
{
    uint32_t point, low;

    if (!code_unit(w, &point))
        return false;
    if (point == 0)
        return bad(w, "a word cannot hold NUL");
    if (point >= 0xd800 && point < 0xe000) {
        if (point >= 0xdc00 || w->at[0] != '\\' || w->at[1] != 'u')
            return bad(w, "half a surrogate pair");
        w->at += 2;
        if (!code_unit(w, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return bad(w, "half a surrogate pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(w, point);
    return true;
}

static bool json_escape(struct words *w)
{
    static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *letter = *++w->at ? strchr(letters, *w->at) : NULL;

    if (*w->at == 'u') {
        w->at++;
        return unicode_escape(w);
    }
    if (!letter)
        return bad(w, "unknown escape");
    *w->put++ = bytes[letter - letters];
    w->at++;
    return true;
}

static bool json_string(struct words *w)
{
    if (*w->at != '"')
        return bad(w, "wanted a string in double quotes");
    w->at++;
    begin_word(w);
    while (*w->at != '"') {
        if (!*w->at)
            return bad(w, "a string is not closed");
        if ((unsigned char)*w->at < 0x20)
            return bad(w, "a control character, which has to be escaped,");
        if (*w->at != '\\')
            *w->put++ = *w->at++;
        else if (!json_escape(w))
            return false;
    }
    w->at++;
    end_word(w);
    return true;
}

static bool split_as_json(struct words *w)
{
    for (;;) {
        w->at++; /* the opening bracket or a comma */
        skip_space(w);
        if (!json_string(w))
            return false;
        skip_space(w);
        if (*w->at == ']')
            break;
        if (*w->at != ',')
            return bad(w, "wanted ',' or ']'");
    }
    w->at++;
    skip_space(w);
    return !*w->at || bad(w, "something follows the array");
}

char **words_split(const char *line, struct bd_error *err)
{
    size_t bytes = strlen(line) + 1, most = bytes + 1;
    struct words w = {.line = line, .at = line, .err = err};
    bool ok;

    w.word = malloc(most * sizeof(*w.word) + bytes);
    if (!w.word)
        abort();
    w.put = (char *)(w.word + most);
    if (*line == '[')
        ok = split_as_json(&w);
    else if (strpbrk(line, "'\""))
        ok = split_as_shell(&w);
    else
        ok = split_at_spaces(&w);
    if (!ok) {
        free(w.word);
        return NULL;
    }
    assert(w.words > 0 && w.words < most && w.put <= (char *)(w.word + most) + bytes);
    w.word[w.words] = NULL;
    return w.word;
}
