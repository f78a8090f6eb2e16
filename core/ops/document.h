/* Documents that change: what is old in them stays as it was, in its order. */
#ifndef LUFF_OPS_DOCUMENT_H
#define LUFF_OPS_DOCUMENT_H

#include "base/json.h"

/**
 * The text of a document that was changed, with the members of its objects in the order of the old one, new ones behind them.
 *
 * @param out   malloc'ed; NULL where both say the same
 * @param old   NULL: there was none, or none that is JSON; the order is that of `text`
 * @param what  goes into messages: "config"
 * @return 0; LUFF_EFORMAT where `text` is no JSON object
 */
int luff_document_reprint(char **out, const char *text, const char *old, const char *what,
			  struct luff_error *err);
/**
 * Size and digest of a new document.
 *
 * @param like  a digest whose algorithm it has, too; "": sha256
 * @return 0; LUFF_ELIMIT over the cap
 */
int luff_document_describe(struct luff_descriptor *out, const char *text, size_t cap, const char *what,
			   const struct luff_digest *like, struct luff_error *err);

#endif
