/*
 * listener.h - where the server listens: upstream_url, which the watchdog reads, too
 */
#ifndef LISTENER_H
#define LISTENER_H

/* Listens at http+unix:///PATH or http://ADDRESS:PORT. Returns a socket, or -1 after saying why on
 * stderr. */
int listener_open(const char *upstream_url);

/* Closes it, and removes the file of a unix socket. */
void listener_close(int fd);

#endif
