/*
 * tunnel.h - one connection through a front: the client's, and a link to what is behind
 *
 * Bytes are lent: what was read from one side stays in its buffer until the other side has taken
 * it, and that long nothing more is read. One loop, one thread.
 */
#ifndef BANDOG_CLI_TUNNEL_H
#define BANDOG_CLI_TUNNEL_H

#include "front.h"

/* Takes a connection of f's listener. */
void tunnel_accept(struct front *f);

/* f's target or excuse has changed. The tunnel may end in it. */
void tunnel_reconsider(struct bd_queue *of_front);

/* Ends it now. */
void tunnel_end(struct bd_queue *of_front);

#endif
