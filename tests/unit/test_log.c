/*
 * log.c with log_buffer.c, log_stream.c and log_stamp.c: lines that never wait for their reader
 *
 * The streams are pointed at pipes, sockets and files of the test; 1 and 2 stay cmocka's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "../../watchdog/base/log.c"
#include "../../watchdog/base/log_buffer.c"
#include "../../watchdog/base/log_stamp.c"
#include "../../watchdog/base/log_stream.c"

#define MIB (1 << 20)

enum end { READ_END, WRITE_END };

static const char text_of_lost[] = "log lines lost: stderr is not taking them";

/* Both streams as they are before bd_log_open(), on these descriptors. */
static void point_streams_at(int out, int err)
{
    const char *names[] = {"stdout", "stderr"};
    const int fds[] = {out, err};

    for (size_t i = 0; i < STREAMS; i++) {
        streams[i].fd = fds[i];
        streams[i].way = LOG_WAY_WRITE;
        streams[i].name = names[i];
        atomic_store(&streams[i].lost, 0);
    }
    joined = false;
}

static void close_again(int fd)
{
    if (streams[1].fd != fd && streams[1].way == LOG_WAY_WRITE)
        close(streams[1].fd);
}

/* stderr goes to a pipe or socket pair, stdout nowhere. */
static void open_pipe(int fd[2])
{
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    point_streams_at(-1, fd[WRITE_END]);
    bd_log_open();
}

static void open_sockets(int fd[2], int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd), 0);
    point_streams_at(-1, fd[WRITE_END]);
    bd_log_open();
}

static void close_both(int fd[2])
{
    close_again(fd[WRITE_END]);
    close(fd[READ_END]);
    close(fd[WRITE_END]);
}

/* What can be read without waiting, NUL-terminated; to be freed. */
static char *take(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t len = 0, room = 4 * MIB;
    char *text = malloc(room + 1);

    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(fd, text + len, room - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

/* Reads what there is, which is one line with a stamp in front of `rest`. */
static void assert_stamped(const char *line, const char *rest)
{
    const char *form = "dddd/dd/dd dd:dd:dd ";

    assert_true(strlen(line) > LOG_STAMP_BYTES);
    for (size_t i = 0; i < LOG_STAMP_BYTES; i++)
        if (form[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], form[i]);
    assert_string_equal(line + LOG_STAMP_BYTES, rest);
}

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

/* Makes the pipe or socket take nothing more, by lines of ours. */
static unsigned long fill(void)
{
    unsigned long lines = 0;

    do
        bd_log("filling %lu", lines++);
    while (bd_log_flush());
    return lines;
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
    report = strstr(text, "1 log line lost: stderr is not taking them\n");
    assert_non_null(report);
    assert_stamped(strchr(report, '\n') + 1, "back\n");
    free(text);
    close_both(fd);
}

static void *read_to_end(void *arg)
{
    int fd = *(int *)arg;
    size_t len = 0, room = 8 * MIB;
    char *text = malloc(room);
    ssize_t n;

    while ((n = read(fd, text + len, room - len - 1)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

static void wait_until_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    poll(&p, 1, 60000);
}

static void flush_all(int fd)
{
    while (!bd_log_flush())
        wait_until_writable(fd);
}

static void test_long_line_passes(void **state)
{
    char *line = malloc(MIB);
    pthread_t reader;
    void *text;
    int fd[2];

    memset(line, 'x', MIB);
    open_pipe(fd);
    assert_int_equal(pthread_create(&reader, NULL, read_to_end, &fd[READ_END]), 0);
    bd_log_thread_start();
    bd_log_raw(BD_LOG_STDERR, "before\n", 7);
    bd_log_line(BD_LOG_STDERR, false, NULL, line, MIB);
    flush_all(fd[WRITE_END]);
    assert_int_equal(thread.buffer[1].capacity, 0); /* a burst's memory is given back */
    bd_log_raw(BD_LOG_STDERR, "after\n", 6);
    flush_all(fd[WRITE_END]);
    bd_log_thread_stop();
    close_again(fd[WRITE_END]);
    close(fd[WRITE_END]);
    pthread_join(reader, &text);

    assert_int_equal(strlen(text), 7 + MIB + 1 + 6);
    assert_memory_equal(text, "before\nx", 8);
    assert_memory_equal((char *)text + 7, line, MIB);
    assert_string_equal((char *)text + 7 + MIB, "\nafter\n");
    assert_int_equal(atomic_load(&streams[1].lost), 0);
    free(text);
    free(line);
    close(fd[READ_END]);
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

#define WRITERS 4
#define LINES 3000

/* Lines of 30 to PIPE_BUF bytes: "W N LETTERS", the letters all the same. */
static void *write_lines(void *arg)
{
    int writer = *(int *)arg;
    unsigned long seed = (unsigned long)writer;
    char line[PIPE_BUF];

    bd_log_thread_start();
    for (int i = 0; i < LINES; i++) {
        size_t head, len;

        seed = seed * 1103515245 + 12345;
        len = i % 50 == 0 ? PIPE_BUF - 1 : 30 + seed / 65536 % 200;
        head = (size_t)snprintf(line, sizeof(line), "%d %d ", writer, i);
        memset(line + head, 'a' + writer, len - head);
        bd_log_line(BD_LOG_STDERR, false, NULL, line, len);
        if (i % 7 == 0)
            flush_all(streams[1].fd);
    }
    flush_all(streams[1].fd);
    bd_log_thread_stop();
    return NULL;
}

/* Each writer's lines are whole and in order; returns how many there are. */
static int count_whole_lines(char *text)
{
    int next[WRITERS] = {0}, lines = 0;
    char *end;

    for (char *at = text; (end = strchr(at, '\n')); at = end + 1, lines++) {
        char *number, *letters;
        long writer = strtol(at, &number, 10);
        long i = strtol(number, &letters, 10);

        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(i, next[writer]++);
        for (letters++; letters < end; letters++)
            assert_int_equal(*letters, 'a' + writer);
    }
    return lines;
}

static void several_writers(int fd[2])
{
    pthread_t reader, writer[WRITERS];
    int number[WRITERS];
    void *text;

    assert_int_equal(pthread_create(&reader, NULL, read_to_end, &fd[READ_END]), 0);
    for (int i = 0; i < WRITERS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&writer[i], NULL, write_lines, &number[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writer[i], NULL);
    close_again(fd[WRITE_END]);
    close(fd[WRITE_END]);
    pthread_join(reader, &text);
    assert_int_equal(count_whole_lines(text), WRITERS * LINES);
    assert_int_equal(atomic_load(&streams[1].lost), 0);
    free(text);
    close(fd[READ_END]);
}

static void test_lines_of_several_threads_do_not_mix(void **state)
{
    int fd[2];

    open_pipe(fd);
    several_writers(fd);
    open_sockets(fd, SOCK_STREAM);
    several_writers(fd);
    assert_int_equal(pipe(fd), 0);
    point_streams_at(-1, fd[WRITE_END]);
    streams[1].way = LOG_WAY_POLL;
    several_writers(fd);
}

static int block_sigpipe(void **state)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
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
        cmocka_unit_test(test_full_pipe),
        cmocka_unit_test(test_full_pipe_that_cannot_be_opened_again),
        cmocka_unit_test(test_full_socket),
        cmocka_unit_test(test_lines_of_a_thread_without_buffers_are_lost_and_counted),
        cmocka_unit_test(test_long_line_passes),
        cmocka_unit_test(test_closed_descriptor),
        cmocka_unit_test(test_descriptor_closed_later),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_no_space),
        cmocka_unit_test(test_partly_taken_bytes_are_dropped_whole_on_a_dead_stream),
        cmocka_unit_test(test_file_keeps_the_shared_position),
        cmocka_unit_test(test_order_across_both_is_kept_when_they_are_one),
        cmocka_unit_test(test_stdout_is_apart_when_it_is_another),
        cmocka_unit_test(test_opened_again_above_the_standard_ones),
        cmocka_unit_test(test_lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, block_sigpipe, NULL);
}
