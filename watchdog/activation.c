/*
 * activation.c - see activation.h
 */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bandog/slice.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

static int64_t number(const char *name)
{
    const char *text = getenv(name);
    int64_t n;

    return text && bd_slice_number(bd_slice_of(text), &n) ? n : -1;
}

int activation_socket(struct bd_error *err)
{
    int64_t count = number("LISTEN_PID") == getpid() ? number("LISTEN_FDS") : 0;
    int listens = 0, flags;
    socklen_t len = sizeof(listens);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count <= 0)
        return -1;
    if (count > 1)
        bd_fail(err, "LISTEN_FDS: more than one socket was passed");
    else if (getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) || !listens)
        bd_fail(err, "LISTEN_FDS: descriptor %d is no listening socket", FIRST_FD);
    else if ((flags = fcntl(FIRST_FD, F_GETFL)) < 0 ||
             fcntl(FIRST_FD, F_SETFL, flags | O_NONBLOCK) || fcntl(FIRST_FD, F_SETFD, FD_CLOEXEC))
        bd_fail(err, "LISTEN_FDS: %s", strerror(errno));
    else
        return FIRST_FD;
    return -2;
}
