/*
 * file.c - see file.h
 */
#include "file.h"

#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bandog/conditions.h"
#include "bandog/http_date.h"
#include "bandog/range.h"
#include "bandog/sniff.h"

#define FIELDS_MAX 8
#define BOUNDARY_BYTES 30 /* random; twice as many characters */
#define NS_PER_S UINT64_C(1000000000)

/* A text and what follows it of the file. */
struct file_part {
    struct bd_slice text;
    int64_t at, len;
};

struct fields {
    struct bd_field field[FIELDS_MAX];
    size_t n;
};

static void add(struct fields *to, struct bd_slice name, struct bd_slice value)
{
    to->field[to->n++] = (struct bd_field){name, value};
}

/* Content-Type */

static const char *sniff(int fd)
{
    char begin[BD_SNIFF_BYTES];
    ssize_t n = pread(fd, begin, sizeof(begin), 0);

    return bd_sniff(begin, n > 0 ? (size_t)n : 0);
}

/* Nobody puts a compressed file beside one that does not get any smaller. */
static bool is_compact(const struct file *f)
{
    static const char *const compact[] = {
        "image/",
        "audio/",
        "video/",
        "font/woff",
        "application/zip",
        "application/gzip",
        "application/zstd",
        "application/x-xz",
        "application/x-bzip2",
        "application/x-7z",
        "application/x-rar",
    };
    static const char *const others[] = {"image/svg", "image/bmp", "image/vnd.microsoft.icon"};
    struct bd_slice type = bd_slice_of(f->type);
    size_t len = strlen(f->path);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (bd_slice_starts(type, bd_slice_of(others[i])))
            return false;
    for (size_t i = 0; i < sizeof(compact) / sizeof(compact[0]); i++)
        if (bd_slice_starts(type, bd_slice_of(compact[i])))
            return true;
    return len > 3 && strcmp(f->path + len - 3, ".br") == 0; /* which has no type */
}

/* Content codings */

/* Takes NAME.SUFFIX instead of NAME, if it is there. */
static bool take_variant(struct file *f, struct root *root, const char *suffix,
                         struct bd_slice coding)
{
    const char *path = bd_arena_printf(&f->x->arena, "%s.%s", f->path, suffix);
    int fd = root_open(root, path, f->x->began_ns);
    struct stat st;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return false;
    }
    close(f->fd);
    f->fd = fd;
    f->st = st;
    f->coding = coding;
    return true;
}

static void choose_coding(struct file *f, struct root *root)
{
    const struct bd_request *r = &f->x->req;
    int identity, br, gzip;

    if (!f->conf->precompressed || is_compact(f))
        return;
    f->varies = true;
    br = bd_coding_weight(r, BD_SLICE("br"));
    gzip = bd_coding_weight(r, BD_SLICE("gzip"));
    if (br == 0 && gzip == 0)
        return;
    identity = bd_coding_weight(r, BD_SLICE("identity"));
    if (br > 0 && br >= gzip && br >= identity && take_variant(f, root, "br", BD_SLICE("br")))
        return;
    if (gzip > 0 && gzip >= identity && take_variant(f, root, "gz", BD_SLICE("gzip")))
        return;
    if (br > 0 && br < gzip && br >= identity)
        take_variant(f, root, "br", BD_SLICE("br"));
}

/* Validators */

static char *put_hex(char *to, uint64_t n)
{
    int shift = 60;

    while (shift > 0 && n >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[n >> shift & 15];
    return to;
}

/*
 * The time of st_mtim may be one that all files have, and that stays when a file of the same size
 * takes the place of another: images are built like that. st_ctim tells them apart.
 */
static struct bd_slice print_etag(struct file *f)
{
    char *text = bd_arena_alloc(&f->x->arena, 64), *to = text;

    *to++ = '"';
    to = put_hex(to, (uint64_t)f->st.st_ctim.tv_sec * NS_PER_S + (uint64_t)f->st.st_ctim.tv_nsec);
    *to++ = '-';
    to = put_hex(to, (uint64_t)f->st.st_ino);
    *to++ = '-';
    to = put_hex(to, (uint64_t)f->st.st_size);
    if (f->coding.len > 0) {
        *to++ = '-';
        to = bd_slice_put(to, f->coding);
    }
    *to++ = '"';
    return (struct bd_slice){text, (size_t)(to - text)};
}

/* No later than now (RFC 9110, 8.8.2.1); a file without a time has 0. */
static int64_t modified(const struct file *f, int64_t now_s)
{
    int64_t s = f->st.st_mtim.tv_sec;

    if (s == 0)
        return BD_MODIFIED_UNKNOWN;
    return s < now_s ? s : now_s;
}

/* What a 304 tells, too. */
static void add_validators(struct file *f, struct fields *to, const struct bd_validators *v)
{
    if (f->conf->cache_control)
        add(to, BD_SLICE("Cache-Control"), bd_slice_of(f->conf->cache_control));
    add(to, BD_SLICE("ETag"), v->etag);
    if (v->modified_s != BD_MODIFIED_UNKNOWN)
        add(to, BD_SLICE("Last-Modified"),
            bd_http_date_print(bd_arena_alloc(&f->x->arena, BD_HTTP_DATE_BYTES), v->modified_s));
    if (f->varies)
        add(to, BD_SLICE("Vary"), BD_SLICE("Accept-Encoding"));
}

/* Sending */

static void close_file(struct file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

void file_drain(struct file *f)
{
    struct bd_exchange *x = f->x;

    while (f->next < f->parts) {
        const struct file_part *part = &f->part[f->next];
        enum bd_flow flow;

        if (!f->text_sent) {
            f->text_sent = true;
            if (bd_send(x, part->text.p, part->text.len) == BD_WAIT)
                return;
        }
        flow = bd_send_file(x, f->fd, part->at, part->len);
        f->text_sent = false;
        f->next++;
        if (flow == BD_WAIT)
            return;
    }
    close_file(f);
    bd_end(x);
}

void file_abort(struct file *f)
{
    close_file(f);
}

static struct file_part *new_parts(struct file *f, size_t n)
{
    f->part = bd_arena_alloc(&f->x->arena, n * sizeof(*f->part));
    f->parts = n;
    return f->part;
}

static void respond(struct file *f, int status, struct fields *to, int64_t length)
{
    if (f->coding.len > 0)
        add(to, BD_SLICE("Content-Encoding"), f->coding);
    bd_respond(f->x, status, to->field, to->n, length);
    if (bd_is_head(f->x))
        f->parts = 0;
    file_drain(f);
}

static void send_whole(struct file *f, struct fields *to)
{
    new_parts(f, 1)[0] = (struct file_part){.len = f->st.st_size};
    add(to, BD_SLICE("Content-Type"), bd_slice_of(f->type));
    respond(f, 200, to, f->st.st_size);
}

static char *print_content_range(struct file *f, const struct bd_range *r)
{
    return bd_arena_printf(&f->x->arena, "bytes %lld-%lld/%lld", (long long)r->first,
                           (long long)(r->first + r->len - 1), (long long)f->st.st_size);
}

static void send_range(struct file *f, struct fields *to, const struct bd_range *r)
{
    new_parts(f, 1)[0] = (struct file_part){.at = r->first, .len = r->len};
    add(to, BD_SLICE("Content-Range"), bd_slice_of(print_content_range(f, r)));
    add(to, BD_SLICE("Content-Type"), bd_slice_of(f->type));
    respond(f, 206, to, r->len);
}

/* Random, so that no file can hold it by malice (RFC 9110, 14.6). */
static void print_boundary(char to[2 * BOUNDARY_BYTES + 1])
{
    unsigned char bytes[BOUNDARY_BYTES];

    while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        ;
    for (int i = 0; i < BOUNDARY_BYTES; i++)
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

static void send_ranges(struct file *f, struct fields *to, const struct bd_range *range, size_t n)
{
    struct bd_arena *a = &f->x->arena;
    struct file_part *part = new_parts(f, n + 1);
    char boundary[2 * BOUNDARY_BYTES + 1];
    int64_t length = 0;

    print_boundary(boundary);
    for (size_t i = 0; i < n; i++) {
        const char *text = bd_arena_printf(
            a, "%s--%s\r\nContent-Range: %s\r\nContent-Type: %s\r\n\r\n", i > 0 ? "\r\n" : "",
            boundary, print_content_range(f, &range[i]), f->type);

        part[i] = (struct file_part){bd_slice_of(text), range[i].first, range[i].len};
        length += (int64_t)part[i].text.len + range[i].len;
    }
    part[n] = (struct file_part){
        .text = bd_slice_of(bd_arena_printf(a, "\r\n--%s--\r\n", boundary)),
    };
    length += (int64_t)part[n].text.len;
    add(to, BD_SLICE("Content-Type"),
        bd_slice_of(bd_arena_printf(a, "multipart/byteranges; boundary=%s", boundary)));
    respond(f, 206, to, length);
}

/* The end of an exchange that gets nothing of the file. */
static void refuse_range(struct file *f, const char *text)
{
    struct bd_exchange *x = f->x;
    const struct bd_field field[] = {
        {BD_SLICE("Content-Range"),
         bd_slice_of(bd_arena_printf(&x->arena, "bytes */%lld", (long long)f->st.st_size))},
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain; charset=utf-8")},
        {BD_SLICE("X-Content-Type-Options"), BD_SLICE("nosniff")},
    };

    close_file(f);
    bd_respond_with(x, 416, BD_SLICE("Requested Range Not Satisfiable"), field, 3,
                    (int64_t)strlen(text));
    bd_send(x, text, strlen(text));
    bd_end(x);
}

static void send_what_is_asked_for(struct file *f, struct fields *to, const struct bd_validators *v,
                                   int64_t now_s)
{
    const struct bd_request *r = &f->x->req;
    const struct bd_field *asked = bd_request_field(r, BD_SLICE("range"));
    struct bd_range range[BD_RANGES_MAX];
    enum bd_range_result result = BD_RANGE_WHOLE;
    size_t n = 0;

    add(to, BD_SLICE("Accept-Ranges"), BD_SLICE("bytes"));
    if (asked && !bd_is_head(f->x) && bd_if_range_holds(r, v, now_s))
        result = bd_ranges_parse(range, &n, asked->value, f->st.st_size);
    if (result == BD_RANGE_WHOLE)
        send_whole(f, to);
    else if (result == BD_RANGE_INVALID)
        refuse_range(f, "invalid range\n");
    else if (result == BD_RANGE_UNSATISFIABLE)
        refuse_range(f, "invalid range: failed to overlap\n");
    else if (n == 1)
        send_range(f, to, &range[0]);
    else
        send_ranges(f, to, range, n);
}

void file_answer(struct file *f, struct root *root)
{
    struct bd_exchange *x = f->x;
    int64_t now_s = time(NULL);
    struct bd_validators v;
    struct fields fields;

    fields.n = 0;
    f->type = media_type_of(&f->conf->types, bd_slice_of(f->path));
    if (!f->type)
        f->type = sniff(f->fd);
    choose_coding(f, root);
    v = (struct bd_validators){print_etag(f), modified(f, now_s)};
    switch (bd_conditions_check(&x->req, &v, now_s)) {
    case BD_CONDITION_FAILED:
        close_file(f);
        bd_reply(x, 412, NULL, 0, NULL, 0);
        break;
    case BD_CONDITION_NOT_MODIFIED:
        close_file(f);
        add_validators(f, &fields, &v);
        bd_respond(x, 304, fields.field, fields.n, BD_LENGTH_NONE);
        bd_end(x);
        break;
    case BD_CONDITION_TRUE:
        add_validators(f, &fields, &v);
        send_what_is_asked_for(f, &fields, &v, now_s);
        break;
    }
}
