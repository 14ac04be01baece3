/*
 * sniff.c - see bandog/sniff.h
 *
 * A table of byte patterns, the first match wins; two kinds of content need code (HTML tags and the
 * ISO container of MP4), and what matches nothing is text when no byte of it is binary.
 */
#include "bandog/sniff.h"

#include <stdbool.h>
#include <stdint.h>

#include "bandog/slice.h"

/* Bytes at the begin and, at `more_at`, more of them; what lies between does not matter. */
struct pattern {
    struct bd_slice begin;
    size_t more_at;
    struct bd_slice more;
    size_t min_bytes; /* of content, when the pattern is not enough */
    const char *type;
};

static const struct pattern before_mp4[] = {
    {.begin = BD_SLICE("%PDF-"), .type = "application/pdf"},
    {.begin = BD_SLICE("%!PS-Adobe-"), .type = "application/postscript"},

    /* byte order marks */
    {.begin = BD_SLICE("\xfe\xff"), .min_bytes = 4, .type = "text/plain; charset=utf-16be"},
    {.begin = BD_SLICE("\xff\xfe"), .min_bytes = 4, .type = "text/plain; charset=utf-16le"},
    {.begin = BD_SLICE("\xef\xbb\xbf"), .min_bytes = 4, .type = "text/plain; charset=utf-8"},

    {.begin = BD_SLICE("\0\0\1\0"), .type = "image/x-icon"},
    {.begin = BD_SLICE("\0\0\2\0"), .type = "image/x-icon"},
    {.begin = BD_SLICE("BM"), .type = "image/bmp"},
    {.begin = BD_SLICE("GIF87a"), .type = "image/gif"},
    {.begin = BD_SLICE("GIF89a"), .type = "image/gif"},
    {.begin = BD_SLICE("RIFF"), .more_at = 8, .more = BD_SLICE("WEBPVP"), .type = "image/webp"},
    {.begin = BD_SLICE("\x89PNG\r\n\x1a\n"), .type = "image/png"},
    {.begin = BD_SLICE("\xff\xd8\xff"), .type = "image/jpeg"},

    {.begin = BD_SLICE("FORM"), .more_at = 8, .more = BD_SLICE("AIFF"), .type = "audio/aiff"},
    {.begin = BD_SLICE("ID3"), .type = "audio/mpeg"},
    {.begin = BD_SLICE("OggS\0"), .type = "application/ogg"},
    {.begin = BD_SLICE("MThd\0\0\0\6"), .type = "audio/midi"},
    {.begin = BD_SLICE("RIFF"), .more_at = 8, .more = BD_SLICE("AVI "), .type = "video/avi"},
    {.begin = BD_SLICE("RIFF"), .more_at = 8, .more = BD_SLICE("WAVE"), .type = "audio/wave"},
    {.type = NULL},
};

static const struct pattern after_mp4[] = {
    {.begin = BD_SLICE("\x1a\x45\xdf\xa3"), .type = "video/webm"},

    {.more_at = 34, .more = BD_SLICE("LP"), .type = "application/vnd.ms-fontobject"},
    {.begin = BD_SLICE("\0\1\0\0"), .type = "font/ttf"},
    {.begin = BD_SLICE("OTTO"), .type = "font/otf"},
    {.begin = BD_SLICE("ttcf"), .type = "font/collection"},
    {.begin = BD_SLICE("wOFF"), .type = "font/woff"},
    {.begin = BD_SLICE("wOF2"), .type = "font/woff2"},

    {.begin = BD_SLICE("\x1f\x8b\x08"), .type = "application/x-gzip"},
    {.begin = BD_SLICE("PK\x03\x04"), .type = "application/zip"},
    {.begin = BD_SLICE("Rar!\x1a\x07\0"), .type = "application/x-rar-compressed"},
    {.begin = BD_SLICE("Rar!\x1a\x07\x01\0"), .type = "application/x-rar-compressed"},
    {.begin = BD_SLICE("\0asm"), .type = "application/wasm"},
    {.type = NULL},
};

/* Any case; a space or '>' follows. */
static const struct bd_slice html_tags[] = {
    BD_SLICE("<!DOCTYPE HTML"),
    BD_SLICE("<HTML"),
    BD_SLICE("<HEAD"),
    BD_SLICE("<SCRIPT"),
    BD_SLICE("<IFRAME"),
    BD_SLICE("<H1"),
    BD_SLICE("<DIV"),
    BD_SLICE("<FONT"),
    BD_SLICE("<TABLE"),
    BD_SLICE("<A"),
    BD_SLICE("<STYLE"),
    BD_SLICE("<TITLE"),
    BD_SLICE("<B"),
    BD_SLICE("<BODY"),
    BD_SLICE("<BR"),
    BD_SLICE("<P"),
    BD_SLICE("<!--"),
};

static bool holds_at(struct bd_slice s, size_t at, struct bd_slice part)
{
    return s.len >= at && bd_slice_starts((struct bd_slice){s.p + at, s.len - at}, part);
}

static const char *match(const struct pattern *table, struct bd_slice s)
{
    for (const struct pattern *p = table; p->type; p++)
        if (s.len >= p->min_bytes && bd_slice_starts(s, p->begin) &&
            holds_at(s, p->more_at, p->more))
            return p->type;
    return NULL;
}

static struct bd_slice skip_blanks(struct bd_slice s)
{
    while (s.len && memchr("\t\n\f\r ", *s.p, 5)) {
        s.p++;
        s.len--;
    }
    return s;
}

static bool is_html(struct bd_slice s)
{
    for (size_t i = 0; i < sizeof(html_tags) / sizeof(*html_tags); i++) {
        struct bd_slice tag = html_tags[i];

        if (s.len > tag.len && (s.p[tag.len] == ' ' || s.p[tag.len] == '>') &&
            bd_slice_ieq((struct bd_slice){s.p, tag.len}, tag))
            return true;
    }
    return false;
}

static uint32_t big_endian(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/*
 * A whole ISO box "ftyp": its size, the type, the major brand, a version (not a brand), then the
 * compatible brands of four bytes each.
 */
static bool is_mp4(struct bd_slice s)
{
    uint32_t box;

    if (s.len < 12 || !holds_at(s, 4, BD_SLICE("ftyp")))
        return false;
    box = big_endian(s.p);
    if (box > s.len || box % 4)
        return false;
    for (size_t at = 8; at < box; at += 4)
        if (at != 12 && holds_at(s, at, BD_SLICE("mp4")))
            return true;
    return false;
}

static bool is_text(struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f))
            return false;
    }
    return true;
}

const char *bd_sniff(const char *buf, size_t len)
{
    struct bd_slice s = {buf, len < BD_SNIFF_BYTES ? len : BD_SNIFF_BYTES};
    struct bd_slice unblanked = skip_blanks(s);
    const char *type;

    if (is_html(unblanked))
        return "text/html; charset=utf-8";
    if (bd_slice_starts(unblanked, BD_SLICE("<?xml")))
        return "text/xml; charset=utf-8";
    if ((type = match(before_mp4, s)))
        return type;
    if (is_mp4(s))
        return "video/mp4";
    if ((type = match(after_mp4, s)))
        return type;
    return is_text(s) ? "text/plain; charset=utf-8" : "application/octet-stream";
}
