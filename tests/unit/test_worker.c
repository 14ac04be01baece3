/* worker.c: mail, turns, blocks, and how a worker begins and ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../../watchdog/loop/worker.c"

static int quiet_start(struct bd_worker *w, void *arg)
{
    return 0;
}

static void quiet_end(struct bd_worker *w, void *arg)
{
}

static struct bd_worker *hire(int (*start)(struct bd_worker *w, void *arg), void *arg)
{
    struct worker_hooks hooks = {.start = start, .end = quiet_end, .arg = arg};
    struct bd_worker *w;

    assert_int_equal(worker_open(&w, &hooks), 0);
    return w;
}

static void close_door(struct bd_worker *w, struct bd_mail *m)
{
    worker_close_mail(w);
}

static void dismiss(struct bd_worker *w)
{
    struct bd_mail last = {.run = close_door};

    assert_true(bd_worker_post(w, &last));
    worker_join(w);
}

/* Beginning and end */

static void test_nothing_to_do(void **state)
{
    struct bd_worker *w = hire(quiet_start, NULL);

    assert_non_null(bd_worker_loop(w));
    assert_non_null(bd_worker_metrics(w));
    dismiss(w);
}

static int ends;

static int refuse_to_start(struct bd_worker *w, void *arg)
{
    return *(int *)arg;
}

static void count_end(struct bd_worker *w, void *arg)
{
    ends++;
}

static void test_start_fails(void **state)
{
    int why = -5;
    struct worker_hooks hooks = {.start = refuse_to_start, .end = count_end, .arg = &why};
    struct bd_worker *w = NULL;

    ends = 0;
    assert_int_equal(worker_open(&w, &hooks), -5);
    assert_null(w);
    assert_int_equal(ends, 1);
}

static int start_with_closed_door(struct bd_worker *w, void *arg)
{
    bd_worker_set_data(w, arg);
    worker_close_mail(w);
    return 0;
}

static void test_mail_after_close(void **state)
{
    int data;
    struct bd_worker *w = hire(start_with_closed_door, &data);
    struct bd_mail m = {.run = close_door};

    assert_ptr_equal(bd_worker_data(w), &data);
    assert_false(bd_worker_post(w, &m));
    worker_join(w);
}

/* Mail */

struct letter {
    struct bd_mail mail;
    unsigned sender, number;
};

#define SENDERS 4
#define LETTERS 2000

static struct {
    pthread_t thread;
    unsigned got[SENDERS];
    unsigned sum;
} seen;

static void on_letter(struct bd_worker *w, struct bd_mail *m)
{
    struct letter *l = BD_CONTAINER(m, struct letter, mail);

    assert(pthread_equal(pthread_self(), w->thread));
    assert(l->number == seen.got[l->sender]);
    seen.got[l->sender]++;
    seen.sum++;
    free(l);
}

struct sender {
    struct bd_worker *worker;
    pthread_t thread;
    unsigned number;
};

static void *send_letters(void *arg)
{
    struct sender *s = arg;

    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *l = malloc(sizeof(*l));

        assert(l);
        *l = (struct letter){.mail.run = on_letter, .sender = s->number, .number = i};
        if (!bd_worker_post(s->worker, &l->mail))
            assert(!"mail is refused");
    }
    return NULL;
}

static void test_order_of_mail(void **state)
{
    struct bd_worker *w = hire(quiet_start, NULL);
    struct sender s[SENDERS];

    memset(&seen, 0, sizeof(seen));
    for (unsigned i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){.worker = w, .number = i};
        assert_int_equal(pthread_create(&s[i].thread, NULL, send_letters, &s[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(s[i].thread, NULL);
    dismiss(w);
    assert_int_equal(seen.sum, SENDERS * LETTERS);
}

/* Senders who come too late keep their letter; none is lost, none is run after the end. */
static atomic_uint ran, kept;

static void on_race(struct bd_worker *w, struct bd_mail *m)
{
    atomic_fetch_add(&ran, 1);
    free(m);
}

static void *race(void *arg)
{
    struct bd_worker *w = arg;

    for (unsigned i = 0; i < LETTERS; i++) {
        struct bd_mail *m = malloc(sizeof(*m));

        assert(m);
        m->run = on_race;
        if (!bd_worker_post(w, m)) {
            atomic_fetch_add(&kept, 1);
            free(m);
        }
    }
    return NULL;
}

static void test_mail_races_with_close(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct bd_worker *w = hire(quiet_start, NULL);
        struct bd_mail last = {.run = close_door};
        pthread_t thread;

        atomic_store(&ran, 0);
        atomic_store(&kept, 0);
        assert_int_equal(pthread_create(&thread, NULL, race, w), 0);
        while (i % 2 && atomic_load(&ran) == 0)
            sched_yield();
        assert_true(bd_worker_post(w, &last));
        pthread_join(thread, NULL);
        worker_join(w);
        assert_int_equal(atomic_load(&ran) + atomic_load(&kept), LETTERS);
    }
}

/* The door closes in the middle of a batch: what was posted first is still run first. */
static int order[8], ordered;

struct numbered {
    struct bd_mail mail;
    int number;
};

static void on_numbered(struct bd_worker *w, struct bd_mail *m)
{
    order[ordered++] = BD_CONTAINER(m, struct numbered, mail)->number;
}

static struct numbered third = {.mail.run = on_numbered, .number = 3};

static void post_and_close(struct bd_worker *w, struct bd_mail *m)
{
    order[ordered++] = 1;
    if (!bd_worker_post(w, &third.mail))
        assert(!"mail is refused");
    worker_close_mail(w);
}

static struct bd_mail first = {.run = post_and_close};
static struct numbered second = {.mail.run = on_numbered, .number = 2};

static int start_with_mail(struct bd_worker *w, void *arg)
{
    if (!bd_worker_post(w, &first) || !bd_worker_post(w, &second.mail))
        return -1;
    return 0;
}

static void test_order_around_close(void **state)
{
    ordered = 0;
    worker_join(hire(start_with_mail, NULL));
    assert_int_equal(ordered, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(order[i], i + 1);
}

/* Turns */

static struct bd_turn turn[4];

static void on_turn(struct bd_turn *t)
{
    order[ordered++] = (int)(t - turn);
    if (t == &turn[1]) {
        bd_turn_cancel(&turn[2]);
        if (ordered < 4)
            turn[3].run(&turn[3]);
    }
}

static struct bd_worker *at_work;

static void on_turn_once_more(struct bd_turn *t)
{
    order[ordered++] = (int)(t - turn);
    bd_turn_add(at_work, &turn[0], on_turn); /* in the same turn */
}

static int start_turns(struct bd_worker *w, void *arg)
{
    at_work = w;
    bd_turn_cancel(&turn[0]); /* never added */
    bd_turn_add(w, &turn[1], on_turn);
    bd_turn_add(w, &turn[2], on_turn);
    bd_turn_add(w, &turn[0], on_turn);
    turn[3].run = on_turn;
    bd_turn_add(w, &turn[3], on_turn_once_more);
    bd_turn_add(w, &turn[0], on_turn); /* again: moved behind, still once */
    turn[3].run = on_turn_once_more;
    return 0;
}

static void test_turns(void **state)
{
    struct bd_worker *w;

    memset(turn, 0, sizeof(turn));
    ordered = 0;
    w = hire(start_turns, NULL);
    dismiss(w);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3); /* called by hand; adds 0 behind */
    assert_int_equal(order[2], 3);
    assert_int_equal(order[3], 0);
    assert_int_equal(ordered, 4); /* 2 was taken out */
}

/* A turn added by the last event of a worker runs as well. */
static void add_and_close(struct bd_worker *w, struct bd_mail *m)
{
    bd_turn_add(w, &turn[0], on_turn);
    worker_close_mail(w);
}

static void test_turn_of_last_event(void **state)
{
    struct bd_mail m = {.run = add_and_close};
    struct bd_worker *w = hire(quiet_start, NULL);

    memset(turn, 0, sizeof(turn));
    ordered = 0;
    assert_true(bd_worker_post(w, &m));
    worker_join(w);
    assert_int_equal(ordered, 1);
}

/* Blocks */

static int play_with_blocks(struct bd_worker *w, void *arg)
{
    enum { MANY = 3 * WORKER_SPARE_BLOCKS };
    char *block[MANY], *again;

    for (int i = 0; i < MANY; i++) {
        block[i] = bd_block_take(w);
        memset(block[i], i, BD_BLOCK_BYTES);
    }
    for (int i = 0; i < MANY; i++)
        for (int j = i + 1; j < MANY; j++)
            assert(block[i] != block[j]);
    for (int i = 0; i < MANY; i++) {
        assert(block[i][0] == (char)i && block[i][BD_BLOCK_BYTES - 1] == (char)i);
        bd_block_give(w, block[i]);
    }
    bd_block_give(w, NULL);
    assert(w->spare_blocks == WORKER_SPARE_BLOCKS);
    again = bd_block_take(w);
    assert(w->spare_blocks == WORKER_SPARE_BLOCKS - 1);
    bd_block_give(w, again);
    return 0;
}

static void test_blocks(void **state)
{
    dismiss(hire(play_with_blocks, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_do),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_mail_after_close),
        cmocka_unit_test(test_order_of_mail),
        cmocka_unit_test(test_mail_races_with_close),
        cmocka_unit_test(test_order_around_close),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_turn_of_last_event),
        cmocka_unit_test(test_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
