/*
 * md5.h - MD5 (RFC 1321), for tags that faas-cli makes of it; good for nothing else any more
 */
#ifndef BANDOG_CLI_MD5_H
#define BANDOG_CLI_MD5_H

#include <stddef.h>
#include <stdint.h>

#include "bandog/slice.h"

struct md5 {
    uint32_t state[4];
    uint64_t bytes;
    unsigned char block[64];
};

void md5_init(struct md5 *m);
void md5_add(struct md5 *m, struct bd_slice s);

/* 32 digits and a NUL. */
void md5_hex(struct md5 *m, char ret_hex[33]);

#endif
