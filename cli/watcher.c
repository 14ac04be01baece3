/*
 * watcher.c - see watcher.h
 */
#include "watcher.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 32
#define FOLDERS_MAX 4096 /* of one watch */

/* A folder that is watched. */
struct folder {
    uv_fs_event_t event;      /* first */
    struct bd_queue of_watch; /* of none once it is closing */
    struct watcher *watch;
    bool wanted; /* while they are gone through */
    bool whole;  /* every name in it counts; else those in watch->files do */
    bool is_top; /* of a tree */
    bool stale;  /* it may not be what is watched any more */
    dev_t dev;   /* and ino: which folder this is, as another may come under its name */
    ino_t ino;
    char path[];
};

/* "x.swp", "x~", ".git", "__pycache__", "node_modules", ... */
static bool is_leftover(const char *name)
{
    static const char *const patterns[] = {
        "*~",    "*.swp",         "*.swx", "*.swo",   ".#*",          "#*#",
        "4913",  ".git",          ".hg",   ".svn",    "node_modules", "__pycache__",
        "*.pyc", ".pytest_cache", ".idea", ".vscode", ".DS_Store"};

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

static void refresh(struct watcher *w);

static void on_settled(uv_timer_t *timer)
{
    struct watcher *w = timer->data;
    char name[sizeof(w->changed)];

    memcpy(name, w->changed, sizeof(name));
    w->changed[0] = '\0';
    w->since = 0;
    refresh(w);
    w->on_change(w, name);
}

/* Is `path` one of these, or a folder above one? */
static bool leads_to(const struct texts *t, const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < t->count; i++)
        if (strncmp(t->text[i], path, len) == 0 &&
            (t->text[i][len] == '\0' || t->text[i][len] == '/'))
            return true;
    return false;
}

/* Does a change of `name` in the folder matter? */
static bool matters(const struct folder *f, const char *name)
{
    char path[PATH_MAX];

    if (f->is_top && texts_have(&f->watch->but, name))
        return false;
    if (f->whole)
        return !is_leftover(name);
    if (strcmp(f->path, ".") == 0)
        snprintf(path, sizeof(path), "%s", name);
    else
        snprintf(path, sizeof(path), "%s/%s", strcmp(f->path, "/") == 0 ? "" : f->path, name);
    return leads_to(&f->watch->files, path) || leads_to(&f->watch->trees, path);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct folder *f = (struct folder *)event;
    struct watcher *w = f->watch;
    uint64_t now, latest;

    (void)events;
    if (!w || status < 0)
        return;
    /* Of the folder itself libuv gives its name: it may be gone, and another one in its place. */
    if (!name || strcmp(name, base_of(f->path)) == 0)
        f->stale = true;
    if (name && !f->stale && !matters(f, name))
        return;
    /* The last one: who saves beside a file and renames ends with the file's own name. */
    snprintf(w->changed, sizeof(w->changed), "%s", name ? name : f->path);
    now = uv_now(w->loop);
    if (w->since == 0)
        w->since = now;
    latest = w->since + WATCHER_LATEST_MS;
    uv_timer_start(&w->settle, on_settled,
                   now + WATCHER_SETTLE_MS < latest ? WATCHER_SETTLE_MS
                   : now < latest                   ? latest - now
                                                    : 0,
                   0);
}

static void on_folder_closed(uv_handle_t *handle)
{
    free(handle);
}

static void folder_close(struct folder *f)
{
    bd_queue_remove(&f->of_watch);
    f->watch->count--;
    f->watch = NULL;
    uv_close((uv_handle_t *)&f->event, on_folder_closed);
}

static struct folder *find(struct watcher *w, const char *path)
{
    for (struct bd_queue *q = w->folders.next; q != &w->folders; q = q->next) {
        struct folder *f = BD_CONTAINER(q, struct folder, of_watch);

        if (strcmp(f->path, path) == 0)
            return f;
    }
    return NULL;
}

static void want(struct watcher *w, const char *path, bool whole, bool is_top)
{
    struct folder *f = find(w, path);
    size_t len = strlen(path) + 1;
    struct stat st;
    int failed;

    if (stat(path, &st))
        return;
    if (f && (f->stale || f->dev != st.st_dev || f->ino != st.st_ino)) {
        folder_close(f);
        f = NULL;
    }
    if (!f) {
        f = calloc(1, sizeof(*f) + len);
        if (!f)
            abort();
        memcpy(f->path, path, len);
        f->watch = w;
        f->dev = st.st_dev;
        f->ino = st.st_ino;
        bd_queue_init(&f->of_watch);
        w->count++;
        uv_fs_event_init(w->loop, &f->event);
        failed = uv_fs_event_start(&f->event, on_event, path, 0);
        if (failed) {
            w->complete = w->complete && failed != UV_ENOSPC && failed != UV_EMFILE;
            folder_close(f);
            return;
        }
        bd_queue_push(&w->folders, &f->of_watch);
    }
    f->wanted = true;
    f->whole = f->whole || whole;
    f->is_top = f->is_top || is_top;
}

static void want_tree(struct watcher *w, const char *path, int depth)
{
    DIR *dir = depth <= DEPTH_MAX && w->count < FOLDERS_MAX ? opendir(path) : NULL;
    struct dirent *d;
    char below[PATH_MAX];
    struct stat st;

    if (w->count >= FOLDERS_MAX)
        w->complete = false;
    if (!dir)
        return;
    want(w, path, true, depth == 0);
    while ((d = readdir(dir))) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || is_leftover(d->d_name) ||
            (depth == 0 && texts_have(&w->but, d->d_name)))
            continue;
        if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, d->d_name) < sizeof(below) &&
            stat(below, &st) == 0 && S_ISDIR(st.st_mode))
            want_tree(w, below, depth + 1);
    }
    closedir(dir);
}

/* The folder in which a file is, or, as long as that is not there, the next one above it. */
static void want_above(struct watcher *w, const char *path)
{
    char above[PATH_MAX];
    char *slash;

    if ((size_t)snprintf(above, sizeof(above), "%s", path) >= sizeof(above))
        return;
    while ((slash = strrchr(above, '/'))) {
        *slash = '\0';
        if (access(*above ? above : "/", F_OK) == 0) {
            want(w, *above ? above : "/", false, false);
            return;
        }
    }
    want(w, ".", false, false);
}

static void refresh(struct watcher *w)
{
    struct bd_queue *q;

    for (q = w->folders.next; q != &w->folders; q = q->next)
        BD_CONTAINER(q, struct folder, of_watch)->wanted = false;
    for (size_t i = 0; i < w->trees.count; i++) {
        want_above(w, w->trees.text[i]);
        want_tree(w, w->trees.text[i], 0);
    }
    for (size_t i = 0; i < w->files.count; i++)
        want_above(w, w->files.text[i]);
    for (q = w->folders.next; q != &w->folders;) {
        struct folder *f = BD_CONTAINER(q, struct folder, of_watch);

        q = q->next;
        if (!f->wanted)
            folder_close(f);
    }
}

void watcher_open(struct watcher *w, uv_loop_t *loop,
                  void (*on_change)(struct watcher *w, const char *name), void *data)
{
    *w = (struct watcher){.loop = loop, .complete = true, .on_change = on_change, .data = data};
    bd_queue_init(&w->folders);
    uv_timer_init(loop, &w->settle);
    w->settle.data = w;
}

void watcher_set(struct watcher *w, const struct texts *trees, const struct texts *files,
                 const struct texts *but)
{
    w->trees = *trees;
    w->files = *files;
    w->but = *but;
    refresh(w);
}

void watcher_close(struct watcher *w)
{
    while (!bd_queue_empty(&w->folders))
        folder_close(BD_CONTAINER(w->folders.next, struct folder, of_watch));
    if (!uv_is_closing((uv_handle_t *)&w->settle))
        uv_close((uv_handle_t *)&w->settle, NULL);
}
