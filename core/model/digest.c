/* Digests (image-spec, descriptor.md "Digests"): only what was parsed here ever reaches a path or a URL. */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "luff.h"

int luff_digest_parse(struct luff_digest *out, const char *text, struct luff_error *err)
{
	const char *hex = strchr(text, ':');
	char word[48];
	size_t len;

	out->text[0] = '\0';
	luff_text_printable(word, sizeof word, text);
	if (!hex)
		return luff_fail(err, LUFF_ENAME, "digest \"%s\": want algorithm:hex", word);
	hex++;
	if (luff_text_starts(text, "sha256:"))
		len = 64;
	else if (luff_text_starts(text, "sha512:"))
		len = 128;
	else
		return luff_fail(err, LUFF_ENAME, "digest \"%s\": unknown algorithm (have: sha256, sha512)",
				 word);
	if (strlen(hex) != len)
		return luff_fail(err, LUFF_ENAME, "digest \"%s\": has %zu hex digits, want %zu", word,
				 strlen(hex), len);
	if (strspn(hex, "0123456789abcdef") != len)
		return luff_fail(err, LUFF_ENAME, "digest \"%s\": want lower-case hex digits", word);
	memcpy(out->text, text, (size_t)(hex - text) + len + 1);
	return 0;
}

bool luff_digest_equal(const struct luff_digest *a, const struct luff_digest *b)
{
	return strcmp(a->text, b->text) == 0;
}

const char *luff_digest_hex(const struct luff_digest *d)
{
	const char *colon = strchr(d->text, ':');

	return colon ? colon + 1 : d->text;
}

int luff_digest_of(struct luff_digest *out, const char *algorithm, const void *bytes, size_t len,
		   struct luff_error *err)
{
	struct luff_hash h;

	out->text[0] = '\0';
	if (strcmp(algorithm, "sha256") != 0 && strcmp(algorithm, "sha512") != 0)
		return luff_fail(err, LUFF_EINVAL, "unknown digest algorithm \"%s\" (have: sha256, sha512)",
				 algorithm);
	luff_hash_init(&h, strcmp(algorithm, "sha512") == 0 ? LUFF_SHA512 : LUFF_SHA256);
	luff_hash_update(&h, bytes, len);
	luff_hash_final(out, &h);
	return 0;
}
