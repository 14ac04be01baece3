/*
 * answer.h - an answer that waits for the exit status of its process
 *
 * Output is held until the process has exited. Where there is no room to hold it (a full or
 * read-only TMPDIR) the answer begins with 200 and streams; a process that fails after that can
 * only be told by cutting the connection.
 */
#ifndef MODES_ANSWER_H
#define MODES_ANSWER_H

#include "fork.h"
#include "held.h"

struct answer {
    struct call *call;
    struct held held;
    void (*respond)(struct call *call, int status, int64_t length); /* the mode's bd_respond() */
    bool streaming;        /* the head is out already, with 200 */
    struct bd_slice front; /* sent before what is held */
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

/* For the mode's drain(). */
void answer_drain(struct answer *a);

#endif
