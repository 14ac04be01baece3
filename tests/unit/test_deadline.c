/* deadline.c: on a real worker, whose thread runs the whole test of each group of deadlines */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "../../watchdog/loop/deadline.c"

#define MS INT64_C(1000000)

/* One deadline of a test; what it has seen. */
struct item {
    struct bd_deadline d;
    struct bd_worker *worker;
    int64_t after_ns, began_ns, took_ns;
    int fired, again;
    void (*also)(struct item *i);
    struct item *other;
};

static struct {
    struct item item[64];
    int order[256]; /* which expired, one after the other */
    int expired;
    uv_idle_t keep; /* deadlines alone do not hold a loop */
    bool stop;
    void (*start)(struct bd_worker *w);
    int until; /* expiries to wait for */
} run;

static void on_kept(uv_handle_t *handle)
{
}

static void check_end(void)
{
    if (run.expired >= run.until && !uv_is_closing((uv_handle_t *)&run.keep))
        uv_close((uv_handle_t *)&run.keep, on_kept);
}

static void on_expired(struct bd_deadline *d)
{
    struct item *i = BD_CONTAINER(d, struct item, d);

    assert(bd_queue_empty(&d->link)); /* stopped already */
    i->fired++;
    i->took_ns = bd_now_ns() - i->began_ns;
    assert(i->took_ns >= i->after_ns);
    assert(run.expired < 256);
    run.order[run.expired++] = (int)(i - run.item);
    if (i->also)
        i->also(i);
    check_end();
}

static void go(int n, int64_t after_ns, struct bd_worker *w)
{
    struct item *i = &run.item[n];

    i->worker = w;
    i->after_ns = after_ns;
    i->began_ns = bd_now_ns();
    bd_deadline_start(w, &i->d, after_ns, on_expired);
}

static void on_idle(uv_idle_t *idle)
{
}

static int on_start(struct bd_worker *w, void *arg)
{
    uv_idle_init(&w->loop, &run.keep);
    uv_idle_start(&run.keep, on_idle);
    run.start(w);
    check_end();
    worker_close_mail(w);
    return 0;
}

static void on_end(struct bd_worker *w, void *arg)
{
    for (int i = 0; i < 64; i++)
        bd_deadline_stop(&run.item[i].d);
    for (int i = 0; i < DEADLINE_PERIODS; i++)
        assert(bd_queue_empty(&w->deadlines.period[i].list));
    assert(bd_queue_empty(&w->deadlines.others));
}

static void work(void (*start)(struct bd_worker *w), int until)
{
    struct worker_hooks hooks = {.start = on_start, .end = on_end};
    struct bd_worker *w;

    memset(&run, 0, sizeof(run));
    run.start = start;
    run.until = until;
    assert_int_equal(worker_open(&w, &hooks), 0);
    worker_join(w);
}

/* Order */

static void start_equal(struct bd_worker *w)
{
    for (int i = 0; i < 20; i++)
        go(i, 2 * MS, w);
}

static void test_equal_periods_keep_order(void **state)
{
    work(start_equal, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(run.order[i], i);
}

static void start_many_periods(struct bd_worker *w)
{
    for (int i = 0; i < 40; i++)
        go(i, (1 + i * 7 % 40) * MS, w);
}

/* More periods than lists: all come, none early. Those in the shared list come in order. */
static void test_many_periods(void **state)
{
    int64_t last_ns = 0;

    work(start_many_periods, 40);
    for (int i = 0; i < 40; i++) {
        const struct item *it = &run.item[run.order[i]];

        assert_int_equal(it->fired, 1);
        if (run.order[i] >= DEADLINE_PERIODS) {
            assert_true(it->d.at_ns >= last_ns);
            last_ns = it->d.at_ns;
        }
    }
}

/* The timer is moved forward for each. */
static void start_reversed(struct bd_worker *w)
{
    for (int i = 0; i < 5; i++)
        go(i, (3600 * 1000 - i) * MS, w);
    for (int i = 5; i < 10; i++)
        go(i, (20 - i) * MS, w);
}

static void test_shorter_ones_started_later(void **state)
{
    work(start_reversed, 5);
    for (int i = 0; i < 10; i++)
        assert_int_equal(run.item[i].fired, i >= 5);
}

static void start_negative(struct bd_worker *w)
{
    go(0, 0, w);
    bd_deadline_start(w, &run.item[1].d, -5, on_expired);
    bd_deadline_start(w, &run.item[2].d, INT64_MIN, on_expired);
}

static void test_at_once(void **state)
{
    work(start_negative, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(run.item[i].fired, 1);
}

static void start_far(struct bd_worker *w)
{
    go(0, INT64_MAX, w);
    go(1, INT64_MAX - 1, w);
    for (int i = 2; i < 20; i++)
        go(i, INT64_MAX / 2 - i, w);
    go(20, 1 * MS, w);
}

static void test_far_away(void **state)
{
    work(start_far, 1);
    assert_int_equal(run.order[0], 20);
    assert_int_equal(run.item[0].fired + run.item[1].fired + run.item[19].fired, 0);
}

/* Stopping and starting again */

static void stop_other(struct item *i)
{
    bd_deadline_stop(&i->other->d);
    bd_deadline_stop(&i->d);
}

static void start_stopping(struct bd_worker *w)
{
    bd_deadline_stop(&run.item[9].d); /* never started */
    for (int i = 0; i < 4; i++)
        go(i, 2 * MS, w);
    run.item[0].also = stop_other; /* expires in the same breath */
    run.item[0].other = &run.item[1];
    run.item[2].also = stop_other;
    run.item[2].other = &run.item[0];
    bd_deadline_stop(&run.item[3].d);
    bd_deadline_stop(&run.item[3].d);
    go(4, 20 * MS, w);
}

static void test_stop(void **state)
{
    work(start_stopping, 3);
    assert_int_equal(run.order[0], 0);
    assert_int_equal(run.order[1], 2);
    assert_int_equal(run.order[2], 4);
    assert_int_equal(run.item[1].fired, 0);
    assert_int_equal(run.item[3].fired, 0);
}

/* The earliest is stopped: the timer, which stays armed for it, harms nobody. */
static void start_with_earliest_stopped(struct bd_worker *w)
{
    go(0, 1 * MS, w);
    go(1, 10 * MS, w);
    bd_deadline_stop(&run.item[0].d);
}

static void test_earliest_stopped(void **state)
{
    work(start_with_earliest_stopped, 1);
    assert_int_equal(run.order[0], 1);
}

static void start_again(struct item *i)
{
    if (i->again-- > 0)
        go((int)(i - run.item), i->after_ns, i->worker);
}

static void start_restarting(struct bd_worker *w)
{
    for (int i = 0; i < 12; i++) {
        run.item[i].also = start_again;
        run.item[i].again = 4;
        go(i, (i + 1) * MS / 2, w);
    }
}

static void test_restart_in_callback(void **state)
{
    work(start_restarting, 60);
    for (int i = 0; i < 12; i++)
        assert_int_equal(run.item[i].fired, 5);
}

/* One that restarts with no delay leaves the loop its turns: the idle handle runs in between. */
static int idle_turns, turns_seen;

static void on_counted_turn(uv_idle_t *idle)
{
    idle_turns++;
}

static void start_again_at_once(struct item *i)
{
    if (i->again-- > 0) {
        turns_seen += idle_turns > 0;
        idle_turns = 0;
        go(0, 0, i->worker);
    }
}

static void start_restless(struct bd_worker *w)
{
    idle_turns = turns_seen = 0;
    uv_idle_stop(&run.keep);
    uv_idle_start(&run.keep, on_counted_turn);
    run.item[0].also = start_again_at_once;
    run.item[0].again = 200;
    go(0, 0, w);
}

static void test_restart_at_once_is_fair(void **state)
{
    work(start_restless, 201);
    assert_true(turns_seen > 50);
}

static void move_other(struct item *i)
{
    go((int)(i->other - run.item), 200 * MS, i->worker);
}

static void start_moving(struct bd_worker *w)
{
    go(0, 3600000 * MS, w);
    go(0, 1 * MS, w); /* moved forward */
    go(1, 1 * MS, w);
    go(1, 20 * MS, w); /* and back */
    run.item[0].also = move_other;
    run.item[0].other = &run.item[2];
    go(2, 5 * MS, w);
}

static void test_move(void **state)
{
    work(start_moving, 3);
    assert_int_equal(run.order[0], 0);
    assert_int_equal(run.order[1], 1);
    assert_int_equal(run.order[2], 2);
    assert_true(run.item[2].took_ns >= 200 * MS);
}

/* A list whose last one expires changes its period inside that one's callback. */
static void start_other_period(struct item *i)
{
    int n = (int)(i - run.item) + 20;

    go(n, (1 + n % 9) * MS, i->worker);
}

static void start_changing(struct bd_worker *w)
{
    for (int i = 0; i < 16; i++) {
        run.item[i].also = start_other_period;
        go(i, (1 + i) * MS / 4, w);
    }
}

static void test_lists_change_period(void **state)
{
    work(start_changing, 32);
    for (int i = 0; i < 16; i++)
        assert_int_equal(run.item[i].fired + run.item[i + 20].fired, 2);
}

/* Stopped deadlines hold neither the loop nor anything else. */
static void start_forgotten(struct bd_worker *w)
{
    go(0, 3600000 * MS, w);
}

static void test_deadlines_do_not_hold_the_loop(void **state)
{
    work(start_forgotten, 0);
    assert_int_equal(run.item[0].fired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_periods_keep_order),
        cmocka_unit_test(test_many_periods),
        cmocka_unit_test(test_shorter_ones_started_later),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_far_away),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_earliest_stopped),
        cmocka_unit_test(test_restart_in_callback),
        cmocka_unit_test(test_restart_at_once_is_fair),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_lists_change_period),
        cmocka_unit_test(test_deadlines_do_not_hold_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
