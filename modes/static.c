/*
 * static.c - mode=static: files below a folder
 *
 * What a path means: a file, a folder's index.html, a listing, a redirect to the one right name of
 * these, or nothing. Paths are cleaned here, so that relative links mean what they say; that no
 * path leads out of the folder is root.c's business.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "bandog/log.h"
#include "file.h"
#include "href.h"
#include "listing.h"
#include "modes_list.h"
#include "root.h"

#define MIME_TYPES "/etc/mime.types"
#define INDEX "index.html"

struct static_conf {
    const char *path;
    const char *fallback;
    int listing; /* index of off_on */
    int precompressed;
    struct file_conf file;
};

/* One request. */
struct static_call {
    struct bd_exchange *x;
    const struct static_conf *conf;
    struct root *root;
    char *path;     /* below the root, without slashes at its ends */
    bool is_folder; /* the request's path ends in a slash */
    struct file file;
    struct listing *listing;
};

static const char *const off_on[] = {"off", "on", NULL};

/* clang-format off */
static const struct bd_option static_options[] = {
    {.name = "static_path", .type = BD_TEXT, .family = BD_OTHERS, .unit = "path",
     .offset = offsetof(struct static_conf, path), .initial = "/home/app/public",
     .help = "static: the folder with the files"},
    {.name = "static_listing", .type = BD_WORD, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct static_conf, listing), .initial = "on", .words = off_on,
     .help = "static: a folder without index.html is answered with a list of its files"},
    {.name = "static_fallback", .type = BD_TEXT, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct static_conf, fallback), .unit = "path",
     .help = "static: a file below static_path, sent for every path that is not there"},
    {.name = "static_cache_control", .type = BD_TEXT, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct static_conf, file.cache_control), .unit = "directives",
     .help = "static: Cache-Control of files"},
    {.name = "static_precompressed", .type = BD_WORD, .flags = BD_OWN, .family = BD_OTHERS,
     .offset = offsetof(struct static_conf, precompressed), .initial = "on", .words = off_on,
     .help = "static: send NAME.br or NAME.gz, where they are, to clients that accept that"},
    {.name = NULL},
};
/* clang-format on */

/* Settings */

static bool is_inside(const char *path)
{
    for (const char *p = path; *p; p += strspn(p, "/")) {
        size_t len = strcspn(p, "/");

        if (len == 2 && p[0] == '.' && p[1] == '.')
            return false;
        p += len;
    }
    return *path != '/';
}

static bool is_field_value(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    return true;
}

static int static_init(void *conf, struct bd_error *err)
{
    struct static_conf *c = conf;
    char shown[204];

    if (!*c->path)
        return bd_fail(err, "static_path is empty; with mode=static it names the folder with the "
                            "files, for example static_path=/home/app/public");
    if (c->fallback && !*c->fallback)
        c->fallback = NULL;
    if (c->fallback && (!is_inside(c->fallback) || strlen(c->fallback) >= PATH_MAX))
        return bd_fail(err,
                       "static_fallback=\"%s\" is not below static_path; allowed: a relative path "
                       "without \"..\", for example index.html",
                       bd_printable_text(shown, sizeof(shown), c->fallback));
    if (c->file.cache_control && !*c->file.cache_control)
        c->file.cache_control = NULL;
    if (c->file.cache_control && !is_field_value(c->file.cache_control))
        return bd_fail(err,
                       "static_cache_control=\"%s\" holds control characters; allowed: the value "
                       "of a field, for example \"public, max-age=3600\"",
                       bd_printable_text(shown, sizeof(shown), c->file.cache_control));
    c->file.precompressed = c->precompressed != 0;
    media_types_init(&c->file.types, MIME_TYPES);
    return 0;
}

static int static_check(const void *conf, struct bd_error *err)
{
    const struct static_conf *c = conf;
    struct stat st;
    char shown[204];
    const char *problem = NULL;

    if (stat(c->path, &st))
        problem = strerror(errno);
    else if (!S_ISDIR(st.st_mode))
        problem = "not a folder";
    if (!problem)
        return 0;
    return bd_fail(err, "static_path=\"%s\": %s; every request is answered with 404 until it is",
                   bd_printable_text(shown, sizeof(shown), c->path), problem);
}

static void static_announce(const void *conf)
{
    char shown[1024];

    bd_log("Serving files at: %s",
           bd_printable_text(shown, sizeof(shown), ((const struct static_conf *)conf)->path));
}

/* Workers */

static int static_worker_start(struct bd_worker *w, const void *conf)
{
    struct root *root = malloc(sizeof(*root));

    if (!root)
        return UV_ENOMEM;
    root_init(root, ((const struct static_conf *)conf)->path);
    bd_worker_set_data(w, root);
    return 0;
}

static void static_worker_stop(struct bd_worker *w)
{
    struct root *root = bd_worker_data(w);

    root_close(root);
    free(root);
}

/* Answers without a file */

static void refuse(struct bd_exchange *x, int status, const char *text)
{
    static const struct bd_field field[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/plain; charset=utf-8")},
        {BD_SLICE("X-Content-Type-Options"), BD_SLICE("nosniff")},
        {BD_SLICE("Allow"), BD_SLICE("GET, HEAD")},
    };

    bd_reply(x, status, field, status == 405 ? 3 : 2, text, strlen(text));
}

static void redirect(struct bd_exchange *x, int status, struct bd_slice to)
{
    struct bd_slice query = x->req.query;
    struct bd_field location = {BD_SLICE("Location"), to};

    if (query.len > 0)
        location.value =
            bd_slice_of(bd_arena_printf(&x->arena, "%.*s?%.*s", BD_ARG(to), BD_ARG(query)));
    bd_reply(x, status, &location, 1, NULL, 0);
}

static void log_trouble(struct static_call *c, const char *what, const char *why)
{
    struct bd_slice path = bd_printable(&c->x->arena, bd_slice_of(c->path));

    bd_log_at(BD_LEVEL_ERROR, "mode=static: %s \"%.*s\": %s", what, BD_ARG(path), why);
}

/* For a negative errno. */
static void refuse_error(struct static_call *c, int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
    case EINVAL: /* what some file systems say of names they cannot have */
        refuse(c->x, 404, "404 page not found\n");
        break;
    case EACCES:
    case EPERM:
    case ENXIO: /* a socket, or a device without a driver */
    case ENODEV:
        refuse(c->x, 403, "403 Forbidden\n");
        break;
    default:
        log_trouble(c, "cannot open", strerror(-err));
        refuse(c->x, 500, "500 Internal Server Error\n");
        break;
    }
}

/* Paths */

/* Takes the next segment off the front of `s`, with the slashes before it. */
static struct bd_slice next_segment(struct bd_slice *s)
{
    struct bd_slice segment;

    while (s->len > 0 && *s->p == '/') {
        s->p++;
        s->len--;
    }
    segment = (struct bd_slice){s->p, 0};
    while (segment.len < s->len && segment.p[segment.len] != '/')
        segment.len++;
    s->p += segment.len;
    s->len -= segment.len;
    return segment;
}

static bool is_dots(struct bd_slice segment)
{
    return bd_slice_eq(segment, BD_SLICE(".")) || bd_slice_eq(segment, BD_SLICE(".."));
}

/* Does it name a folder: with a slash or dots at its end? */
static bool names_folder(struct bd_slice path)
{
    struct bd_slice last = path;
    const char *slash = path.len > 0 ? memrchr(path.p, '/', path.len) : NULL;

    if (slash)
        last = (struct bd_slice){slash + 1, (size_t)(path.p + path.len - slash - 1)};
    return last.len == 0 || is_dots(last);
}

/* The path without "//", "." and "..", and without slashes at its ends; in the arena, with a NUL.
 */
static struct bd_slice clean(struct bd_arena *a, struct bd_slice path)
{
    char *to = bd_arena_alloc(a, path.len + 1);
    size_t len = 0;

    while (path.len > 0) {
        struct bd_slice segment = next_segment(&path);

        if (bd_slice_eq(segment, BD_SLICE(".."))) {
            while (len > 0 && to[--len] != '/')
                ;
        } else if (segment.len > 0 && !is_dots(segment)) {
            if (len > 0)
                to[len++] = '/';
            memcpy(to + len, segment.p, segment.len);
            len += segment.len;
        }
    }
    to[len] = '\0';
    return (struct bd_slice){to, len};
}

/* As it was sent: does it have segments that a relative link would not survive? */
static bool is_clean(struct bd_slice raw)
{
    if (raw.len == 0 || raw.p[0] != '/')
        return false;
    while (raw.len > 0) {
        struct bd_slice segment;

        raw.p++; /* the one slash */
        raw.len--;
        if (raw.len > 0 && *raw.p == '/')
            return false;
        segment = next_segment(&raw);
        if (is_dots(segment))
            return false;
    }
    return true;
}

/* With escaped dots and slashes a client sees other segments than there are. */
static bool has_hidden_segments(struct bd_slice raw)
{
    for (size_t i = 0; i + 2 < raw.len; i++)
        if (raw.p[i] == '%' && strchr("./", (int)bd_hex_byte(raw.p + i + 1)))
            return true;
    return false;
}

static void redirect_to_clean(struct bd_exchange *x, struct bd_slice path)
{
    bool hidden = has_hidden_segments(x->req.path);
    struct bd_slice cleaned = clean(&x->arena, hidden ? path : x->req.path);
    struct bd_slice to = hidden ? href_path(&x->arena, cleaned) : href_again(&x->arena, cleaned);
    const char *end = cleaned.len > 0 && names_folder(path) ? "/" : "";

    redirect(x, 307, bd_slice_of(bd_arena_printf(&x->arena, "/%.*s%s", BD_ARG(to), end)));
}

/* The path's last segment. */
static const char *base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_index(const struct static_call *c)
{
    return !c->is_folder && strcmp(base(c->path), INDEX) == 0;
}

/* Opening */

static int open_path(struct static_call *c, const char *path)
{
    return root_open(c->root, path, c->x->began_ns);
}

static void answer_file(struct static_call *c, int fd, const char *path, const struct stat *st)
{
    c->file = (struct file){.x = c->x, .conf = &c->conf->file, .path = path, .fd = fd, .st = *st};
    file_answer(&c->file, c->root);
}

/* False when it is no regular file, and then it is closed. */
static bool answer_regular(struct static_call *c, int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        close(fd);
        return false;
    }
    answer_file(c, fd, path, &st);
    return true;
}

static void answer_not_found(struct static_call *c, int err)
{
    const char *path = c->conf->fallback;
    bool is_missing = err == -ENOENT || err == -ENOTDIR || err == -ENAMETOOLONG;
    int fd = path && is_missing ? open_path(c, path) : -1;

    if (fd < 0 || !answer_regular(c, fd, path))
        refuse_error(c, err);
}

/* The folder itself: `fd` is taken over. */
static void answer_listing(struct static_call *c, int fd, const struct stat *st)
{
    int err;

    if (!c->conf->listing) {
        close(fd);
        answer_not_found(c, -ENOENT);
        return;
    }
    err = listing_answer(&c->listing, c->x, fd, st);
    if (err)
        refuse_error(c, err);
}

/* To the one name that relative links work with: relative itself, if a client can resolve that. */
static void redirect_to(struct static_call *c, const char *relative, const char *absolute)
{
    bool hidden = has_hidden_segments(c->x->req.path);

    redirect(c->x, 301, bd_slice_of(hidden ? absolute : relative));
}

static void redirect_to_folder(struct static_call *c)
{
    struct bd_arena *a = &c->x->arena;
    struct bd_slice name = href_name(a, bd_slice_of(base(c->path)));
    struct bd_slice path = href_path(a, bd_slice_of(c->path));

    redirect_to(c, bd_arena_printf(a, "%.*s/", BD_ARG(name)),
                bd_arena_printf(a, "/%.*s/", BD_ARG(path)));
}

static void redirect_to_file(struct static_call *c)
{
    struct bd_arena *a = &c->x->arena;
    struct bd_slice name = href_name(a, bd_slice_of(base(c->path)));
    struct bd_slice path = href_path(a, bd_slice_of(c->path));

    redirect_to(c, bd_arena_printf(a, "../%.*s", BD_ARG(name)),
                bd_arena_printf(a, "/%.*s", BD_ARG(path)));
}

static void redirect_from_index(struct static_call *c)
{
    struct bd_slice folder = {c->path, strlen(c->path) - strlen(INDEX)};
    struct bd_slice path = href_path(&c->x->arena, folder);

    redirect_to(c, "./", bd_arena_printf(&c->x->arena, "/%.*s", BD_ARG(path)));
}

/* What the path names has been opened. */
static void answer_opened(struct static_call *c, int fd)
{
    struct stat st;

    if (fstat(fd, &st)) {
        int err = -errno;

        close(fd);
        refuse_error(c, err);
    } else if (S_ISDIR(st.st_mode) && c->is_folder) {
        answer_listing(c, fd, &st);
    } else if (S_ISDIR(st.st_mode)) {
        close(fd);
        redirect_to_folder(c);
    } else if (!S_ISREG(st.st_mode)) {
        close(fd);
        refuse_error(c, -EACCES);
    } else if (c->is_folder) {
        close(fd);
        redirect_to_file(c);
    } else {
        answer_file(c, fd, c->path, &st);
    }
}

static const char *index_of(struct static_call *c)
{
    if (!*c->path)
        return INDEX;
    return bd_arena_printf(&c->x->arena, "%s/" INDEX, c->path);
}

static void answer(struct static_call *c)
{
    int fd;

    if (c->is_folder) {
        const char *path = index_of(c);

        fd = open_path(c, path);
        if (fd >= 0 && answer_regular(c, fd, path))
            return;
    }
    fd = open_path(c, c->path);
    if (fd < 0)
        answer_not_found(c, fd);
    else
        answer_opened(c, fd);
}

/* The mode */

static void static_start(struct bd_exchange *x)
{
    struct static_call *c;
    struct bd_slice path;

    if (!bd_slice_eq(x->req.method, BD_SLICE("GET")) &&
        !bd_slice_eq(x->req.method, BD_SLICE("HEAD"))) {
        refuse(x, 405, "405 Method Not Allowed\n");
        return;
    }
    path = bd_request_path(x);
    if (memchr(path.p, '\0', path.len)) {
        refuse(x, 404, "404 page not found\n");
        return;
    }
    if (!is_clean(x->req.path)) {
        redirect_to_clean(x, path);
        return;
    }
    c = bd_arena_alloc(&x->arena, sizeof(*c));
    c->x = x;
    c->conf = x->conf;
    c->root = bd_worker_data(x->worker);
    c->is_folder = names_folder(path);
    c->path = (char *)clean(&x->arena, path).p;
    c->file.fd = -1;
    c->listing = NULL;
    x->state = c;
    if (strlen(c->path) >= PATH_MAX)
        answer_not_found(c, -ENAMETOOLONG);
    else if (is_index(c))
        redirect_from_index(c);
    else
        answer(c);
}

static void static_drain(struct bd_exchange *x)
{
    struct static_call *c = x->state;

    if (c->listing)
        listing_drain(c->listing);
    else
        file_drain(&c->file);
}

static void static_abort(struct bd_exchange *x, enum bd_abort why)
{
    struct static_call *c = x->state;

    if (why == BD_ABORT_SOURCE)
        log_trouble(c, "cut the answer of", x->reason);
    if (c->listing)
        listing_abort(c->listing);
    else
        file_abort(&c->file);
}

const struct bd_mode mode_static = {
    .name = "static",
    .summary = "files below a folder",
    .family = BD_OTHERS,
    .option = static_options,
    .conf_bytes = sizeof(struct static_conf),
    .init = static_init,
    .check = static_check,
    .announce = static_announce,
    .worker_start = static_worker_start,
    .worker_stop = static_worker_stop,
    .start = static_start,
    .drain = static_drain,
    .abort = static_abort,
};
