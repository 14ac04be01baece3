/*
 * server.c - the listening socket, the workers, and the way from RUN to gone
 *
 * The acceptor (the caller's loop) takes connections and mails each to the worker with the fewest,
 * so that a few long-lived ones spread evenly, which listeners balanced by a hash do not do. All
 * else travels the same way: drain, kill and stop are letters to the workers, and the workers
 * answer with one uv_async when their last connection has closed.
 */
#include "bandog/server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bandog/child.h"
#include "bandog/log.h"
#include "bandog/metrics.h"
#include "children.h"
#include "conn.h"
#include "exchange.h"
#include "host.h"
#include "worker.h"

#define ACCEPTS_PER_EVENT 64
#define BACKLOG 4096
#define ACCEPT_RETRY_MS 50 /* after EMFILE and its like */
#define KEEPALIVE_IDLE_S 15
#define HANDSHAKE_NS 2000000 /* at the end, for those that have begun */

struct bd_server {
    struct bd_server_conf conf;
    uv_loop_t *loop; /* the acceptor's */
    int fd, port;
    uv_poll_t listener;
    uv_timer_t retry;
    uv_async_t idle; /* a worker has lost its last connection */
    bool listening, draining, done_told;
    bool starved; /* of descriptors: logged once, until it is over */
    void (*done)(void *arg);
    void *done_arg;
    struct places places;
    bool crowded;       /* max_connections was reached, and logged: until half of them have left */
    atomic_bool paused; /* nothing is accepted until a connection closes */
    unsigned workers;
    struct bd_worker **worker;
    struct host **host;
    struct bd_metrics **metrics;
    unsigned handles; /* of the three above, not yet closed */
};

struct arrival {
    struct bd_mail mail;
    int fd;
};

/* The workers' side */

static struct host *host_of(struct bd_worker *w)
{
    return w->http;
}

void host_conn_closed(struct host *h)
{
    atomic_fetch_sub(&h->load, 1);
    if (h->draining || atomic_load(&h->server->paused))
        uv_async_send(&h->server->idle);
}

static void on_arrival(struct bd_worker *w, struct bd_mail *m)
{
    struct arrival *a = BD_CONTAINER(m, struct arrival, mail);
    int fd = a->fd;

    free(a);
    conn_open(host_of(w), fd);
}

/* Every connection there is now; `act` may close the one it is given. */
static void each_conn(struct host *h, void act(struct conn *))
{
    struct bd_queue *q, *next;

    for (q = h->conns.next; q != &h->conns; q = next) {
        next = q->next;
        act(BD_CONTAINER(q, struct conn, link));
    }
}

static void on_drain(struct bd_worker *w, struct bd_mail *m)
{
    struct host *h = host_of(w);

    (void)m;
    h->draining = true;
    each_conn(h, conn_drain);
    uv_async_send(&h->server->idle);
}

static void on_kill(struct bd_worker *w, struct bd_mail *m)
{
    (void)m;
    each_conn(host_of(w), conn_kill);
    bd_child_kill_all(w);
}

static void on_stop(struct bd_worker *w, struct bd_mail *m)
{
    struct host *h = host_of(w);

    (void)m;
    if (h->conf->mode->worker_stop)
        h->conf->mode->worker_stop(w);
    worker_close_mail(w);
}

static int start_host(struct bd_worker *w, void *arg)
{
    struct bd_server *s = arg;
    struct host *h = calloc(1, sizeof(*h));

    if (!h)
        return UV_ENOMEM;
    h->worker = w;
    h->server = s;
    h->conf = &s->conf;
    bd_queue_init(&h->conns);
    bd_queue_init(&h->spare);
    granted_init(&h->granted);
    h->places = &s->places;
    h->drain.run = on_drain;
    h->kill.run = on_kill;
    h->stop.run = on_stop;
    w->http = h;
    if (s->conf.mode->worker_start)
        return s->conf.mode->worker_start(w, s->conf.mode_conf);
    return 0;
}

static void end_host(struct bd_worker *w, void *arg)
{
    struct host *h = host_of(w);
    struct bd_queue *q;

    (void)arg;
    if (!h)
        return;
    assert(bd_queue_empty(&h->conns));
    children_release(w);
    while ((q = bd_queue_shift(&h->spare))) {
        struct exchange *x = BD_CONTAINER(q, struct exchange, link);

        bd_arena_release(&x->pub.arena);
        free(x);
    }
    free(h);
}

/* Accepting */

static struct host *least_loaded(const struct bd_server *s)
{
    struct host *best = s->host[0];
    unsigned least = atomic_load(&best->load);

    for (unsigned i = 1; i < s->workers; i++) {
        unsigned load = atomic_load(&s->host[i]->load);

        if (load < least) {
            least = load;
            best = s->host[i];
        }
    }
    return best;
}

static void hand_over(struct bd_server *s, int fd)
{
    struct host *h = least_loaded(s);
    struct arrival *a = malloc(sizeof(*a));

    if (!a)
        abort();
    a->mail.run = on_arrival;
    a->fd = fd;
    atomic_fetch_add(&h->load, 1);
    if (!bd_worker_post(h->worker, &a->mail)) {
        assert(!"a worker ended before its server");
    }
}

static unsigned count_connections(const struct bd_server *s)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < s->workers; i++)
        sum += atomic_load(&s->host[i]->load);
    return sum;
}

/* Further ones wait in the backlog. */
static bool has_room(struct bd_server *s)
{
    int64_t most = s->conf.max_connections;

    if (most <= 0 || count_connections(s) < most)
        return true;
    if (!s->crowded)
        bd_log_at(BD_LEVEL_WARNING, "max_connections %lld reached, further ones wait",
                  (long long)most);
    s->crowded = true;
    return false;
}

/* max_connections was reached, and half of them have left. */
static bool is_calm(struct bd_server *s)
{
    if (!s->crowded || atomic_load(&s->paused) ||
        (int64_t)count_connections(s) * 2 > s->conf.max_connections)
        return false;
    s->crowded = false;
    return true;
}

static bool is_transient(int err)
{
    return err == EINTR || err == ECONNABORTED || err == EPROTO;
}

/* At most `budget` connections. False when there was no further one at hand. */
static bool accept_some(struct bd_server *s, int budget, int *ret_error)
{
    *ret_error = 0;
    while (budget-- > 0) {
        int fd;

        if (!s->draining && !has_room(s)) {
            atomic_store(&s->paused, true);
            uv_poll_stop(&s->listener);
            uv_async_send(&s->idle); /* one may have closed meanwhile */
            return true;
        }
        fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            hand_over(s, fd);
        } else if (!is_transient(errno)) {
            *ret_error = errno == EAGAIN ? 0 : errno;
            return false;
        }
    }
    return true;
}

static void on_connection(uv_poll_t *handle, int status, int events);

static void on_retry(uv_timer_t *timer)
{
    struct bd_server *s = timer->data;

    if (!atomic_load(&s->paused))
        uv_poll_start(&s->listener, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
    struct bd_server *s = handle->data;
    int err;

    (void)status;
    (void)events;
    accept_some(s, ACCEPTS_PER_EVENT, &err);
    if (!err) {
        if (s->starved || is_calm(s))
            bd_log("accepting connections again");
        s->starved = false;
        return;
    }
    /* No descriptor to be had: the client waits in the backlog until there is one. */
    if (!s->starved)
        bd_log_at(BD_LEVEL_WARNING, "cannot accept connections: %s, trying again every %d ms",
                  uv_strerror(-err), ACCEPT_RETRY_MS);
    s->starved = true;
    uv_poll_stop(&s->listener);
    uv_timer_start(&s->retry, on_retry, ACCEPT_RETRY_MS, 0);
}

/* A connection has closed. */
static void go_on_accepting(struct bd_server *s)
{
    int64_t most = s->conf.max_connections;

    if (atomic_load(&s->paused) && count_connections(s) < most) {
        atomic_store(&s->paused, false);
        uv_poll_start(&s->listener, UV_READABLE, on_connection);
    }
}

/* As in <linux/filter.h>, which musl does not bring along. */
struct instruction {
    uint16_t code;
    uint8_t if_true, if_false;
    uint32_t k;
};

struct program {
    uint16_t len;
    const struct instruction *instruction;
};

/*
 * A client whose handshake is half done when the socket is closed would be reset, and take the
 * service for broken. So new ones are not begun with any more; they try again in a second and are
 * refused. Those under way are given the time to come to their end.
 */
static void drop_syns(int fd)
{
    static const struct instruction instruction[] = {
        {0x30, 0, 0, 13},         /* load the flags of the TCP header */
        {0x54, 0, 0, 0x12},       /* SYN and ACK */
        {0x15, 0, 1, 0x02},       /* SYN alone? */
        {0x06, 0, 0, 0},          /* drop it */
        {0x06, 0, 0, UINT32_MAX}, /* take it */
    };
    const struct program program = {5, instruction};
    const struct timespec handshake = {.tv_nsec = HANDSHAKE_NS};

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        nanosleep(&handshake, NULL);
}

/* Opening */

static void set_options(int fd)
{
    int on = 1, idle_s = KEEPALIVE_IDLE_S;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    /* Accepted sockets inherit these, which saves a call for each connection. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

static int bind_any(int fd, int family, int port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int off = 0;

    if (family == AF_INET)
        return bind(fd, (struct sockaddr *)&four, sizeof(four));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    return bind(fd, (struct sockaddr *)&six, sizeof(six));
}

/* Both families on one socket; IPv4 only where the kernel has no IPv6. */
static int listen_any(int port)
{
    static const int families[] = {AF_INET6, AF_INET};
    int err = EAFNOSUPPORT;

    for (int i = 0; i < 2; i++) {
        int fd = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0) {
            err = errno;
            continue;
        }
        set_options(fd);
        if (bind_any(fd, families[i], port) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
        err = errno;
        close(fd);
        if (err != EAFNOSUPPORT && err != EADDRNOTAVAIL)
            break;
    }
    return -err;
}

static int port_of(int fd)
{
    struct sockaddr_in6 address;
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len))
        return -1;
    return ntohs(address.sin6_port); /* the same place in sockaddr_in */
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct bd_server *s = handle->data;

    if (--s->handles > 0)
        return;
    free(s->worker);
    free(s->host);
    free(s->metrics);
    free(s);
}

static void on_idle(uv_async_t *handle);

static void open_handles(struct bd_server *s)
{
    uv_poll_init(s->loop, &s->listener, s->fd);
    uv_timer_init(s->loop, &s->retry);
    uv_async_init(s->loop, &s->idle, on_idle);
    s->listener.data = s->retry.data = s->idle.data = s;
    s->handles = 3;
    s->listening = true;
    uv_poll_start(&s->listener, UV_READABLE, on_connection);
}

static void stop_listening(struct bd_server *s)
{
    if (!s->listening)
        return;
    s->listening = false;
    uv_close((uv_handle_t *)&s->listener, on_handle_closed);
    uv_close((uv_handle_t *)&s->retry, on_handle_closed);
    close(s->fd); /* libuv has let go of it already */
}

static void close_handles(struct bd_server *s)
{
    stop_listening(s);
    uv_close((uv_handle_t *)&s->idle, on_handle_closed);
}

static void post(struct bd_server *s, unsigned i, struct bd_mail *m)
{
    bool taken = bd_worker_post(s->worker[i], m);

    assert(taken);
    (void)taken;
}

static void stop_workers(struct bd_server *s)
{
    for (unsigned i = 0; i < s->workers; i++)
        post(s, i, &s->host[i]->stop);
    for (unsigned i = 0; i < s->workers; i++)
        worker_join(s->worker[i]);
}

static int start_workers(struct bd_server *s, struct bd_error *err)
{
    const struct worker_hooks hooks = {.start = start_host, .end = end_host, .arg = s};
    unsigned wanted = s->conf.workers;

    s->worker = calloc(wanted, sizeof(*s->worker));
    s->host = calloc(wanted, sizeof(*s->host));
    s->metrics = calloc(wanted, sizeof(*s->metrics));
    if (!s->worker || !s->host || !s->metrics)
        abort();
    for (s->workers = 0; s->workers < wanted; s->workers++) {
        struct bd_worker *w;
        int failed = worker_open(&w, &hooks);

        if (failed) {
            stop_workers(s);
            return bd_fail(err, "cannot start worker %u of %u: %s", s->workers + 1, wanted,
                           uv_strerror(failed));
        }
        s->worker[s->workers] = w;
        s->host[s->workers] = host_of(w);
        s->metrics[s->workers] = bd_worker_metrics(w);
    }
    return 0;
}

int bd_server_open(struct bd_server **ret_server, uv_loop_t *loop,
                   const struct bd_server_conf *conf, struct bd_error *err)
{
    struct bd_server *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    assert(conf->workers > 0 && conf->mode && conf->mode->start);
    s->conf = *conf;
    s->loop = loop;
    places_init(&s->places, conf->max_inflight, conf->max_queue);
    s->fd = conf->listener;
    if (s->fd)
        set_options(s->fd);
    else
        s->fd = listen_any(conf->port);
    if (s->fd < 0) {
        bd_fail(err, "listen tcp :%d: %s", conf->port, uv_strerror(s->fd));
        goto fail;
    }
    s->port = port_of(s->fd);
    open_handles(s);
    if (start_workers(s, err)) {
        close_handles(s);
        return -1;
    }
    *ret_server = s;
    return 0;

fail:
    free(s);
    return -1;
}

/* Asking */

int bd_server_port(const struct bd_server *s)
{
    return s->port;
}

int64_t bd_server_queue_depth(const struct bd_server *s)
{
    return atomic_load(&s->places.waiting);
}

int64_t bd_server_in_flight(const struct bd_server *s)
{
    return bd_metrics_in_flight(s->metrics, s->workers);
}

bool bd_server_is_full(const struct bd_server *s)
{
    return s->places.most > 0 && atomic_load(&s->places.taken) >= s->places.most;
}

struct bd_metrics *const *bd_server_metrics(const struct bd_server *s, size_t *ret_n)
{
    *ret_n = s->workers;
    return s->metrics;
}

/* Ending */

static void on_idle(uv_async_t *handle)
{
    struct bd_server *s = handle->data;

    if (!s->draining)
        go_on_accepting(s);
    if (!s->draining || s->done_told)
        return;
    for (unsigned i = 0; i < s->workers; i++)
        if (atomic_load(&s->host[i]->load) > 0)
            return;
    s->done_told = true;
    s->done(s->done_arg);
}

void bd_server_drain(struct bd_server *s, void (*done)(void *arg), void *arg)
{
    int err;

    assert(!s->draining);
    s->draining = true;
    s->done = done;
    s->done_arg = arg;
    drop_syns(s->fd);
    while (accept_some(s, ACCEPTS_PER_EVENT, &err)) {
        /* who has got a connection gets an answer */
    }
    stop_listening(s);
    for (unsigned i = 0; i < s->workers; i++)
        post(s, i, &s->host[i]->drain);
}

void bd_server_kill(struct bd_server *s)
{
    assert(s->draining);
    places_close(&s->places);
    for (unsigned i = 0; i < s->workers; i++)
        post(s, i, &s->host[i]->kill);
}

void bd_server_close(struct bd_server *s)
{
    assert(s->done_told);
    stop_workers(s);
    s->workers = 0;
    close_handles(s);
}
