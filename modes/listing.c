/*
 * listing.c - see listing.h
 *
 * The names have to be sorted, so all of them are read first, up to ENTRIES_MAX; the page is made a
 * block at a time.
 */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bandog/conditions.h"
#include "bandog/http_date.h"

#define ENTRIES_MAX 100000
#define ENTRY_BYTES_MAX ((size_t)4096) /* a name of 255 bytes, twice, escaped, with the markup */

struct listing {
    struct bd_exchange *x;
    char **name; /* a folder's ends in '/' */
    size_t names, room, next;
    bool is_cut; /* there are more than ENTRIES_MAX */
    bool is_complete;
    char *page; /* a block */
};

static void release(struct listing *l)
{
    for (size_t i = 0; i < l->names; i++)
        free(l->name[i]);
    free(l->name);
    bd_block_give(l->x->worker, l->page);
    free(l);
}

/* Reading */

static void add_name(struct listing *l, const char *name, bool is_folder)
{
    size_t len = strlen(name);
    char *copy = malloc(len + 2);

    if (l->names == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->name = realloc(l->name, l->room * sizeof(*l->name));
    }
    if (!copy || !l->name)
        abort();
    memcpy(copy, name, len);
    copy[len] = '/';
    copy[len + is_folder] = '\0';
    l->name[l->names++] = copy;
}

static bool is_folder(int fd, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(struct listing *l, DIR *from)
{
    const struct dirent *e;

    while (errno = 0, (e = readdir(from))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (l->names == ENTRIES_MAX) {
            l->is_cut = true;
            break;
        }
        add_name(l, e->d_name, is_folder(dirfd(from), e));
    }
    if (!e && errno)
        return -errno;
    if (l->names > 0)
        qsort(l->name, l->names, sizeof(*l->name), compare);
    return 0;
}

/* Printing */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.~/$&+,:;=@", c));
}

/* `to` has room for three times the name and 2 bytes. */
static char *put_href(char *to, struct bd_slice name)
{
    static const char digit[] = "0123456789ABCDEF";

    if (name.len > 0 && memchr(name.p, ':', name.len)) /* else it would be a scheme */
        to = bd_slice_put(to, BD_SLICE("./"));
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (is_plain((char)c)) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = digit[c >> 4];
            *to++ = digit[c & 15];
        }
    }
    return to;
}

struct bd_slice listing_href(struct bd_arena *a, struct bd_slice name)
{
    char *text = bd_arena_alloc(a, name.len * 3 + 2);

    return (struct bd_slice){text, (size_t)(put_href(text, name) - text)};
}

static struct bd_slice entity(char c)
{
    switch (c) {
    case '&':
        return BD_SLICE("&amp;");
    case '<':
        return BD_SLICE("&lt;");
    case '>':
        return BD_SLICE("&gt;");
    case '"':
        return BD_SLICE("&#34;");
    case '\'':
        return BD_SLICE("&#39;");
    default:
        return (struct bd_slice){NULL, 0};
    }
}

static char *put_escaped(char *to, const char *name)
{
    for (; *name; name++) {
        struct bd_slice e = entity(*name);

        if (e.len > 0)
            to = bd_slice_put(to, e);
        else
            *to++ = *name;
    }
    return to;
}

static char *put_entry(char *to, const char *name)
{
    to = bd_slice_put(to, BD_SLICE("<a href=\""));
    to = put_href(to, bd_slice_of(name));
    to = bd_slice_put(to, BD_SLICE("\">"));
    to = put_escaped(to, name);
    return bd_slice_put(to, BD_SLICE("</a>\n"));
}

/* The next block of the page. */
static size_t print_some(struct listing *l)
{
    char *to = l->page;

    if (l->next == 0)
        to = bd_slice_put(to, BD_SLICE("<!doctype html>\n<meta name=\"viewport\" "
                                       "content=\"width=device-width\">\n<pre>\n"));
    while (l->next < l->names && (size_t)(to - l->page) < BD_BLOCK_BYTES - 2 * ENTRY_BYTES_MAX)
        to = put_entry(to, l->name[l->next++]);
    if (l->next == l->names) {
        if (l->is_cut)
            to = bd_slice_put(to, BD_SLICE("... and more, which are not listed\n"));
        to = bd_slice_put(to, BD_SLICE("</pre>\n"));
        l->is_complete = true;
    }
    return (size_t)(to - l->page);
}

/* Answering */

void listing_drain(struct listing *l)
{
    struct bd_exchange *x = l->x;

    while (!l->is_complete) {
        size_t len = print_some(l);

        if (bd_send(x, l->page, len) == BD_WAIT)
            return;
    }
    release(l);
    bd_end(x);
}

void listing_abort(struct listing *l)
{
    release(l);
}

/* True when it has answered: 304. */
static bool is_known(struct bd_exchange *x, int64_t modified_s, const struct bd_field *field,
                     size_t fields)
{
    const struct bd_validators v = {.modified_s = modified_s};

    /* There is no entity tag that another one could be equal to. */
    if (bd_request_field(&x->req, BD_SLICE("if-none-match")) ||
        bd_conditions_check(&x->req, &v, time(NULL)) != BD_CONDITION_NOT_MODIFIED)
        return false;
    bd_respond(x, 304, field, fields, BD_LENGTH_NONE);
    bd_end(x);
    return true;
}

int listing_answer(struct listing **ret_listing, struct bd_exchange *x, int fd,
                   const struct stat *st)
{
    char date[BD_HTTP_DATE_BYTES];
    const struct bd_field field[] = {
        {BD_SLICE("Last-Modified"), bd_http_date_print(date, st->st_mtim.tv_sec)},
        {BD_SLICE("Content-Type"), BD_SLICE("text/html; charset=utf-8")},
    };
    struct listing *l;
    DIR *from;
    int err;

    if (is_known(x, st->st_mtim.tv_sec, field, 1)) {
        close(fd);
        return 0;
    }
    from = fdopendir(fd);
    if (!from) {
        err = -errno;
        close(fd);
        return err;
    }
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->x = x;
    err = read_names(l, from);
    closedir(from);
    if (err) {
        release(l);
        return err;
    }
    l->page = bd_block_take(x->worker);
    *ret_listing = l;
    bd_respond(x, 200, field, 2, BD_LENGTH_UNKNOWN);
    listing_drain(l);
    return 0;
}
