/*
 * activation.h - a listening socket that whoever started us has opened
 *
 * The protocol of sd_listen_fds(3): LISTEN_PID is our process, LISTEN_FDS is 1, and the socket is
 * descriptor 3. So nobody else can take the port, connections that come early wait, and the address
 * is the other's to choose.
 */
#ifndef BANDOG_ACTIVATION_H
#define BANDOG_ACTIVATION_H

#include "bandog/error.h"

/*
 * The descriptor, -1 when there is none, -2 with a sentence when it cannot be used. Takes the
 * variables out of the environment, so that no function finds them. Once, before the threads.
 */
int activation_socket(struct bd_error *err);

#endif
