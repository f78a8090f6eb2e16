/* See htpasswd.h. */
#include "server/htpasswd.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lazy.h"
#include "base/scope.h"
#include "base/text.h"

#define FILE_MAX ((size_t)4 << 20)
#define COST_MAX 14 /* about a second; each step doubles it */
#define HASH_LEN 60 /* "$2y$10$", 22 characters of salt, 31 of hash */
#define PASSWORD_MAX 1024
#define KNOWN_MAX 512
#define KNOWN_MS (5 * 60 * 1000)
#define COMPUTING_MAX 2 /* bcrypts at a time: guessing takes no more of the machine than that */
/* What the password of a user who is not there is compared to; nothing has that hash. */
#define NOBODY "$2y$%02d$....................................................."

struct known {
	struct luff_digest digest;
	int64_t until;
};

struct luff_htpasswd {
	char *path, *text; /* `text`: lines "user\0hash\0", as many as `count` */
	size_t count;
	int cost; /* the highest of all */
	struct stat seen;
	pthread_mutex_t lock;
	pthread_cond_t done;
	int computing;
	unsigned char secret[32];
	struct known known[KNOWN_MAX];
	size_t next; /* of known[] to go */
};

static struct {
	__typeof__(&crypt_r) crypt_r;
} library;

static int load(struct luff_error *err)
{
	static const struct luff_lazy_symbol symbols[] = {LUFF_LAZY(crypt_r, &library.crypt_r), {NULL, NULL}};
	/* libxcrypt on Debian, on Fedora, and musl */
	static const char *const names[] = {"libcrypt.so.1", "libcrypt.so.2", "libc.so"};
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < sizeof names / sizeof *names && !library.crypt_r; i++)
		rc = luff_lazy_load(names[i], symbols, err);
	pthread_mutex_unlock(&lock);
	return library.crypt_r ? 0 : rc;
}

/* "$2y$10$" and 53 characters of bcrypt's alphabet; -1: none. */
static int cost_of(const char *hash)
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (strlen(hash) != HASH_LEN || hash[0] != '$' || hash[1] != '2' || !strchr("aby", hash[2]) ||
	    hash[3] != '$' || hash[6] != '$' || strspn(hash + 7, alphabet) != HASH_LEN - 7 || hash[4] < '0' ||
	    hash[4] > '9' || hash[5] < '0' || hash[5] > '9')
		return -1;
	return (hash[4] - '0') * 10 + hash[5] - '0';
}

/* Takes the lines apart in place. */
static int parse(struct luff_htpasswd *h, char *text, struct luff_error *err)
{
	char *to = text, *line = text, *end;
	int number = 1;

	h->count = 0;
	h->cost = 4;
	for (; line; line = end, number++) {
		char *hash;
		size_t len;
		int cost;

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		len = strlen(line);
		while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
			line[--len] = '\0';
		if (len == 0 || *line == '#')
			continue;
		hash = strchr(line, ':');
		cost = hash && hash > line && hash - line <= LUFF_USER_MAX ? cost_of(hash + 1) : -1;
		if (cost < 4)
			return luff_fail(
				err, LUFF_EFORMAT,
				"%s, line %d: no user with a hash of bcrypt; write it with htpasswd -B",
				h->path, number);
		if (cost > COST_MAX)
			return luff_fail(err, LUFF_EFORMAT,
					 "%s, line %d: a cost of %d is too slow; at most %d", h->path, number,
					 cost, COST_MAX);
		*hash = '\0';
		memmove(to, line, len + 1);
		to += len + 1;
		h->count++;
		h->cost = cost > h->cost ? cost : h->cost;
	}
	return 0;
}

static int read_file(struct luff_htpasswd *h, struct luff_error *err)
{
	LUFF_AUTO(text) text = NULL;
	FILE *file = fopen(h->path, "re");
	size_t len;
	int rc = 0;

	if (!file)
		return luff_fail_errno(err, errno, "%s", h->path);
	if (fstat(fileno(file), &h->seen) < 0)
		rc = luff_fail_errno(err, errno, "%s", h->path);
	else if (!S_ISREG(h->seen.st_mode) || h->seen.st_size > (off_t)FILE_MAX)
		rc = luff_fail(err, LUFF_EFORMAT, "%s is no file of at most %zu bytes", h->path, FILE_MAX);
	else if (!(text = malloc(FILE_MAX + 1)))
		rc = luff_fail_nomem(err);
	if (rc == 0) {
		len = fread(text, 1, FILE_MAX, file);
		text[len] = '\0';
		rc = strlen(text) == len ? parse(h, text, err)
					 : luff_fail(err, LUFF_EFORMAT, "%s is no text", h->path);
	}
	fclose(file);
	free(h->text);
	h->text = rc == 0 ? luff_take(text) : NULL;
	if (rc < 0)
		h->count = 0;
	memset(h->known, 0, sizeof h->known);
	return rc;
}

int luff_htpasswd_open(struct luff_htpasswd **out, const char *path, struct luff_error *err)
{
	struct luff_htpasswd *h;
	int rc = load(err);

	*out = NULL;
	if (rc < 0)
		return rc;
	h = calloc(1, sizeof *h);
	if (!h || !(h->path = strdup(path))) {
		free(h);
		return luff_fail_nomem(err);
	}
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->done, NULL);
	if (getrandom(h->secret, sizeof h->secret, 0) != sizeof h->secret)
		rc = luff_fail_errno(err, errno, "getrandom");
	else
		rc = read_file(h, err);
	if (rc < 0) {
		luff_htpasswd_free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void luff_htpasswd_free(struct luff_htpasswd *h)
{
	if (!h)
		return;
	pthread_cond_destroy(&h->done);
	pthread_mutex_destroy(&h->lock);
	free(h->text);
	free(h->path);
	free(h);
}

static bool equal(const char *a, const char *b, size_t len)
{
	unsigned char differs = 0;

	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}

/* The lock is held. */
static int read_again(struct luff_htpasswd *h, struct luff_error *err)
{
	struct stat now;

	if (stat(h->path, &now) < 0)
		return luff_fail_errno(err, errno, "%s", h->path);
	if (h->text && now.st_ino == h->seen.st_ino && now.st_size == h->seen.st_size &&
	    now.st_mtim.tv_sec == h->seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == h->seen.st_mtim.tv_nsec)
		return 0;
	return read_file(h, err);
}

/* The user's hash, else one that nothing has. The lock is held. */
static void find(char hash[HASH_LEN + 1], const struct luff_htpasswd *h, const char *user)
{
	const char *line = h->text;

	snprintf(hash, HASH_LEN + 1, NOBODY, h->cost);
	for (size_t i = 0; i < h->count; i++) {
		const char *found = line + strlen(line) + 1;

		if (strcmp(line, user) == 0)
			memcpy(hash, found, HASH_LEN + 1);
		line = found + HASH_LEN + 1;
	}
}

static bool is_known(const struct luff_htpasswd *h, const struct luff_digest *digest)
{
	bool found = false;

	for (size_t i = 0; i < KNOWN_MAX; i++)
		found |= equal(h->known[i].digest.text, digest->text, sizeof digest->text) &&
			 h->known[i].until > luff_clock_ms();
	return found;
}

/* The lock is held, and let go while it computes. */
static int compute(bool *out, struct luff_htpasswd *h, const char *hash, const char *password,
		   struct luff_error *err)
{
	struct crypt_data *data = calloc(1, sizeof *data);
	const char *result;
	int rc = data ? 0 : luff_fail_nomem(err);

	while (rc == 0 && h->computing >= COMPUTING_MAX) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&h->done, &h->lock, &until);
		rc = luff_scope_check(err);
	}
	if (rc == 0) {
		h->computing++;
		pthread_mutex_unlock(&h->lock);
		result = library.crypt_r(password, hash, data);
		*out = result && strlen(result) == HASH_LEN && equal(result, hash, HASH_LEN);
		pthread_mutex_lock(&h->lock);
		h->computing--;
		pthread_cond_broadcast(&h->done);
	}
	if (data)
		explicit_bzero(data, sizeof *data);
	free(data);
	return rc;
}

int luff_htpasswd_check(bool *out, struct luff_htpasswd *h, const char *user, const char *password,
			struct luff_error *err)
{
	char hash[HASH_LEN + 1];
	struct luff_digest digest = {{0}};
	struct luff_hash state;
	int rc;

	*out = false;
	if (strlen(user) > LUFF_USER_MAX || strlen(password) > PASSWORD_MAX)
		return 0;
	pthread_mutex_lock(&h->lock);
	rc = read_again(h, err);
	if (rc == 0) {
		find(hash, h, user);
		luff_hash_init(&state, LUFF_SHA256);
		luff_hash_update(&state, h->secret, sizeof h->secret);
		luff_hash_update(&state, hash, sizeof hash); /* so that a new password forgets the old one */
		luff_hash_update(&state, user, strlen(user) + 1);
		luff_hash_update(&state, password, strlen(password));
		luff_hash_final(&digest, &state);
		*out = is_known(h, &digest);
	}
	if (rc == 0 && !*out) {
		rc = compute(out, h, hash, password, err);
		if (rc == 0 && *out) {
			h->known[h->next] =
				(struct known){.digest = digest, .until = luff_clock_ms() + KNOWN_MS};
			h->next = (h->next + 1) % KNOWN_MAX;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}
