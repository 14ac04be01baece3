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
#include "href.h"

#define ENTRIES_MAX 100000
#define ENTRY_BYTES_MAX ((size_t)4096) /* a name of 255 bytes, twice, escaped, with the markup */

struct entry {
    char *name;
    bool is_folder;
};

struct listing {
    struct bd_exchange *x;
    struct entry *entry;
    size_t entries, room, next;
    bool is_cut; /* there are more than ENTRIES_MAX */
    bool is_complete;
    char *page; /* a block */
};

static void release(struct listing *l)
{
    for (size_t i = 0; i < l->entries; i++)
        free(l->entry[i].name);
    free(l->entry);
    bd_block_give(l->x->worker, l->page);
    free(l);
}

/* Reading */

static void add_entry(struct listing *l, const char *name, bool is_folder)
{
    char *copy = strdup(name);

    if (l->entries == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        l->entry = realloc(l->entry, l->room * sizeof(*l->entry));
    }
    if (!copy || !l->entry)
        abort();
    l->entry[l->entries++] = (struct entry){copy, is_folder};
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
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int read_entries(struct listing *l, DIR *from)
{
    const struct dirent *e;

    while (errno = 0, (e = readdir(from))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (l->entries == ENTRIES_MAX) {
            l->is_cut = true;
            break;
        }
        add_entry(l, e->d_name, is_folder(dirfd(from), e));
    }
    if (!e && errno)
        return -errno;
    if (l->entries > 0)
        qsort(l->entry, l->entries, sizeof(*l->entry), compare);
    return 0;
}

/* Printing */

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

static char *put_entry(char *to, const struct entry *e)
{
    struct bd_slice end = e->is_folder ? BD_SLICE("/") : (struct bd_slice){NULL, 0};

    to = bd_slice_put(to, BD_SLICE("<a href=\""));
    to = href_put(to, bd_slice_of(e->name));
    to = bd_slice_put(to, end);
    to = bd_slice_put(to, BD_SLICE("\">"));
    to = put_escaped(to, e->name);
    to = bd_slice_put(to, end);
    return bd_slice_put(to, BD_SLICE("</a>\n"));
}

/* The next block of the page. */
static size_t print_some(struct listing *l)
{
    char *to = l->page;

    if (l->next == 0)
        to = bd_slice_put(to, BD_SLICE("<!doctype html>\n<meta name=\"viewport\" "
                                       "content=\"width=device-width\">\n<pre>\n"));
    while (l->next < l->entries && (size_t)(to - l->page) < BD_BLOCK_BYTES - 2 * ENTRY_BYTES_MAX)
        to = put_entry(to, &l->entry[l->next++]);
    if (l->next == l->entries) {
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
static bool is_known(struct bd_exchange *x, int64_t modified_s, const struct bd_field *date)
{
    const struct bd_validators v = {.modified_s = modified_s};

    /* There is no entity tag that another one could be equal to. */
    if (bd_request_field(&x->req, BD_SLICE("if-none-match")) ||
        bd_conditions_check(&x->req, &v, time(NULL)) != BD_CONDITION_NOT_MODIFIED)
        return false;
    bd_respond(x, 304, date, 1, BD_LENGTH_NONE);
    bd_end(x);
    return true;
}

int listing_answer(struct listing **ret_listing, struct bd_exchange *x, int fd,
                   const struct stat *st)
{
    int64_t modified_s = st->st_mtim.tv_sec ? st->st_mtim.tv_sec : BD_MODIFIED_UNKNOWN;
    char date[BD_HTTP_DATE_BYTES];
    const struct bd_field field[] = {
        {BD_SLICE("Content-Type"), BD_SLICE("text/html; charset=utf-8")},
        {BD_SLICE("Last-Modified"), bd_http_date_print(date, st->st_mtim.tv_sec)},
    };
    struct listing *l;
    DIR *from;
    int err;

    if (is_known(x, modified_s, &field[1])) {
        close(fd);
        return 0;
    }
    if (bd_is_head(x)) {
        close(fd);
        bd_respond(x, 200, field, modified_s == BD_MODIFIED_UNKNOWN ? 1 : 2, BD_LENGTH_NONE);
        bd_end(x);
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
    err = read_entries(l, from);
    closedir(from);
    if (err) {
        release(l);
        return err;
    }
    l->page = bd_block_take(x->worker);
    *ret_listing = l;
    bd_respond(x, 200, field, modified_s == BD_MODIFIED_UNKNOWN ? 1 : 2, BD_LENGTH_UNKNOWN);
    listing_drain(l);
    return 0;
}
