/*
 * load.c - HTTP/1.1 clients with kept connections, as cheap as they can be
 *
 *     load [-g] [-t TARGET] [-f FILE] [-c CONNECTIONS] [-s SECONDS] [-n REQUESTS]
 *          [-w WARM_UP_SECONDS] [-p PID]... [-u PID] PORT
 *
 * One thread, one request under way per connection: POST with BODY (GET with -g or -t), to which
 * the answer must be 200 and BODY, with Content-Length or chunked. It shares the processors with
 * what it measures, so it makes one read and one write per request and looks at the answer once.
 *
 * With -f the requests are GETs, and the answer must be FILE, with its size as Content-Length: the
 * first and last bytes are compared, those between are counted where they are and never copied.
 * So that a file may be larger than what is received within SECONDS, these end the measurement
 * whatever is under way (but all of -n REQUESTS are waited for), and bytes are counted as they
 * come.
 *
 * With -p the processor time of these processes is taken over the same span of time: of their own
 * threads, in nanoseconds, and of the children that they have reaped. With -u that of the upstream
 * behind them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BODY "Hello, world" /* 12 bytes, as spawn.c sends and upstream.c answers */
#define TARGET "/hello?name=world"
#define ANSWER_BYTES 4096
#define EDGE_BYTES 64
#define BATCH 256
#define PATIENCE_MS 20000
#define WATCHED_MAX 256
#define LENGTH_OF(text) (sizeof(text) - 1)

struct client {
    int fd;
    int64_t sent_ns;
    int64_t at; /* where in the file the next byte belongs; -1: the head is not complete */
    size_t len;
    char answer[ANSWER_BYTES];
};

/* Bytes of the file that are compared. */
struct edge {
    int64_t from, to;
    char bytes[EDGE_BYTES];
};

/* Processor time so far. */
struct sample {
    int64_t at_ns;
    int64_t answered, bytes;
    double load_us, self_us, children_us, upstream_us;
};

static int connections = 8, port;
static double seconds = 3, warm_up = 0.3;
static int64_t requests = INT64_MAX;
static pid_t watched[WATCHED_MAX], upstream;
static int watched_count;
static bool get;
static const char *target = TARGET, *file_path;
static int64_t file_size;
static struct edge first_edge, last_edge;

static char request[512];
static size_t request_len;
static struct client *client;
static int epoll_fd;

static int64_t sent, answered, bytes; /* bytes: of files */
static struct {
    uint32_t *us;
    size_t n, room;
} latency;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Processor time */

static double self_us(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        fail("process %d is not there", (int)pid);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double children_us(pid_t pid)
{
    unsigned long user, system;
    char path[64], text[1024];
    const char *rest;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file || !fgets(text, sizeof(text), file))
        fail("%s cannot be read", path);
    fclose(file);
    rest = strrchr(text, ')'); /* field 2; wanted are 16 and 17 */
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
                        &user, &system) != 2)
        fail("%s has another form", path);
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static struct sample take_sample(void)
{
    struct sample s = {.at_ns = now_ns(), .answered = answered, .bytes = bytes};
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    s.load_us = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
                (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    for (int i = 0; i < watched_count; i++) {
        s.self_us += self_us(watched[i]);
        s.children_us += children_us(watched[i]);
    }
    if (upstream)
        s.upstream_us = self_us(upstream);
    return s;
}

/* Answers */

/* The field's value within a head, which ends with an empty line; NULL when there is none. */
static const char *field(const char *head, const char *end, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = head; (p = memchr(p, '\n', (size_t)(end - p))) != NULL;) {
        p++;
        if ((size_t)(end - p) > len && p[len] == ':' && strncasecmp(p, name, len) == 0)
            return p + len + 1 + strspn(p + len + 1, " ");
    }
    return NULL;
}

/* Collects the chunks in `body`. How long the message is; 0: not all of it is here yet. */
static size_t read_chunks(const char *p, const char *end, char *body, size_t *ret_len)
{
    const char *start = p;
    size_t size;

    *ret_len = 0;
    for (;;) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));

        if (!line_end)
            return 0;
        size = strtoul(p, NULL, 16);
        p = line_end + 1;
        if ((size_t)(end - p) < size + 2)
            return 0;
        memcpy(body + *ret_len, p, size);
        *ret_len += size;
        p += size + 2;
        if (size == 0)
            return (size_t)(p - start);
    }
}

/* What follows the head, whose status must be 200; NULL: it is not complete. */
static const char *behind_head(struct client *c)
{
    static const char status[] = "HTTP/1.1 200 ";
    const char *end;

    c->answer[c->len] = '\0';
    end = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return NULL;
    if (strncmp(c->answer, status, LENGTH_OF(status)) != 0)
        fail("an answer is not 200:\n%s", c->answer);
    return end + 4;
}

static bool check_answer(struct client *c)
{
    const char *end = c->answer + c->len, *head_end = behind_head(c), *value;
    char chunks[ANSWER_BYTES], *body;
    size_t len, message;

    if (!head_end)
        return false;
    if ((value = field(c->answer, head_end, "content-length"))) {
        body = (char *)head_end;
        len = message = (size_t)atol(value);
        if ((size_t)(end - head_end) < message)
            return false;
    } else if (field(c->answer, head_end, "transfer-encoding")) {
        body = chunks;
        message = read_chunks(head_end, end, chunks, &len);
        if (message == 0)
            return false;
    } else {
        fail("an answer has neither Content-Length nor chunks:\n%s", c->answer);
    }
    if (head_end + message != end || len != LENGTH_OF(BODY) || memcmp(body, BODY, len) != 0)
        fail("an answer is not what was sent:\n%s", c->answer);
    return true;
}

/* Files */

static void read_edge(int fd, struct edge *e, int64_t from, int64_t to)
{
    e->from = from < 0 ? 0 : from;
    e->to = to > file_size ? file_size : to;
    if (pread(fd, e->bytes, (size_t)(e->to - e->from), e->from) != e->to - e->from)
        fail("%s cannot be read", file_path);
}

static void read_file(void)
{
    int fd = open(file_path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        fail("%s: %s", file_path, strerror(errno));
    file_size = st.st_size;
    read_edge(fd, &first_edge, 0, EDGE_BYTES);
    read_edge(fd, &last_edge, file_size - EDGE_BYTES, file_size);
    close(fd);
}

static void check_edge(const struct edge *e, int64_t at, const char *piece, int64_t len)
{
    int64_t from = at > e->from ? at : e->from;
    int64_t to = at + len < e->to ? at + len : e->to;

    if (from < to && memcmp(piece + (from - at), e->bytes + (from - e->from), (size_t)(to - from)))
        fail("an answer has other bytes than %s between %lld and %lld", file_path, (long long)from,
             (long long)to);
}

static void take_piece(struct client *c, const char *piece, int64_t len)
{
    if (piece) {
        check_edge(&first_edge, c->at, piece, len);
        check_edge(&last_edge, c->at, piece, len);
    }
    c->at += len;
    bytes += len;
    if (c->at > file_size)
        fail("an answer is longer than it should be");
}

static void take_head(struct client *c)
{
    const char *end = behind_head(c), *value;

    if (!end)
        return;
    value = field(c->answer, end, "content-length");
    if (!value || atoll(value) != file_size)
        fail("an answer's Content-Length is not %lld:\n%s", (long long)file_size, c->answer);
    c->at = 0;
    take_piece(c, end, c->answer + c->len - end);
}

static void note_latency(int64_t ns)
{
    if (latency.n == latency.room) {
        latency.room = latency.room ? latency.room * 2 : 65536;
        latency.us = realloc(latency.us, latency.room * sizeof(*latency.us));
        if (!latency.us)
            fail("out of memory");
    }
    latency.us[latency.n++] = (uint32_t)(ns / 1000);
}

/* Clients */

static void send_request(struct client *c, int64_t at_ns)
{
    c->len = 0;
    c->at = -1;
    c->sent_ns = at_ns;
    sent++;
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len)
        fail("cannot send: %s", strerror(errno));
}

static ssize_t check_received(ssize_t n)
{
    if (n == 0)
        fail("a connection was closed after %d answers", (int)answered);
    if (n < 0 && errno != EAGAIN)
        fail("cannot receive: %s", strerror(errno));
    return n;
}

/* More of what stands in c->answer. */
static bool receive_more(struct client *c)
{
    ssize_t n = check_received(read(c->fd, c->answer + c->len, sizeof(c->answer) - 1 - c->len));

    if (n > 0)
        c->len += (size_t)n;
    return n > 0;
}

/* With MSG_TRUNC tcp(7) drops the bytes. */
static void receive_piece(struct client *c)
{
    bool drop = c->at >= first_edge.to && c->at < last_edge.from;
    ssize_t n = drop ? recv(c->fd, NULL, (size_t)(last_edge.from - c->at), MSG_TRUNC)
                     : recv(c->fd, c->answer, sizeof(c->answer), 0);

    if (check_received(n) > 0)
        take_piece(c, drop ? NULL : c->answer, n);
}

/* True when the answer is complete. */
static bool receive(struct client *c)
{
    if (!file_path)
        return receive_more(c) && check_answer(c);
    if (c->at >= 0)
        receive_piece(c);
    else if (receive_more(c))
        take_head(c);
    return c->at == file_size;
}

/* Until `end_ns` or so many have been sent; then until all answers are here when `drain`. */
static void run(int64_t end_ns, int64_t last, bool drain)
{
    struct epoll_event event[BATCH];
    bool over = false;

    while (!over || (drain && answered < sent)) {
        int n = epoll_wait(epoll_fd, event, BATCH, PATIENCE_MS);

        if (n == 0)
            fail("no answer for %d s", PATIENCE_MS / 1000);
        for (int i = 0; i < n; i++) {
            struct client *c = event[i].data.ptr;
            bool complete = receive(c);
            int64_t at_ns = now_ns();

            if (at_ns >= end_ns || (complete && sent >= last))
                over = true;
            if (!complete)
                continue;
            answered++;
            note_latency(at_ns - c->sent_ns);
            if (!over || !drain)
                send_request(c, at_ns);
        }
    }
}

static void make_request(void)
{
    int n;

    if (get)
        n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\n"
                     "Host: 127.0.0.1:%d\r\n"
                     "User-Agent: curl/8.14.1\r\n"
                     "Accept: */*\r\n"
                     "\r\n",
                     target, port);
    else
        n = snprintf(request, sizeof(request),
                     "POST / HTTP/1.1\r\n"
                     "Host: 127.0.0.1:%d\r\n"
                     "Accept: */*\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "\r\n" BODY,
                     port, LENGTH_OF(BODY));
    if ((size_t)n >= sizeof(request))
        fail("the target is too long");
    request_len = (size_t)n;
}

static void open_clients(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client = calloc((size_t)connections, sizeof(*client));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!client || epoll_fd < 0)
        fail("cannot start");
    for (struct client *c = client; c < client + connections; c++) {
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
            fail("cannot connect to port %d: %s", port, strerror(errno));
        event.data.ptr = c;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
            fail("epoll_ctl: %s", strerror(errno));
    }
}

/* Results */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static unsigned percentile(unsigned percent)
{
    return latency.n ? latency.us[(latency.n - 1) * percent / 100] : 0;
}

static void report(const struct sample *a, const struct sample *b)
{
    double n = (double)(b->answered - a->answered), span = (double)(b->at_ns - a->at_ns) / 1e9;
    double gigabytes = (double)(b->bytes - a->bytes) / 1e9;

    qsort(latency.us, latency.n, sizeof(*latency.us), by_value);
    printf("connections=%d answers=%.0f seconds=%.3f rate=%.1f p50_us=%u p99_us=%u", connections, n,
           span, n / span, percentile(50), percentile(99));
    if (n > 0) {
        printf(" load_us=%.2f", (b->load_us - a->load_us) / n);
        if (watched_count)
            printf(" self_us=%.2f children_us=%.2f", (b->self_us - a->self_us) / n,
                   (b->children_us - a->children_us) / n);
        if (upstream)
            printf(" upstream_us=%.2f", (b->upstream_us - a->upstream_us) / n);
    }
    if (gigabytes > 0)
        printf(" gb_rate=%.6f load_ms_per_gb=%.2f self_ms_per_gb=%.2f", gigabytes / span,
               (b->load_us - a->load_us) / 1e3 / gigabytes,
               (b->self_us - a->self_us) / 1e3 / gigabytes);
    printf("\n");
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "gt:f:c:s:n:w:p:u:")) > 0)
        switch (option) {
        case 'g':
            get = true;
            break;
        case 't':
            get = true;
            target = optarg;
            break;
        case 'f':
            get = true;
            file_path = optarg;
            break;
        case 'c':
            connections = atoi(optarg);
            break;
        case 's':
            seconds = atof(optarg);
            break;
        case 'n':
            requests = atoll(optarg);
            break;
        case 'w':
            warm_up = atof(optarg);
            break;
        case 'p':
            if (watched_count == WATCHED_MAX)
                fail("too many processes");
            watched[watched_count++] = atoi(optarg);
            break;
        case 'u':
            upstream = atoi(optarg);
            break;
        default:
            exit(2);
        }
    if (optind + 1 != argc || connections < 1)
        fail("usage: load [-g] [-t TARGET] [-f FILE] [-c CONNECTIONS] [-s SECONDS] [-n REQUESTS] "
             "[-w SECONDS] [-p PID]... [-u PID] PORT");
    port = atoi(argv[optind]);
}

int main(int argc, char **argv)
{
    struct sample before, after;
    bool limited;

    read_options(argc, argv);
    limited = requests != INT64_MAX;
    if (file_path)
        read_file();
    make_request();
    open_clients();
    for (int i = 0; i < connections; i++)
        send_request(&client[i], now_ns());
    run(now_ns() + (int64_t)(warm_up * 1e9), INT64_MAX, false);

    before = take_sample();
    latency.n = 0;
    run(before.at_ns + (int64_t)(seconds * 1e9), limited ? sent + requests : requests,
        !file_path || limited);
    after = take_sample();
    report(&before, &after);
    return 0;
}
