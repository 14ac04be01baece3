/*
 * server.c - serves handle() with a thread for each connection
 *
 * No timeouts: the watchdog has them, and closes the connection of a call that is given up. It
 * keeps idle connections for later calls, and closes them when a call finds no free thread here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "http.h"
#include "listener.h"

enum {
    CONNECTIONS_MAX = 256,
    STACK_BYTES = 1024 * 1024,
    LINGER_SECONDS = 2,
};

static sem_t free_threads;
static int stop_pipe[2]; /* readable for good once the process is to end */
static atomic_bool stopping;

static void on_term(int number)
{
    int error = errno;

    (void)number;
    stopping = true;
    if (write(stop_pipe[1], "", 1) < 0)
        abort(); /* a pipe that is never full */
    errno = error;
}

/* Waits for bytes from `fd`. False: there are none, and the process is to end. */
static bool wait_for(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = stop_pipe[0], .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return fds[0].revents != 0;
}

/* An answer of the server's own. */
static bool answer_error(struct http *h, int status)
{
    struct response response = {.status = status};
    bool sent;

    response_field(&response, "Content-Type", "text/plain");
    response_printf(&response,
                    status == 500 ? "Internal Server Error\n" : "the request cannot be read\n");
    sent = http_send(h, &response);
    response_release(&response);
    return sent;
}

/* Lets the peer read the answer to a request of which it still sends: closing now would reset the
 * connection. */
static void linger(int fd)
{
    struct timeval limit = {.tv_sec = LINGER_SECONDS};
    char waste[4096];

    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    while (recv(fd, waste, sizeof(waste), 0) > 0)
        ;
}

static bool answer(struct http *h)
{
    struct response response = {.status = 200};
    bool sent;

    handle(&h->request, &response);
    h->keep = h->keep && !stopping;
    if (!response.failed && (response.status < 200 || response.status > 599)) {
        fprintf(stderr, "status %d of the answer is not one of 200 to 599\n", response.status);
        response.failed = true;
    }
    sent = response.failed ? answer_error(h, 500) : http_send(h, &response);
    response_release(&response);
    return sent;
}

/* One request. False: it was the last. */
static bool serve_one(struct http *h)
{
    int refusal;

    if (!http_has_bytes(h) && !wait_for(h->fd))
        return false;
    refusal = http_receive(h);
    if (refusal == 0)
        return answer(h) && h->keep;
    if (refusal > 0) {
        h->keep = false;
        if (answer_error(h, refusal))
            linger(h->fd);
    }
    return false;
}

static void *serve(void *argument)
{
    struct http *h = argument;

    while (serve_one(h))
        http_reset(h);
    http_reset(h);
    close(h->fd);
    free(h);
    sem_post(&free_threads);
    return NULL;
}

static bool start_thread(struct http *h)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(&thread, &attributes, serve, h);
    pthread_attr_destroy(&attributes);
    if (error)
        fprintf(stderr, "cannot start a thread: %s\n", strerror(error));
    return error == 0;
}

/* Takes the connection, and one of free_threads, which the thread gives back. */
static void serve_connection(int fd)
{
    struct http *h = calloc(1, sizeof(*h));
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); /* unix sockets need and know no such thing */
    if (h)
        h->fd = fd;
    if (!h || !start_thread(h)) {
        free(h);
        close(fd);
        sem_post(&free_threads);
    }
}

static void accept_connections(int listener)
{
    for (;;) {
        int fd;

        while (sem_wait(&free_threads) < 0)
            ; /* a signal */
        if (!wait_for(listener) || stopping)
            break;
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            serve_connection(fd);
        } else {
            sem_post(&free_threads);
            if (errno == EMFILE || errno == ENFILE)
                poll(NULL, 0, 10); /* until somebody closes one */
        }
    }
    sem_post(&free_threads);
}

int main(void)
{
    struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART};
    int listener;

    setvbuf(stdout, NULL, _IOLBF, 0); /* a line of the function is in the log at once */
    if (pipe(stop_pipe) < 0 || sem_init(&free_threads, 0, CONNECTIONS_MAX) < 0) {
        perror("cannot start");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);

    listener = listener_open(getenv("upstream_url"));
    if (listener < 0)
        return 1;
    accept_connections(listener);
    listener_close(listener);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        while (sem_wait(&free_threads) < 0)
            ; /* a signal */
    return 0;
}
