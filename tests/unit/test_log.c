/* log.c and what it is made of: the form of lines, batches, and where they go */
#include "log_ends.h"

static void assert_taken(int fd, const char *expected)
{
    char *text = take(fd);

    assert_string_equal(text, expected);
    free(text);
}

static void assert_taken_stamped(int fd, const char *rest)
{
    char *text = take(fd);

    assert_stamped(text, rest);
    free(text);
}

static void test_line(void **state)
{
    int fd[2];

    open_pipe(fd);
    bd_log("cannot open '%s': %d", "x", 3);
    assert_taken_stamped(fd[READ_END], "cannot open 'x': 3\n");
    bd_log("%s", "");
    assert_taken_stamped(fd[READ_END], "\n");
    close_both(fd);
}

/* On a thread of its own, where no stamp is cached. */
static void *stamp_between(void *arg)
{
    char before[LOG_STAMP_BYTES + 1], after[LOG_STAMP_BYTES + 1], stamp[LOG_STAMP_BYTES + 1];
    time_t now_s = time(NULL);
    struct tm tm;

    strftime(before, sizeof(before), "%Y/%m/%d %H:%M:%S ", localtime_r(&now_s, &tm));
    memcpy(stamp, log_stamp(), sizeof(stamp));
    now_s = time(NULL);
    strftime(after, sizeof(after), "%Y/%m/%d %H:%M:%S ", localtime_r(&now_s, &tm));
    *(bool *)arg = strcmp(before, stamp) <= 0 && strcmp(stamp, after) <= 0;
    return NULL;
}

static void test_stamp_is_local_time(void **state)
{
    bool fits = false;
    pthread_t t;

    assert_int_equal(setenv("TZ", "XXX-5:45", 1), 0);
    tzset();
    assert_int_equal(pthread_create(&t, NULL, stamp_between, &fits), 0);
    pthread_join(t, NULL);
    unsetenv("TZ");
    tzset();
    assert_true(fits);
}

static void test_lines_of_any_length(void **state)
{
    static const size_t lengths[] = {254, 255, 256, 257, 4076, 4077, 50000};
    char *words = malloc(50001), *text;
    int fd[2];

    memset(words, 'w', 50000);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        open_pipe(fd);
        words[lengths[i]] = '\0';
        bd_log("%s", words);
        text = take(fd[READ_END]);
        assert_int_equal(strlen(text), LOG_STAMP_BYTES + lengths[i] + 1);
        assert_memory_equal(text + LOG_STAMP_BYTES, words, lengths[i]);
        assert_int_equal(text[strlen(text) - 1], '\n');
        words[lengths[i]] = 'w';
        free(text);
        close_both(fd);
    }
    free(words);
}

static void test_lines_of_a_function(void **state)
{
    int fd[2];
    char got[64];

    open_pipe(fd);
    bd_log_line(BD_LOG_STDERR, true, "stderr", "hi", 2);
    assert_taken_stamped(fd[READ_END], "stderr: hi\n");
    bd_log_line(BD_LOG_STDERR, true, NULL, "hi", 2);
    assert_taken_stamped(fd[READ_END], "hi\n");
    bd_log_line(BD_LOG_STDERR, false, "stderr", "hi", 2);
    assert_taken(fd[READ_END], "hi\n");
    bd_log_line(BD_LOG_STDERR, false, NULL, NULL, 0);
    assert_taken(fd[READ_END], "\n");
    bd_log_raw(BD_LOG_STDERR, "raw", 3);
    bd_log_raw(BD_LOG_STDERR, NULL, 0);
    assert_taken(fd[READ_END], "raw");

    bd_log_line(BD_LOG_STDERR, false, NULL, "\0\xff\r", 3);
    assert_int_equal(read(fd[READ_END], got, sizeof(got)), 4);
    assert_memory_equal(got, "\0\xff\r\n", 4);
    close_both(fd);
}

static void test_gathered_lines_leave_at_flush(void **state)
{
    int fd[2];

    open_pipe(fd);
    bd_log_thread_start();
    bd_log_raw(BD_LOG_STDERR, "a\n", 2);
    bd_log_raw(BD_LOG_STDERR, "b\n", 2);
    assert_taken(fd[READ_END], "");
    assert_true(bd_log_flush());
    assert_taken(fd[READ_END], "a\nb\n");
    assert_true(bd_log_flush());

    bd_log_raw(BD_LOG_STDERR, "c\n", 2);
    bd_log_thread_stop();
    assert_taken(fd[READ_END], "c\n");
    assert_true(bd_log_flush());
    bd_log_thread_stop();
    close_both(fd);
}

/* A socket that keeps messages apart shows each write. */
static void test_batches_end_with_a_line(void **state)
{
    char message[2 * PIPE_BUF], line[100];
    size_t total = 0, writes = 0;
    ssize_t n;
    int fd[2];

    memset(line, 'x', sizeof(line));
    open_sockets(fd, SOCK_SEQPACKET);
    bd_log_thread_start();
    for (int i = 0; i < 10; i++)
        bd_log_line(BD_LOG_STDERR, false, NULL, line, sizeof(line));
    assert_true(bd_log_flush());
    assert_int_equal(read(fd[READ_END], message, sizeof(message)), 1010);

    for (int i = 0; i < 100; i++)
        bd_log_line(BD_LOG_STDERR, false, NULL, line, sizeof(line));
    assert_true(bd_log_flush());
    bd_log_thread_stop();
    close(fd[WRITE_END]);
    while ((n = read(fd[READ_END], message, sizeof(message))) > 0) {
        assert_in_range(n, 101, PIPE_BUF);
        assert_int_equal(n % 101, 0);
        total += (size_t)n;
        writes++;
    }
    assert_int_equal(total, 10100);
    assert_int_equal(writes, 3);
    close(fd[READ_END]);
}

static void test_one_long_line_is_one_write(void **state)
{
    char message[4 * PIPE_BUF], line[2 * PIPE_BUF];
    int fd[2];

    memset(line, 'x', sizeof(line));
    open_sockets(fd, SOCK_SEQPACKET);
    bd_log_thread_start();
    bd_log_raw(BD_LOG_STDERR, "a\n", 2);
    bd_log_line(BD_LOG_STDERR, false, NULL, line, sizeof(line));
    bd_log_raw(BD_LOG_STDERR, "b\n", 2);
    assert_true(bd_log_flush());
    assert_int_equal(read(fd[READ_END], message, sizeof(message)), 2);
    assert_int_equal(read(fd[READ_END], message, sizeof(message)), sizeof(line) + 1);
    assert_int_equal(read(fd[READ_END], message, sizeof(message)), 2);
    bd_log_thread_stop();
    close_both(fd);
}

/* As a shell does: `{ echo first; fwatchdog; echo last; } >file 2>&1` */
static void test_file_keeps_the_shared_position(void **state)
{
    FILE *file = tmpfile();
    char got[64] = "";
    int fd;

    assert_non_null(file);
    fd = fileno(file);
    assert_int_equal(write(fd, "first\n", 6), 6);
    point_streams_at(fd, fd);
    bd_log_open();
    bd_log_line(BD_LOG_STDERR, false, NULL, "err", 3);
    bd_log_line(BD_LOG_STDOUT, false, NULL, "out", 3);
    assert_int_equal(write(fd, "last\n", 5), 5);
    assert_int_equal(pread(fd, got, sizeof(got), 0), 19);
    assert_string_equal(got, "first\nerr\nout\nlast\n");
    fclose(file);
}

static void test_order_across_both_is_kept_when_they_are_one(void **state)
{
    int fd[2], out;

    assert_int_equal(pipe(fd), 0);
    out = dup(fd[WRITE_END]);
    point_streams_at(out, fd[WRITE_END]);
    bd_log_open();
    assert_true(joined);
    bd_log_thread_start();
    for (int i = 0; i < 3; i++) {
        bd_log_raw(BD_LOG_STDOUT, "o", 1);
        bd_log_raw(BD_LOG_STDERR, "e", 1);
    }
    bd_log_thread_stop();
    assert_taken(fd[READ_END], "oeoeoe");
    close(out);
    close_both(fd);
}

static void test_stdout_is_apart_when_it_is_another(void **state)
{
    int out[2], err[2];

    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    point_streams_at(out[WRITE_END], err[WRITE_END]);
    bd_log_open();
    assert_false(joined);
    bd_log_raw(BD_LOG_STDOUT, "out", 3);
    bd_log_raw(BD_LOG_STDERR, "err", 3);
    assert_taken(out[READ_END], "out");
    assert_taken(err[READ_END], "err");
    close(streams[0].fd);
    close_both(err);
    close(out[READ_END]);
    close(out[WRITE_END]);
}

/* A descriptor of ours must not become a child's stdout. */
static void test_opened_again_above_the_standard_ones(void **state)
{
    int status, fd[2];
    pid_t pid;

    assert_int_equal(pipe(fd), 0);
    pid = fork();
    if (pid == 0) {
        close(0);
        close(1);
        point_streams_at(1, fd[WRITE_END]);
        bd_log_open();
        _exit(streams[1].fd > 2 && streams[0].way == LOG_WAY_NONE &&
                      fcntl(streams[1].fd, F_GETFD) & FD_CLOEXEC && fcntl(0, F_GETFD) < 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(fd[READ_END]);
    close(fd[WRITE_END]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_stamp_is_local_time),
        cmocka_unit_test(test_lines_of_any_length),
        cmocka_unit_test(test_lines_of_a_function),
        cmocka_unit_test(test_gathered_lines_leave_at_flush),
        cmocka_unit_test(test_batches_end_with_a_line),
        cmocka_unit_test(test_one_long_line_is_one_write),
        cmocka_unit_test(test_file_keeps_the_shared_position),
        cmocka_unit_test(test_order_across_both_is_kept_when_they_are_one),
        cmocka_unit_test(test_stdout_is_apart_when_it_is_another),
        cmocka_unit_test(test_opened_again_above_the_standard_ones),
    };

    return cmocka_run_group_tests(tests, block_sigpipe, NULL);
}
