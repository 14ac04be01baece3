/*
 * listing.h - a folder as an answer: a page with a link for each entry
 */
#ifndef MODES_LISTING_H
#define MODES_LISTING_H

#include <stdint.h>
#include <sys/stat.h>

#include "bandog/exchange.h"

struct listing;

/*
 * Answers with the entries of the folder opened as `fd`, which it takes over. Ends the exchange,
 * now or by listing_drain(): last statement. In between it is *ret_listing, which is not touched
 * afterwards. A negative errno when it cannot be read: nothing has been answered.
 */
int listing_answer(struct listing **ret_listing, struct bd_exchange *x, int fd,
                   const struct stat *st);

/* For the mode's callbacks of these names. */
void listing_drain(struct listing *l);
void listing_abort(struct listing *l);

#endif
