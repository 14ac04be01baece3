/* sniff.c: the type of a body from its first bytes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../watchdog/base/sniff.c"

#define TEXT "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define BINARY "application/octet-stream"
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define SEVENTEEN "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"

static const struct {
    struct bd_slice body;
    const char *type;
} rows[] = {
    {BD_SLICE(""), TEXT},
    {BD_SLICE("hello"), TEXT},
    {BD_SLICE("{\"json\": true}"), TEXT},
    {BD_SLICE("<svg xmlns=\"http://www.w3.org/2000/svg\">"), TEXT},
    {BD_SLICE("tab\t newline\n form feed\f return\r escape\x1b"), TEXT},
    {BD_SLICE("caf\xc3\xa9 \xff\x7f\x80"), TEXT},

    {BD_SLICE("\t\n\f\r <html>"), HTML},
    {BD_SLICE("<!DOCTYPE HTML>"), HTML},
    {BD_SLICE("<!doctype html PUBLIC"), HTML},
    {BD_SLICE("<!doctype HtMl >"), HTML},
    {BD_SLICE("<!-- comment"), HTML},
    {BD_SLICE("<!-->"), HTML},
    {BD_SLICE("<!--x"), TEXT},
    {BD_SLICE("<html"), TEXT},
    {BD_SLICE("<html\n>"), TEXT},
    {BD_SLICE("<html/>"), TEXT},
    {BD_SLICE("<htmlx>"), TEXT},
    {BD_SLICE("\v<html>"), BINARY},
    {BD_SLICE("x<html>"), TEXT},
    {BD_SLICE("<address>"), TEXT},
    {BD_SLICE("<article>"), TEXT},
    {BD_SLICE("<H2>"), TEXT},
    {BD_SLICE("<BRX>"), TEXT},

    {BD_SLICE("<?xml"), "text/xml; charset=utf-8"},
    {BD_SLICE(" \n<?xml version=\"1.0\"?>"), "text/xml; charset=utf-8"},
    {BD_SLICE("<?XML version"), TEXT},
    {BD_SLICE("<?xm"), TEXT},

    {BD_SLICE("%PDF-1.7"), "application/pdf"},
    {BD_SLICE(" %PDF-1.7"), TEXT},
    {BD_SLICE("%PDF"), TEXT},
    {BD_SLICE("%!PS-Adobe-3.0"), "application/postscript"},

    {BD_SLICE("\xfe\xff\0a"), "text/plain; charset=utf-16be"},
    {BD_SLICE("\xff\xfe"
              "a\0"),
     "text/plain; charset=utf-16le"},
    {BD_SLICE("\xef\xbb\xbf"
              "a"),
     "text/plain; charset=utf-8"},
    {BD_SLICE("\xef\xbb\xbf\0"), "text/plain; charset=utf-8"},
    {BD_SLICE("\xfe\xff\0"), BINARY},
    {BD_SLICE("\xff\xfe\0"), BINARY},
    {BD_SLICE("\xef\xbb\xbf"), TEXT},

    {BD_SLICE("\0\0\1\0"), "image/x-icon"},
    {BD_SLICE("\0\0\2\0"), "image/x-icon"},
    {BD_SLICE("BM"), "image/bmp"},
    {BD_SLICE("B"), TEXT},
    {BD_SLICE("GIF87a\1"), "image/gif"},
    {BD_SLICE("GIF89a"), "image/gif"},
    {BD_SLICE("GIF88a"), TEXT},
    {BD_SLICE("RIFF\1\2\3\4WEBPVP8 "), "image/webp"},
    {BD_SLICE("RIFF\1\2\3\4WEBPV"), BINARY},
    {BD_SLICE("\x89PNG\r\n\x1a\n"), "image/png"},
    {BD_SLICE("\x89PNG\n\x1a\n"), BINARY},
    {BD_SLICE("\xff\xd8\xff"), "image/jpeg"},

    {BD_SLICE("FORM\0\0\0\1AIFF"), "audio/aiff"},
    {BD_SLICE("ID3"), "audio/mpeg"},
    {BD_SLICE("OggS\0"), "application/ogg"},
    {BD_SLICE("OggS\1"), BINARY},
    {BD_SLICE("MThd\0\0\0\6"), "audio/midi"},
    {BD_SLICE("MThd\0\0\0\7"), BINARY},
    {BD_SLICE("RIFF1234AVI "), "video/avi"},
    {BD_SLICE("RIFF1234AVI"), TEXT},
    {BD_SLICE("RIFF1234WAVE"), "audio/wave"},

    {BD_SLICE("\0\0\0\x18"
              "ftypmp42\0\0\0\0isommp42"),
     "video/mp4"},
    {BD_SLICE("\0\0\0\x0c"
              "ftypmp41"),
     "video/mp4"},
    {BD_SLICE("\0\0\0\x18"
              "ftypisom\0\0\0\0avc1mp4v"),
     "video/mp4"},
    {BD_SLICE("\0\0\0\x14"
              "ftypisom\0\0\0\0mp41"),
     "video/mp4"},
    {BD_SLICE("\0\0\0\x14"
              "ftypisommp42qt  "),
     BINARY}, /* 12..15 is a version */
    {BD_SLICE("\0\0\0\x10"
              "ftypisom\0\0\0\0mp41"),
     BINARY}, /* a brand behind the box */
    {BD_SLICE("\0\0\0\x19"
              "ftypmp42\0\0\0\0isommp42x"),
     BINARY},
    {BD_SLICE("\0\0\0\x1c"
              "ftypmp42\0\0\0\0isommp42"),
     BINARY}, /* the box goes on */
    {BD_SLICE("\xff\xff\xff\xfc"
              "ftypmp42"),
     TEXT},
    {BD_SLICE("\0\0\0\x08"
              "ftypmp42"),
     BINARY},
    {BD_SLICE("\0\0\0\0"
              "ftypmp42"),
     BINARY},
    {BD_SLICE("\0\0\0\x0c"
              "ftypMP42"),
     BINARY},
    {BD_SLICE("\0\0\0\x0c"
              "ftypmp4"),
     BINARY}, /* 11 bytes */
    {BD_SLICE("\x1a\x45\xdf\xa3"), "video/webm"},

    {BD_SLICE(SEVENTEEN SEVENTEEN "LP"), "application/vnd.ms-fontobject"},
    {BD_SLICE(SEVENTEEN SEVENTEEN "L"), BINARY},
    {BD_SLICE("\0\1\0\0"), "font/ttf"},
    {BD_SLICE("OTTO"), "font/otf"},
    {BD_SLICE("ttcf"), "font/collection"},
    {BD_SLICE("wOFF"), "font/woff"},
    {BD_SLICE("wOF2"), "font/woff2"},
    {BD_SLICE("woff"), TEXT},

    {BD_SLICE("\x1f\x8b\x08"), "application/x-gzip"},
    {BD_SLICE("\x1f\x8b"), BINARY},
    {BD_SLICE("PK\3\4"), "application/zip"},
    {BD_SLICE("Rar!\x1a\7\0"), "application/x-rar-compressed"},
    {BD_SLICE("Rar!\x1a\7\1\0"), "application/x-rar-compressed"},
    {BD_SLICE("Rar!\x1a\7\1"), BINARY},
    {BD_SLICE("\0asm"), "application/wasm"},
};

/* From memory that ends with the body, for AddressSanitizer. */
static const char *sniff_exactly(struct bd_slice s)
{
    char *copy = malloc(s.len);
    const char *type;

    if (s.len)
        memcpy(copy, s.p, s.len);
    type = bd_sniff(copy, s.len);
    free(copy);
    return type;
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const char *type = sniff_exactly(rows[i].body);

        if (strcmp(type, rows[i].type))
            fail_msg("row %zu \"%s\": %s", i, rows[i].body.p, type);
    }
}

static void test_every_tag(void **state)
{
    char text[32];

    for (size_t i = 0; i < LENGTH(html_tags); i++) {
        snprintf(text, sizeof(text), "%s>", html_tags[i].p);
        assert_string_equal(bd_sniff(text, strlen(text)), HTML);
        snprintf(text, sizeof(text), " %s ", html_tags[i].p);
        for (char *p = text; *p; p++)
            *p = bd_ascii_lower(*p);
        assert_string_equal(bd_sniff(text, strlen(text)), HTML);
        snprintf(text, sizeof(text), "%s:", html_tags[i].p);
        assert_string_equal(bd_sniff(text, strlen(text)), TEXT);
    }
}

static void test_binary_bytes(void **state)
{
    for (int c = 0; c < 256; c++) {
        char body[2] = {'a', (char)c};
        bool binary =
            c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f);

        assert_string_equal(bd_sniff(body, 2), binary ? BINARY : TEXT);
    }
}

static void test_only_the_first_bytes_count(void **state)
{
    char body[BD_SNIFF_BYTES + 8];

    memset(body, ' ', sizeof(body));
    body[BD_SNIFF_BYTES] = '\0';
    assert_string_equal(bd_sniff(body, sizeof(body)), TEXT);
    body[BD_SNIFF_BYTES - 1] = '\0';
    assert_string_equal(bd_sniff(body, sizeof(body)), BINARY);

    memset(body, ' ', sizeof(body));
    memcpy(body + BD_SNIFF_BYTES - 6, "<html>", 6);
    assert_string_equal(bd_sniff(body, sizeof(body)), HTML);
    memset(body, ' ', sizeof(body));
    memcpy(body + BD_SNIFF_BYTES - 5, "<html>", 6);
    assert_string_equal(bd_sniff(body, sizeof(body)), TEXT);
}

static void test_nothing_at_all(void **state)
{
    assert_string_equal(bd_sniff(NULL, 0), TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_every_tag),
        cmocka_unit_test(test_binary_bytes),   cmocka_unit_test(test_only_the_first_bytes_count),
        cmocka_unit_test(test_nothing_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
