/*
 * What a registry says beside its answers: words for people, which are kept until somebody takes them, and how many requests
 * it allows (struct luff_warning and struct luff_rate_limit in luff.h).
 */
#ifndef LUFF_REGISTRY_NOTICE_H
#define LUFF_REGISTRY_NOTICE_H

#include "http/exchange.h"
#include "mediums/registry/host.h"

/** Of an answer that is the host's own. */
void luff_notice_take_in(struct luff_host *h, const struct luff_exchange *x);
/** Forgets all warnings; part of luff_shutdown(). */
void luff_notices_close(void);

#endif
