/*
 * call_id.h - X-Call-Id: what the gateway calls a call
 */
#ifndef WATCHDOG_HTTP_CALL_ID_H
#define WATCHDOG_HTTP_CALL_ID_H

struct exchange;

/*
 * Every call has one: where the request names none a random UUID (RFC 9562, version 4) is made and
 * becomes its last field.
 */
void call_id_ensure(struct exchange *x);

#endif
