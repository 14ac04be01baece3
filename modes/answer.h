/*
 * answer.h - an answer that waits for the exit status of its process
 *
 * Output is held until the process has exited. Where there is no room to hold it (a full or
 * read-only TMPDIR) the answer begins, with 200 or what its head says, and streams; a process that
 * fails after that can only be told by cutting the connection.
 */
#ifndef MODES_ANSWER_H
#define MODES_ANSWER_H

#include "cgi_head.h"
#include "fork.h"
#include "held.h"

struct answer {
    struct call *call;
    struct held held;
    void (*respond)(struct call *call, int status, int64_t length); /* the mode's bd_respond() */
    bool streaming;                                                 /* the head is out already */
    bool has_head; /* cgi_response: `head` was read and taken off what is held */
    struct cgi_head head;
    struct bd_slice front; /* sent before what is held */
    int64_t left; /* streaming: of the Content-Length that was printed; -1: there is none */
    struct bd_slice piece; /* streaming: lent by the process, waits behind what is held */
    bool ending;           /* bd_end() when all is sent */
    struct bd_deadline pause;
};

void answer_init(struct answer *a, struct call *call,
                 void (*respond)(struct call *call, int status, int64_t length));

/* Gives back what it holds; for abort() and where it is not sent. */
void answer_release(struct answer *a);

/* For call_ops.output. */
enum bd_flow answer_output(struct answer *a, const char *buf, size_t len);

/*
 * The process has ended: answers with `front`, which lives in the arena, and the output, and ends
 * the exchange. Not when `streaming` and the status is another than 200: then bd_cut(). Last
 * statement.
 */
void answer_send(struct answer *a, int status, struct bd_slice front);

/*
 * The same without `front`. With cgi_response the output begins with a head, whose status wins, and
 * 502 is the answer where it does not; but a `status` other than 200 is as good as a head.
 */
void answer_finish(struct answer *a, int status);

/*
 * For `respond`, with `has_head`: answers with what the head says, `type` where it names none, and
 * `more`. Returns the fields, `*ret_n` of them.
 */
const struct bd_field *answer_respond_as_told(struct answer *a, struct bd_slice type,
                                              struct bd_field more, int64_t length, size_t *ret_n);

/* For the mode's drain(). */
void answer_drain(struct answer *a);

#endif
