/* The log with a reader that stands still or is gone: lines are lost, counted, and nothing waits */
#include "log_ends.h"

static const char text_of_lost[] = "log lines lost: stderr is not taking them";

static void assert_taken(int fd, const char *expected)
{
    char *text = take(fd);

    assert_string_equal(text, expected);
    free(text);
}

/* Makes the pipe or socket take nothing more, by lines of ours. */
static unsigned long fill(void)
{
    unsigned long lines = 0;

    do
        bd_log("filling %lu", lines++);
    while (bd_log_flush());
    return lines;
}

/* A reader that stands still costs lines, never time; it learns how many. */
static void stalled_reader(int reader)
{
    unsigned long filled, i = 0, lost;
    char *text, *end, *at;

    bd_log_thread_start();
    filled = fill();
    while (!atomic_load(&streams[1].lost))
        bd_log("filling %lu", filled++);
    assert_false(bd_log_flush());
    for (int k = 0; k < 9; k++)
        bd_log("lost %d", k);
    lost = atomic_load(&streams[1].lost);
    assert_int_equal(lost, 10);

    text = take(reader);
    while (!bd_log_flush()) {
        char *more = take(reader);

        text = realloc(text, strlen(text) + strlen(more) + 1);
        memcpy(text + strlen(text), more, strlen(more) + 1);
        free(more);
    }
    at = take(reader);
    text = realloc(text, strlen(text) + strlen(at) + 1);
    memcpy(text + strlen(text), at, strlen(at) + 1);
    free(at);

    lost = 0;
    for (at = text; (end = strchr(at, '\n')); at = end + 1) {
        char expected[64];

        *end = '\0';
        if (strstr(at, text_of_lost)) {
            lost += strtoul(at + LOG_STAMP_BYTES, NULL, 10);
            continue;
        }
        snprintf(expected, sizeof(expected), "filling %lu", i++);
        assert_stamped(at, expected);
    }
    assert_int_equal(*at, '\0');
    assert_int_equal(lost, 10);
    assert_int_equal(i, filled - 1);
    assert_int_equal(atomic_load(&streams[1].lost), 0);

    bd_log_raw(BD_LOG_STDERR, "fine\n", 5);
    bd_log_thread_stop();
    assert_taken(reader, "fine\n");
    free(text);
}

static void test_full_pipe(void **state)
{
    int fd[2];

    open_pipe(fd);
    assert_int_equal(streams[1].way, LOG_WAY_WRITE);
    assert_int_not_equal(streams[1].fd, fd[WRITE_END]);
    stalled_reader(fd[READ_END]);
    assert_false(fcntl(fd[WRITE_END], F_GETFL) & O_NONBLOCK);
    close_both(fd);
}

static void test_full_pipe_that_cannot_be_opened_again(void **state)
{
    int fd[2];

    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    point_streams_at(-1, fd[WRITE_END]);
    streams[1].way = LOG_WAY_POLL;
    stalled_reader(fd[READ_END]);
    assert_false(fcntl(fd[WRITE_END], F_GETFL) & O_NONBLOCK);
    close_both(fd);
}

static void test_full_socket(void **state)
{
    int fd[2];

    open_sockets(fd, SOCK_STREAM);
    assert_int_equal(streams[1].way, LOG_WAY_SEND);
    stalled_reader(fd[READ_END]);
    assert_false(fcntl(fd[WRITE_END], F_GETFL) & O_NONBLOCK);
    close_both(fd);
}

static void test_lines_of_a_thread_without_buffers_are_lost_and_counted(void **state)
{
    char *text, *report;
    int fd[2];

    open_pipe(fd);
    bd_log_thread_start();
    fill();
    bd_log_thread_stop();
    atomic_store(&streams[1].lost, 0);
    bd_log("lost");
    assert_int_equal(atomic_load(&streams[1].lost), 1);

    free(take(fd[READ_END]));
    bd_log("back");
    text = take(fd[READ_END]);
    report = strchr(text, '\n') + 1;
    assert_stamped(report, "1 log line lost: stderr is not taking them\n");
    *report = '\0';
    assert_stamped(text, "back\n");
    free(text);
    close_both(fd);
}

static void test_closed_descriptor(void **state)
{
    int fd[2], reader;

    assert_int_equal(pipe(fd), 0);
    close(fd[WRITE_END]);
    point_streams_at(fd[WRITE_END], fd[WRITE_END]);
    bd_log_open();
    assert_false(joined);

    /* Whoever gets the number now is not written to. */
    reader = fd[READ_END];
    assert_int_equal(pipe(fd), 0);
    bd_log("into the void");
    bd_log_thread_start();
    bd_log("into the void");
    assert_true(bd_log_flush());
    bd_log_thread_stop();
    assert_taken(fd[READ_END], "");
    close_both(fd);
    close(reader);
}

static void test_descriptor_closed_later(void **state)
{
    int fd[2];

    open_sockets(fd, SOCK_STREAM);
    close(fd[WRITE_END]);
    bd_log_thread_start();
    bd_log("x");
    assert_true(bd_log_flush());
    assert_int_equal(atomic_load(&streams[1].lost), 1);
    bd_log_thread_stop();
    close(fd[READ_END]);
}

static void reader_gone(int fd[2])
{
    close(fd[READ_END]);
    bd_log_thread_start();
    for (int i = 0; i < 3; i++) {
        bd_log("x");
        assert_true(bd_log_flush());
    }
    assert_int_equal(atomic_load(&streams[1].lost), 3);
    bd_log_thread_stop();
    close_again(fd[WRITE_END]);
    close(fd[WRITE_END]);
}

static void test_reader_gone(void **state)
{
    int fd[2];

    open_pipe(fd);
    reader_gone(fd);
    open_sockets(fd, SOCK_STREAM);
    reader_gone(fd);
    assert_int_equal(pipe(fd), 0);
    point_streams_at(-1, fd[WRITE_END]);
    streams[1].way = LOG_WAY_POLL;
    reader_gone(fd);
}

static void test_no_space(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        skip();
    point_streams_at(-1, fd);
    bd_log_open();
    bd_log_thread_start();
    bd_log("x");
    bd_log("x");
    assert_true(bd_log_flush());
    assert_int_equal(atomic_load(&streams[1].lost), 2);
    bd_log_thread_stop();
    close_again(fd);
    close(fd);
}

static void test_partly_taken_bytes_are_dropped_whole_on_a_dead_stream(void **state)
{
    int fd[2];

    open_sockets(fd, SOCK_STREAM);
    bd_log_thread_start();
    fill();
    close(fd[READ_END]);
    assert_true(bd_log_flush());
    assert_true(atomic_load(&streams[1].lost) > 0);
    assert_false(thread.buffer[1].mid_line);
    bd_log_thread_stop();
    close(fd[WRITE_END]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_pipe),
        cmocka_unit_test(test_full_pipe_that_cannot_be_opened_again),
        cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_lines_of_a_thread_without_buffers_are_lost_and_counted),
        cmocka_unit_test(test_closed_descriptor),
        cmocka_unit_test(test_descriptor_closed_later),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_partly_taken_bytes_are_dropped_whole_on_a_dead_stream),
    };

    return cmocka_run_group_tests(tests, block_sigpipe, NULL);
}
