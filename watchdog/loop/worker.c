/*
 * worker.c - one thread and its loop
 *
 * The creator and the thread meet twice: worker_open() waits for the start, worker_join() for the
 * end. Between the two everything of a worker is touched by its own thread only, but for the
 * mailbox, which has a lock that no request ever takes.
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "bandog/log.h"
#include "bandog/metrics.h"

#define LOG_RETRY_NS (20 * INT64_C(1000000))

/* What the creator lends the thread until it has started. */
struct birth {
    struct bd_worker *worker;
    struct worker_hooks hooks;
    uv_sem_t started;
    int result;
};

/* Turns */

static void retry_log(struct bd_deadline *d)
{
    (void)d; /* expiring is enough: the turn that follows flushes */
}

static void run_turns(struct bd_worker *w)
{
    struct bd_queue *q;

    while ((q = bd_queue_shift(&w->turns))) {
        struct bd_turn *t = BD_CONTAINER(q, struct bd_turn, link);

        t->run(t);
    }
}

static void on_turn_end(uv_prepare_t *handle)
{
    struct bd_worker *w = handle->data;

    run_turns(w);
    if (!bd_log_flush())
        bd_deadline_start(w, &w->log_retry, LOG_RETRY_NS, retry_log);
}

void bd_turn_add(struct bd_worker *w, struct bd_turn *t, void (*run)(struct bd_turn *t))
{
    if (t->link.next)
        bd_queue_remove(&t->link);
    t->run = run;
    bd_queue_push(&w->turns, &t->link);
}

void bd_turn_cancel(struct bd_turn *t)
{
    if (t->link.next)
        bd_queue_remove(&t->link);
}

/* Blocks */

char *bd_block_take(struct bd_worker *w)
{
    char *block;

    if (w->spare_blocks > 0)
        return w->spare_block[--w->spare_blocks];
    block = malloc(BD_BLOCK_BYTES);
    if (!block)
        abort();
    return block;
}

void bd_block_give(struct bd_worker *w, char *block)
{
    if (!block)
        return;
    if (w->spare_blocks < WORKER_SPARE_BLOCKS)
        w->spare_block[w->spare_blocks++] = block;
    else
        free(block);
}

/* Mail */

static struct bd_queue *take_mail(struct bd_worker *w)
{
    struct bd_queue *q;

    uv_mutex_lock(&w->mail_lock);
    q = bd_queue_shift(&w->mail);
    uv_mutex_unlock(&w->mail_lock);
    return q;
}

/* One at a time: a letter may close the mailbox, which reads the rest before it goes on. */
static void on_mail(uv_async_t *handle)
{
    struct bd_worker *w = handle->data;
    struct bd_queue *q;

    while ((q = take_mail(w))) {
        struct bd_mail *m = BD_CONTAINER(q, struct bd_mail, link);

        m->run(w, m);
    }
}

bool bd_worker_post(struct bd_worker *w, struct bd_mail *m)
{
    bool open;

    uv_mutex_lock(&w->mail_lock);
    open = !w->mail_closed;
    if (open) {
        bd_queue_push(&w->mail, &m->link);
        uv_async_send(&w->mail_come);
    }
    uv_mutex_unlock(&w->mail_lock);
    return open;
}

void worker_close_mail(struct bd_worker *w)
{
    uv_mutex_lock(&w->mail_lock);
    assert(!w->mail_closed);
    w->mail_closed = true;
    uv_mutex_unlock(&w->mail_lock);
    on_mail(&w->mail_come); /* what came before the door closed */
    uv_close((uv_handle_t *)&w->mail_come, NULL);
}

/* Life */

static int open_handles(struct bd_worker *w)
{
    int err = uv_loop_init(&w->loop);

    if (err)
        return err;
    err = uv_async_init(&w->loop, &w->mail_come, on_mail);
    if (err)
        goto fail_loop;
    w->mail_come.data = w;

    /* Neither call below can fail: they fill in structures. */
    uv_prepare_init(&w->loop, &w->turn_end);
    w->turn_end.data = w;
    uv_prepare_start(&w->turn_end, on_turn_end);
    uv_unref((uv_handle_t *)&w->turn_end);
    deadlines_init(&w->deadlines, &w->loop);
    return 0;

fail_loop:
    uv_loop_close(&w->loop);
    return err;
}

static void close_handles(struct bd_worker *w)
{
    int err;

    bd_deadline_stop(&w->log_retry);
    uv_close((uv_handle_t *)&w->turn_end, NULL);
    deadlines_close(&w->deadlines);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    err = uv_loop_close(&w->loop);
    assert(err == 0); /* something on this worker was never closed */
    (void)err;
}

static void run(struct bd_worker *w)
{
    do {
        uv_run(&w->loop, UV_RUN_DEFAULT);
        run_turns(w); /* of the very last event: the loop does not go to sleep again */
    } while (uv_loop_alive(&w->loop));
}

static void worker_main(void *arg)
{
    struct birth *birth = arg;
    struct bd_worker *w = birth->worker;
    struct worker_hooks hooks = birth->hooks;
    int result;

    bd_log_thread_start();
    result = hooks.start(w, hooks.arg);
    if (result)
        worker_close_mail(w);
    birth->result = result;
    uv_sem_post(&birth->started); /* `birth` is gone from here on */

    run(w);
    hooks.end(w, hooks.arg);
    close_handles(w);
    bd_log_thread_stop();
}

static void worker_free(struct bd_worker *w)
{
    while (w->spare_blocks > 0)
        free(w->spare_block[--w->spare_blocks]);
    bd_metrics_free(w->metrics);
    uv_mutex_destroy(&w->mail_lock);
    free(w);
}

static int worker_new(struct bd_worker **ret_worker)
{
    struct bd_worker *w = calloc(1, sizeof(*w));
    int err;

    if (!w)
        return UV_ENOMEM;
    w->metrics = bd_metrics_new();
    bd_queue_init(&w->turns);
    bd_queue_init(&w->mail);
    bd_queue_init(&w->children);
    bd_queue_init(&w->spare_children);
    uv_mutex_init(&w->mail_lock);
    err = open_handles(w);
    if (err)
        worker_free(w);
    else
        *ret_worker = w;
    return err;
}

int worker_open(struct bd_worker **ret_worker, const struct worker_hooks *hooks)
{
    struct birth birth = {.hooks = *hooks};
    struct bd_worker *w;
    int err = worker_new(&w);

    if (err)
        return err;
    birth.worker = w;
    err = uv_sem_init(&birth.started, 0);
    if (err)
        goto fail_worker;
    err = uv_thread_create(&w->thread, worker_main, &birth);
    if (err)
        goto fail_sem;
    uv_sem_wait(&birth.started);
    uv_sem_destroy(&birth.started);
    if (birth.result) {
        worker_join(w);
        return birth.result;
    }
    *ret_worker = w;
    return 0;

fail_sem:
    uv_sem_destroy(&birth.started);
fail_worker:
    worker_close_mail(w);
    close_handles(w);
    worker_free(w);
    return err;
}

int worker_open_here(struct bd_worker **ret_worker)
{
    int err = worker_new(ret_worker);

    if (!err)
        bd_log_thread_start();
    return err;
}

void worker_run_here(struct bd_worker *w, void (*end)(struct bd_worker *w))
{
    run(w);
    end(w);
    close_handles(w);
    worker_free(w);
    bd_log_thread_stop();
}

void worker_join(struct bd_worker *w)
{
    uv_thread_join(&w->thread);
    worker_free(w);
}

/* What modes may ask */

uv_loop_t *bd_worker_loop(struct bd_worker *w)
{
    return &w->loop;
}

struct bd_metrics *bd_worker_metrics(struct bd_worker *w)
{
    return w->metrics;
}

void *bd_worker_data(struct bd_worker *w)
{
    return w->data;
}

void bd_worker_set_data(struct bd_worker *w, void *data)
{
    w->data = data;
}
