/*
 * media_type.c - see media_type.h
 */
#include "media_type.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define EXTENSION_BYTES_MAX 32
#define LINE_BYTES 4096
#define ROWS_MAX 16384

/* Sorted by extension. */
/* clang-format off */
static const struct media_type_row built_in[] = {
    {"7z", "application/x-7z-compressed", 0},
    {"aac", "audio/aac", 0},
    {"ai", "application/postscript", 0},
    {"apk", "application/vnd.android.package-archive", 0},
    {"apng", "image/apng", 0},
    {"atom", "application/atom+xml", 0},
    {"avif", "image/avif", 0},
    {"bin", "application/octet-stream", 0},
    {"bmp", "image/bmp", 0},
    {"bz2", "application/x-bzip2", 0},
    {"cjs", "text/javascript; charset=utf-8", 0},
    {"com", "application/octet-stream", 0},
    {"css", "text/css; charset=utf-8", 0},
    {"csv", "text/csv; charset=utf-8", 0},
    {"doc", "application/msword", 0},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 0},
    {"ehtml", "text/html; charset=utf-8", 0},
    {"eml", "message/rfc822", 0},
    {"eps", "application/postscript", 0},
    {"exe", "application/octet-stream", 0},
    {"flac", "audio/flac", 0},
    {"gif", "image/gif", 0},
    {"gz", "application/gzip", 0},
    {"htm", "text/html; charset=utf-8", 0},
    {"html", "text/html; charset=utf-8", 0},
    {"ico", "image/vnd.microsoft.icon", 0},
    {"ics", "text/calendar; charset=utf-8", 0},
    {"jfif", "image/jpeg", 0},
    {"jpeg", "image/jpeg", 0},
    {"jpg", "image/jpeg", 0},
    {"js", "text/javascript; charset=utf-8", 0},
    {"json", "application/json", 0},
    {"jsonld", "application/ld+json", 0},
    {"m3u8", "application/vnd.apple.mpegurl", 0},
    {"m4a", "audio/mp4", 0},
    {"map", "application/json", 0},
    {"md", "text/markdown; charset=utf-8", 0},
    {"mjs", "text/javascript; charset=utf-8", 0},
    {"mov", "video/quicktime", 0},
    {"mp3", "audio/mpeg", 0},
    {"mp4", "video/mp4", 0},
    {"oga", "audio/ogg", 0},
    {"ogg", "audio/ogg", 0},
    {"ogv", "video/ogg", 0},
    {"opus", "audio/ogg", 0},
    {"otf", "font/otf", 0},
    {"pdf", "application/pdf", 0},
    {"pjp", "image/jpeg", 0},
    {"pjpeg", "image/jpeg", 0},
    {"png", "image/png", 0},
    {"ppt", "application/vnd.ms-powerpoint", 0},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", 0},
    {"ps", "application/postscript", 0},
    {"rdf", "application/rdf+xml", 0},
    {"rss", "application/rss+xml", 0},
    {"rtf", "application/rtf", 0},
    {"shtml", "text/html; charset=utf-8", 0},
    {"svg", "image/svg+xml", 0},
    {"tar", "application/x-tar", 0},
    {"text", "text/plain; charset=utf-8", 0},
    {"tif", "image/tiff", 0},
    {"tiff", "image/tiff", 0},
    {"ttf", "font/ttf", 0},
    {"txt", "text/plain; charset=utf-8", 0},
    {"vtt", "text/vtt; charset=utf-8", 0},
    {"wasm", "application/wasm", 0},
    {"wav", "audio/wav", 0},
    {"weba", "audio/webm", 0},
    {"webm", "video/webm", 0},
    {"webmanifest", "application/manifest+json", 0},
    {"webp", "image/webp", 0},
    {"woff", "font/woff", 0},
    {"woff2", "font/woff2", 0},
    {"xbl", "text/xml; charset=utf-8", 0},
    {"xbm", "image/x-xbitmap", 0},
    {"xht", "application/xhtml+xml", 0},
    {"xhtml", "application/xhtml+xml", 0},
    {"xls", "application/vnd.ms-excel", 0},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", 0},
    {"xml", "text/xml; charset=utf-8", 0},
    {"xsl", "text/xml; charset=utf-8", 0},
    {"xz", "application/x-xz", 0},
    {"yaml", "application/yaml", 0},
    {"yml", "application/yaml", 0},
    {"zip", "application/zip", 0},
    {"zst", "application/zstd", 0},
};
/* clang-format on */

/* token "/" token (RFC 9110, 8.3.1), as far as it matters in a field. */
static bool is_type(const char *s)
{
    const char *slash = strchr(s, '/');

    if (!slash || slash == s || !slash[1] || strchr(slash + 1, '/'))
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s >= 0x7f || strchr("\"(),:;<=>?@[\\]{}", *s))
            return false;
    return true;
}

static char *copy(const char *text)
{
    char *own = strdup(text);

    if (!own)
        abort();
    return own;
}

static void add(struct media_types *t, const char *extension, const char *type)
{
    if (t->rows == t->room) {
        t->room = t->room ? t->room * 2 : 256;
        t->row = realloc(t->row, t->room * sizeof(*t->row));
        if (!t->row)
            abort();
    }
    t->row[t->rows] = (struct media_type_row){copy(extension), copy(type), t->rows};
    t->rows++;
}

static void add_line(struct media_types *t, char *line)
{
    char type[LINE_BYTES + 32], *rest, *word;

    line[strcspn(line, "#\r\n")] = '\0';
    word = strtok_r(line, " \t", &rest);
    if (!word || !is_type(word))
        return;
    snprintf(type, sizeof(type), "%s%s", word,
             strncmp(word, "text/", 5) == 0 ? "; charset=utf-8" : "");
    while ((word = strtok_r(NULL, " \t", &rest)))
        if (strlen(word) <= EXTENSION_BYTES_MAX)
            add(t, word, type);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct media_type_row *)a)->extension,
                  ((const struct media_type_row *)b)->extension);
}

static void release_row(const struct media_type_row *row)
{
    free((char *)row->extension);
    free((char *)row->type);
}

/* Of equal extensions the last one added is the first. */
static int compare_age(const void *a, const void *b)
{
    const struct media_type_row *x = a, *y = b;
    int order = compare(a, b);

    return order ? order : (x->order < y->order) - (x->order > y->order);
}

static void sort(struct media_types *t)
{
    size_t n = 0;

    if (t->rows > 0)
        qsort(t->row, t->rows, sizeof(*t->row), compare_age);
    for (size_t i = 0; i < t->rows; i++) {
        if (n > 0 && compare(&t->row[n - 1], &t->row[i]) == 0)
            release_row(&t->row[i]);
        else
            t->row[n++] = t->row[i];
    }
    t->rows = n;
}

void media_types_init(struct media_types *t, const char *file)
{
    FILE *from = fopen(file, "re");
    char *line = NULL;
    size_t room = 0;

    *t = (struct media_types){0};
    if (!from)
        return;
    while (getline(&line, &room, from) >= 0 && t->rows < ROWS_MAX)
        if (strlen(line) < LINE_BYTES)
            add_line(t, line);
    free(line);
    fclose(from);
    sort(t);
}

void media_types_release(struct media_types *t)
{
    for (size_t i = 0; i < t->rows; i++)
        release_row(&t->row[i]);
    free(t->row);
    *t = (struct media_types){0};
}

static const char *find(const struct media_types *t, const char *extension)
{
    const struct media_type_row key = {.extension = extension}, *found = NULL;

    if (t->rows > 0)
        found = bsearch(&key, t->row, t->rows, sizeof(key), compare);
    if (!found)
        found = bsearch(&key, built_in, sizeof(built_in) / sizeof(key), sizeof(key), compare);
    return found ? found->type : NULL;
}

const char *media_type_of(const struct media_types *t, struct bd_slice name)
{
    char extension[EXTENSION_BYTES_MAX + 1];
    const char *dot = name.len > 0 ? memrchr(name.p, '.', name.len) : NULL, *type;
    size_t len = dot ? (size_t)(name.p + name.len - dot - 1) : 0;

    if (len == 0 || len > EXTENSION_BYTES_MAX)
        return NULL;
    memcpy(extension, dot + 1, len);
    extension[len] = '\0';
    if (strlen(extension) < len)
        return NULL;
    type = find(t, extension);
    if (type)
        return type;
    for (size_t i = 0; i < len; i++)
        extension[i] = bd_ascii_lower(extension[i]);
    return find(t, extension);
}
