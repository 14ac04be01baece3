/*
 * flow.h - backpressure in one word
 */
#ifndef BANDOG_FLOW_H
#define BANDOG_FLOW_H

/* What a consumer answers to a buffer. */
enum bd_flow {
    BD_GO,   /* done with the bytes: reuse the buffer, send more */
    BD_WAIT, /* still using them: keep the buffer still and send nothing until resumed */
};

#endif
