/*
 * watcher.h - tells when something below some paths changes
 *
 * inotify(7) by libuv, one watch for each folder. What editors and version control leave beside
 * files is not told . Changes that come close together are told once, a moment
 * after the last.
 */
#ifndef BANDOG_CLI_WATCHER_H
#define BANDOG_CLI_WATCHER_H

#include <stdbool.h>
#include <uv.h>

#include "bandog/arena.h"
#include "bandog/queue.h"
#include "texts.h"

#define WATCHER_SETTLE_MS 20  /* a save by rename is one event, by writing in place some */
#define WATCHER_LATEST_MS 200 /* after the first, also when a file is written all the time */

struct watcher {
    uv_timer_t settle;
    uv_loop_t *loop;
    struct texts trees, files; /* as they were given; of the owner */
    struct texts but;          /* names at the top of a tree that are left out */
    struct bd_queue folders;
    size_t count;      /* of them */
    bool complete;     /* every folder could be watched */
    uint64_t since;    /* the first change that was not told yet came; 0: there is none */
    char changed[256]; /* the last name of what has changed and was not told yet */
    void (*on_change)(struct watcher *w, const char *name);
    void *data;
};

/* `w` must stay until the loop has ended. */
void watcher_open(struct watcher *w, uv_loop_t *loop,
                  void (*on_change)(struct watcher *w, const char *name), void *data);

/*
 * What is to be watched from now on: folders with all below them, and single files or folders by
 * their name. What is not there is waited for in the folder where it would be. The texts are not
 * copied.
 */
void watcher_set(struct watcher *w, const struct texts *trees, const struct texts *files,
                 const struct texts *but);

void watcher_close(struct watcher *w);

#endif
