/* The log of several threads with one reader: lines are whole, whatever the way and the length */
#include "log_ends.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_line_passes),
        cmocka_unit_test(test_lines_of_several_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, block_sigpipe, NULL);
}
