/*
 * The embedded registry as a client sees it (distribution-spec 1.1.1), on disk and in memory, over plain sockets, so that nothing
 * between the test and the wire is polite.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "check.h"
#include "server/endpoints.h"

static struct luff_error err;
static char address[64];

/* ---- a client ---- */

struct answer {
	int status;
	size_t len;       /* of the body */
	const char *body; /* NUL-terminated */
	char *text;       /* all of it */
};

static int connect_to(const char *where)
{
	char text[64], *host = text, *port;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	int fd = -1;

	snprintf(text, sizeof text, "%s", where);
	port = strrchr(text, ':');
	*port++ = '\0';
	if (*host == '[') {
		port[-2] = '\0';
		host++;
	}
	if (CHECK_INT(getaddrinfo(host, port, &hints, &found), 0)) {
		fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK_INT(connect(fd, found->ai_addr, found->ai_addrlen), 0);
		freeaddrinfo(found);
	}
	return fd;
}

static int connect_server(void)
{
	return connect_to(address);
}

/* False once the server has closed: it may have answered before it heard all. */
static bool send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static char *grown(char *text, size_t size)
{
	char *more = realloc(text, size);

	if (!more)
		abort();
	return more;
}

/* Reads to the end of the connection and closes it. */
static struct answer read_answer(int fd)
{
	struct answer a = {0};
	size_t size = 1 << 16, len = 0;
	char *text = malloc(size), *end;
	ssize_t n;

	while ((n = recv(fd, text + len, size - len - 1, 0)) > 0) {
		len += (size_t)n;
		if (size - len < 2)
			text = grown(text, size *= 2);
	}
	close(fd);
	text[len] = '\0';
	end = strstr(text, "\r\n\r\n");
	a.text = text;
	a.body = end ? end + 4 : text + len;
	a.len = (size_t)(text + len - a.body);
	if (end)
		*end = '\0';
	if (strncmp(text, "HTTP/1.1 ", 9) == 0)
		a.status = atoi(text + 9);
	return a;
}

static struct answer last; /* of the last call; freed by the next */

/* The header's value up to its line's end, good until the next call; "" if it is not there. */
static const char *header(const char *name)
{
	static char value[1024];
	const char *line = last.text;
	size_t len = strlen(name);

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 2;
			snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
			return value;
		}
	}
	return "";
}

/* `headers`: lines that end with \r\n. Returns the status. */
static int call_with(const char *method, const char *path, const char *headers, const void *body, size_t len)
{
	char head[4096];
	int fd = connect_server();

	free(last.text);
	snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s", method, path,
		 headers);
	send_all(fd, head, strlen(head));
	if (body)
		snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", len);
	else
		snprintf(head, sizeof head, "\r\n");
	if (send_all(fd, head, strlen(head)) && body)
		send_all(fd, body, len);
	last = read_answer(fd);
	return last.status;
}

static int call(const char *method, const char *path)
{
	return call_with(method, path, "", NULL, 0);
}

static int put(const char *method, const char *path, const char *body)
{
	return call_with(method, path, "", body, strlen(body));
}

/* "…/path", formatted; good for the next 63 calls */
__attribute__((format(printf, 1, 2))) static const char *at(const char *fmt, ...)
{
	static char paths[64][1024];
	static unsigned turn;
	char *path = paths[turn++ % 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof paths[0], fmt, ap);
	va_end(ap);
	return path;
}

/* An answer of that status whose body is an error with that code, as the spec wants it. */
static void refused(int status, int want, const char *code)
{
	CHECK_INT(status, want);
	CHECK_STR(header("Content-Type"), "application/json");
	if (!CHECK(strstr(last.body, at("{\"errors\":[{\"code\":\"%s\",\"message\":\"", code))))
		fprintf(stderr, "(%s)\n", last.body);
}

static const char *digest_of(const char *algorithm, const char *text)
{
	static struct luff_digest digests[64];
	static unsigned turn;
	struct luff_digest *d = &digests[turn++ % 64];

	OK(luff_digest_of(d, algorithm, text, strlen(text), &err));
	return d->text;
}

static const char *sha256(const char *text)
{
	return digest_of("sha256", text);
}

/* The path of a new upload. */
static const char *start(const char *repository)
{
	CHECK_INT(call_with("POST", at("/v2/%s/blobs/uploads/", repository), "", "", 0), 202);
	CHECK_STR(header("Range"), "0-0");
	CHECK_INT((int)strlen(header("Docker-Upload-UUID")), 32);
	return at("%s", header("Location"));
}

static void push_blob(const char *repository, const char *text)
{
	CHECK_INT(put("POST", at("/v2/%s/blobs/uploads/?digest=%s", repository, sha256(text)), text), 201);
	CHECK_STR(header("Location"), at("/v2/%s/blobs/%s", repository, sha256(text)));
	CHECK_STR(header("Docker-Content-Digest"), sha256(text));
}

static bool has_blob(const char *repository, const char *text)
{
	return call("GET", at("/v2/%s/blobs/%s", repository, sha256(text))) == 200 &&
	       strcmp(last.body, text) == 0;
}

/* ---- blobs ---- */

static void answers_the_ping(void)
{
	CHECK_INT(call("GET", "/v2/"), 200);
	CHECK_STR(header("Docker-Distribution-API-Version"), "registry/2.0");
	CHECK_INT(call("HEAD", "/v2/"), 200);
	refused(call("GET", "/"), 404, "UNSUPPORTED");
	refused(call("POST", "/v2/"), 405, "UNSUPPORTED");
	refused(call("PUT", "/v2/a/blobs/uploads/"), 405, "UNSUPPORTED");
}

/* A handshake is no HTTP, and has neither blanks nor lines that one could count on. */
static void answers_tls(void)
{
	static const char *const hellos[] = {"\x16\x03\x01\x02\x01\xc0\n", "\x16\x03\x01 \x02 \xc0\n",
					     "\x16"};

	for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
		int fd = connect_server();

		send_all(fd, hellos[i], strlen(hellos[i]));
		shutdown(fd, SHUT_WR);
		free(last.text);
		last = read_answer(fd);
		CHECK(strncmp(last.text, "HTTP/1.0 400 ", 13) == 0);
	}
}

static void refuses_names(void)
{
	refused(call("GET", "/v2/a//b/tags/list"), 400, "NAME_INVALID");
	refused(call("GET", "/v2/a/../b/tags/list"), 400, "NAME_INVALID");
	refused(call("GET", "/v2/%2e%2e/b/tags/list"), 400, "NAME_INVALID");
	refused(call("POST", "/v2/A/blobs/uploads/"), 400, "NAME_INVALID");
	refused(call("POST", "/v2/-a/blobs/uploads/"), 400, "NAME_INVALID");
	refused(call("POST", "/v2/a/blobs/blobs/uploads/"), 400, "NAME_INVALID");
	refused(call("GET", "/v2/a/manifests/.INVALID_MANIFEST_NAME"), 404, "MANIFEST_UNKNOWN");
	refused(call("GET", "/v2/a/blobs/sha256:../x"), 404, "UNSUPPORTED");
	refused(call("GET", "/v2/a/blobs/sha256:..%2fx"), 404, "UNSUPPORTED");
	refused(put("PUT", "/v2/a/manifests/sha256:totallywrong", "{}"), 400, "DIGEST_INVALID");
	refused(put("PUT", "/v2/a/manifests/.x", "{}"), 400, "MANIFEST_INVALID");
}

static void makes_nothing_by_reading(void)
{
	refused(call("GET", at("/v2/none/blobs/%s", sha256("x"))), 404, "BLOB_UNKNOWN");
	refused(call("GET", "/v2/none/manifests/v1"), 404, "MANIFEST_UNKNOWN");
	refused(call("GET", "/v2/none/tags/list"), 404, "NAME_UNKNOWN");
	refused(call("DELETE", at("/v2/none/blobs/%s", sha256("x"))), 404, "BLOB_UNKNOWN");
	start("none");
	CHECK_INT(call("GET", "/v2/_catalog"), 200);
	CHECK_STR(last.body, "{\"repositories\":[]}");
}

static void takes_whole_blobs(void)
{
	const char *to;

	push_blob("app", "whole");
	CHECK(has_blob("app", "whole"));
	to = start("app");
	CHECK_INT(put("PUT", at("%s?digest=%s", to, sha256("put")), "put"), 201);
	CHECK(has_blob("app", "put"));
	refused(call("GET", to), 404, "BLOB_UPLOAD_UNKNOWN");
	push_blob("app", "");
	CHECK(has_blob("app", ""));
	CHECK_INT(put("PUT", at("%s?digest=%s", start("app"), sha256("")), ""), 201);
	CHECK_INT(put("POST", at("/v2/app/blobs/uploads/?digest=%s", digest_of("sha512", "long")), "long"),
		  201);
	CHECK_INT(call("GET", at("/v2/app/blobs/%s", digest_of("sha512", "long"))), 200);
	CHECK_STR(last.body, "long");
}

static void takes_chunks(void)
{
	const char *to = start("app");

	CHECK_INT(call_with("PATCH", to, "Content-Range: 0-4\r\n", "01234", 5), 202);
	CHECK_STR(header("Range"), "0-4");
	CHECK_STR(header("Location"), to);
	/* out of order, again, not at all */
	refused(call_with("PATCH", to, "Content-Range: 7-9\r\n", "789", 3), 416, "BLOB_UPLOAD_INVALID");
	CHECK_STR(header("Range"), "0-4");
	CHECK_STR(header("Location"), to);
	refused(call_with("PATCH", to, "Content-Range: 0-4\r\n", "01234", 5), 416, "BLOB_UPLOAD_INVALID");
	refused(call_with("PATCH", to, "Content-Range: x\r\n", "56789", 5), 416, "BLOB_UPLOAD_INVALID");
	refused(call_with("PATCH", to, "Content-Range: 5-9\r\n", "5678", 4), 400, "SIZE_INVALID");
	CHECK_INT(call("GET", to), 204);
	CHECK_STR(header("Range"), "0-4");
	CHECK_INT(put("PATCH", to, "56"), 202);
	CHECK_INT(call_with("PUT", at("%s?digest=%s", to, sha256("0123456789")), "Content-Range: 7-9\r\n",
			    "789", 3),
		  201);
	CHECK(has_blob("app", "0123456789"));
}

static void takes_chunks_of_unknown_length(void)
{
	const char *to = start("app");
	static const char chunks[] = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";

	int fd = connect_server();
	char head[1024];

	snprintf(head, sizeof head,
		 "PATCH %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%s",
		 to, chunks);
	send_all(fd, head, strlen(head));
	free(last.text);
	last = read_answer(fd);
	CHECK_INT(last.status, 202);
	CHECK_STR(header("Range"), "0-6");
	CHECK_INT(put("PUT", at("%s?digest=%s", to, sha256("abcdefg")), ""), 201);
	CHECK(has_blob("app", "abcdefg"));
	/* more than the range has room for, and less; in the last request, too */
	for (int i = 0; i < 3; i++) {
		to = start("app");
		snprintf(head, sizeof head,
			 "%s %s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Range: 0-%d\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n%s",
			 i == 2 ? "PUT" : "PATCH", to, i == 2 ? at("?digest=%s", sha256("abcdefg")) : "",
			 i == 0 ? 4 : 7, chunks);
		fd = connect_server();
		send_all(fd, head, strlen(head));
		free(last.text);
		last = read_answer(fd);
		refused(last.status, 400, "SIZE_INVALID");
		refused(call("GET", to), 404, "BLOB_UPLOAD_UNKNOWN");
	}
}

/* The algorithm of a digest that comes last is known last. */
static void takes_sha512_at_the_end(void)
{
	const char *to = start("app");

	CHECK_INT(put("PATCH", to, "five"), 202);
	CHECK_INT(put("PATCH", to, "twelve"), 202);
	CHECK_INT(put("PUT", at("%s?digest=%s", to, digest_of("sha512", "fivetwelve")), ""), 201);
	CHECK_INT(call("GET", at("/v2/app/blobs/%s", digest_of("sha512", "fivetwelve"))), 200);
	CHECK_STR(last.body, "fivetwelve");
	to = start("app");
	CHECK_INT(put("PUT", at("%s?digest=%s", to, digest_of("sha512", "now")), "now"), 201);
	to = start("app");
	CHECK_INT(put("PATCH", to, "five"), 202);
	refused(put("PUT", at("%s?digest=%s", to, digest_of("sha512", "six")), ""), 400, "DIGEST_INVALID");
	CHECK_INT(call_with("POST", "/v2/app/blobs/uploads/?digest-algorithm=sha512", "", "", 0), 202);
}

static void refuses_wrong_digests(void)
{
	const char *to = start("app");

	refused(put("PUT", at("%s?digest=%s", to, sha256("right")), "wrong"), 400, "DIGEST_INVALID");
	refused(call("GET", to), 404, "BLOB_UPLOAD_UNKNOWN");
	refused(put("POST", at("/v2/app/blobs/uploads/?digest=%s", sha256("right")), "wrong"), 400,
		"DIGEST_INVALID");
	CHECK_INT(call("HEAD", at("/v2/app/blobs/%s", sha256("right"))), 404);
	CHECK_INT(call("HEAD", at("/v2/app/blobs/%s", sha256("wrong"))), 404);
	/* nor does it leave the repository that was made for it */
	refused(put("POST", at("/v2/fresh/one/blobs/uploads/?digest=%s", sha256("right")), "wrong"), 400,
		"DIGEST_INVALID");
	to = start("fresh/two");
	CHECK_INT(put("PATCH", to, "half"), 202);
	CHECK_INT(call("DELETE", to), 204);
	refused(call("GET", "/v2/fresh/one/tags/list"), 404, "NAME_UNKNOWN");
	refused(call("GET", "/v2/fresh/two/tags/list"), 404, "NAME_UNKNOWN");
	to = start("app");
	refused(put("PUT", to, "x"), 400, "DIGEST_INVALID");
	refused(put("PUT", at("%s?digest=sha256:x", to), "x"), 400, "DIGEST_INVALID");
	CHECK_INT(call("GET", to), 204);
}

static void ends_uploads(void)
{
	const char *to = start("app");

	CHECK_INT(put("PATCH", to, "half"), 202);
	CHECK_INT(call("DELETE", to), 204);
	refused(call("DELETE", to), 404, "BLOB_UPLOAD_UNKNOWN");
	refused(put("PATCH", to, "more"), 404, "BLOB_UPLOAD_UNKNOWN");
	to = start("app");
	/* of another repository */
	refused(call("GET", at("/v2/other%s", to + strlen("/v2/app"))), 404, "BLOB_UPLOAD_UNKNOWN");
	CHECK_INT(call("GET", to), 204);
}

/* A connection that breaks in the middle leaves an upload that can be continued. */
static void resumes_uploads(void)
{
	const char *to = start("app");
	int fd = connect_server(), tries = 0;
	char head[1024];

	snprintf(head, sizeof head, "PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234", to);
	send_all(fd, head, strlen(head));
	while (call("GET", to) == 204 && strcmp(header("Range"), "0-4") != 0 && tries++ < 200)
		usleep(10000);
	CHECK_STR(header("Range"), "0-4");
	refused(put("PATCH", to, "x"), 409, "BLOB_UPLOAD_INVALID");
	close(fd);
	for (tries = 0; tries < 200; tries++) {
		if (call_with("PATCH", to, "Content-Range: 5-9\r\n", "56789", 5) != 409)
			break;
		usleep(10000);
	}
	CHECK_INT(last.status, 202);
	CHECK_STR(header("Range"), "0-9");
	CHECK_INT(put("PUT", at("%s?digest=%s", to, sha256("0123456789")), ""), 201);
}

static void mounts_blobs(void)
{
	const char *whole = sha256("whole");

	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s&from=app", whole), ""), 201);
	CHECK_STR(header("Location"), at("/v2/deep/er/blobs/%s", whole));
	CHECK(has_blob("deep/er", "whole"));
	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s&from=app", whole), ""), 201);
	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s&from=app", sha256("none")), ""), 202);
	CHECK_INT(put("PUT", at("%s?digest=%s", header("Location"), sha256("none")), "none"), 201);
	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s&from=nowhere", whole), ""), 202);
	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s", whole), ""), 201);
	CHECK_INT(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s", sha256("nowhere")), ""), 202);
	refused(put("POST", at("/v2/deep/er/blobs/uploads/?mount=%s&from=../app", whole), ""), 400,
		"NAME_INVALID");
}

static int get_range(const char *range)
{
	return call_with("GET", at("/v2/app/blobs/%s", sha256("0123456789")), at("Range: %s\r\n", range),
			 NULL, 0);
}

static void gives_parts(void)
{
	CHECK_INT(get_range("bytes=2-5"), 206);
	CHECK_STR(last.body, "2345");
	CHECK_STR(header("Content-Range"), "bytes 2-5/10");
	CHECK_STR(header("Content-Length"), "4");
	CHECK_INT(get_range("bytes=7-"), 206);
	CHECK_STR(last.body, "789");
	CHECK_INT(get_range("bytes=-3"), 206);
	CHECK_STR(last.body, "789");
	CHECK_INT(get_range("bytes=1-2,4-5"), 200);
	CHECK_STR(last.body, "0123456789");
	CHECK_STR(header("Accept-Ranges"), "bytes");
	refused(get_range("bytes=10-"), 416, "SIZE_INVALID");
	CHECK_STR(header("Content-Range"), "bytes */10");
	CHECK_INT(call_with("HEAD", at("/v2/app/blobs/%s", sha256("0123456789")), "Range: bytes=2-5\r\n",
			    NULL, 0),
		  200);
	CHECK_STR(header("Content-Length"), "10");
	CHECK_STR(header("Docker-Content-Digest"), sha256("0123456789"));
	CHECK_INT((int)last.len, 0);
	CHECK_INT(call_with("GET", at("/v2/app/blobs/%s", sha256("0123456789")),
			    "Range: bytes=2-5\r\nIf-Range: \"x\"\r\n", NULL, 0),
		  200);
}

static void removes_blobs(void)
{
	push_blob("app", "goes");
	CHECK_INT(call("DELETE", at("/v2/app/blobs/%s", sha256("goes"))), 202);
	refused(call("GET", at("/v2/app/blobs/%s", sha256("goes"))), 404, "BLOB_UNKNOWN");
	refused(call("DELETE", at("/v2/app/blobs/%s", sha256("goes"))), 404, "BLOB_UNKNOWN");
}

/* ---- manifests ---- */

#define IMAGE_TYPE "Content-Type: " LUFF_MEDIA_OCI_MANIFEST "\r\n"
#define INDEX_TYPE "Content-Type: " LUFF_MEDIA_OCI_INDEX "\r\n"

static int put_manifest(const char *path, const char *type, const char *text)
{
	return call_with("PUT", path, type, text, strlen(text));
}

/* The manifest of an image with that config and no layers; `more`: further members, with their comma. */
static const char *image(const char *config, const char *more)
{
	return at("{\"schemaVersion\":2,\"mediaType\":\"" LUFF_MEDIA_OCI_MANIFEST
		  "\",\"config\":{\"mediaType\":"
		  "\"" LUFF_MEDIA_OCI_CONFIG "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[]%s}",
		  sha256(config), strlen(config), more);
}

static const char *index_of(const char *manifest)
{
	return at("{\"schemaVersion\":2,\"mediaType\":\"" LUFF_MEDIA_OCI_INDEX
		  "\",\"manifests\":[{\"mediaType\":"
		  "\"" LUFF_MEDIA_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu}]}",
		  sha256(manifest), strlen(manifest));
}

static void keeps_manifests(void)
{
	const char *text = image("{}", ""), *index = index_of(text), *digest = sha256(text);

	push_blob("img", "{}");
	CHECK_INT(put_manifest("/v2/img/manifests/v1", IMAGE_TYPE, text), 201);
	CHECK_STR(header("Location"), at("/v2/img/manifests/%s", digest));
	CHECK_STR(header("Docker-Content-Digest"), digest);
	for (int by_tag = 0; by_tag < 2; by_tag++) {
		const char *path = at("/v2/img/manifests/%s", by_tag ? "v1" : digest);

		CHECK_INT(call("GET", path), 200);
		CHECK_STR(last.body, text);
		CHECK_STR(header("Content-Type"), LUFF_MEDIA_OCI_MANIFEST);
		CHECK_STR(header("Docker-Content-Digest"), digest);
		CHECK_INT(call("HEAD", path), 200);
		CHECK_STR(header("Content-Length"), at("%zu", strlen(text)));
		CHECK_STR(header("Content-Type"), LUFF_MEDIA_OCI_MANIFEST);
		CHECK_STR(header("Docker-Content-Digest"), digest);
	}
	CHECK_INT(put_manifest(at("/v2/img/manifests/%s", sha256(index)), INDEX_TYPE, index), 201);
	CHECK_INT(put_manifest("/v2/img/manifests/multi", INDEX_TYPE, index), 201);
	CHECK_INT(call("GET", "/v2/img/manifests/multi"), 200);
	CHECK_STR(header("Content-Type"), LUFF_MEDIA_OCI_INDEX);
	CHECK_INT(put_manifest(at("/v2/img/manifests/%s", digest_of("sha512", text)), IMAGE_TYPE, text), 201);
	CHECK_INT(call("GET", at("/v2/img/manifests/%s", digest_of("sha512", text))), 200);
	/* parameters do not count; a type that is none neither */
	CHECK_INT(put_manifest("/v2/img/manifests/v1",
			       "Content-Type: " LUFF_MEDIA_OCI_MANIFEST "; charset=utf-8\r\n", text),
		  201);
	CHECK_INT(put_manifest("/v2/img/manifests/v1", "Content-Type: application/json\r\n", text), 201);
	CHECK_INT(put_manifest("/v2/img/manifests/v1", "", text), 201);
	refused(call("GET", "/v2/img/manifests/v2"), 404, "MANIFEST_UNKNOWN");
	refused(call("GET", at("/v2/img/manifests/%s", sha256("none"))), 404, "MANIFEST_UNKNOWN");
	/* a blob is no manifest */
	refused(call("GET", at("/v2/img/manifests/%s", sha256("{}"))), 404, "MANIFEST_UNKNOWN");
	refused(call("DELETE", at("/v2/img/manifests/%s", sha256("{}"))), 404, "MANIFEST_UNKNOWN");
	refused(call("DELETE", at("/v2/img/blobs/%s", digest)), 404, "BLOB_UNKNOWN");
}

static void refuses_manifests(void)
{
	char *deep = malloc(30000), *large = malloc(5 << 20);
	const char *text = image("{}", "");

	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, ""), 400, "MANIFEST_INVALID");
	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, "blablabla"), 400, "MANIFEST_INVALID");
	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, "{}"), 400, "MANIFEST_INVALID");
	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, image("{}", ",\"manifests\":[]")), 400,
		"MANIFEST_INVALID");
	refused(put_manifest("/v2/img/manifests/bad", INDEX_TYPE, text), 400, "MANIFEST_INVALID");
	refused(put_manifest(at("/v2/img/manifests/%s", sha256("other")), IMAGE_TYPE, text), 400,
		"DIGEST_INVALID");
	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, image("missing", "")), 400,
		"MANIFEST_BLOB_UNKNOWN");
	refused(put_manifest("/v2/img/manifests/bad", INDEX_TYPE, index_of("missing")), 400,
		"MANIFEST_BLOB_UNKNOWN");
	refused(put_manifest("/v2/new/manifests/bad", IMAGE_TYPE, text), 400, "MANIFEST_BLOB_UNKNOWN");
	refused(put_manifest("/v2/img/manifests/bad", IMAGE_TYPE, image("{}", ",\"subject\":{}")), 400,
		"MANIFEST_INVALID");
	refused(put_manifest(
			"/v2/img/manifests/bad", IMAGE_TYPE,
			at("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":3},"
			   "\"layers\":[]}",
			   sha256("{}"))),
		400, "SIZE_INVALID");
	memset(deep, '[', 30000);
	refused(call_with("PUT", "/v2/img/manifests/bad", IMAGE_TYPE, deep, 30000), 400, "MANIFEST_INVALID");
	memset(large, ' ', 5 << 20);
	refused(call_with("PUT", "/v2/img/manifests/bad", IMAGE_TYPE, large, LUFF_MANIFEST_MAX + 1), 413,
		"MANIFEST_INVALID");
	refused(call_with("PUT", "/v2/img/manifests/bad", IMAGE_TYPE "Expect: 100-continue\r\n", large,
			  5 << 20),
		413, "MANIFEST_INVALID");
	refused(call("GET", "/v2/img/manifests/bad"), 404, "MANIFEST_UNKNOWN");
	/* what urls name may be elsewhere */
	CHECK_INT(
		put_manifest(
			"/v2/img/manifests/foreign", "",
			at("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":2},"
			   "\"layers\":[{\"mediaType\":\"application/vnd.docker.image.rootfs.foreign.diff.tar."
			   "gzip\",\"digest\":\"%s\",\"size\":9,\"urls\":[\"https://example.com/x\"]}]}",
			   sha256("{}"), sha256("elsewhere"))),
		201);
	CHECK_INT(call("DELETE", "/v2/img/manifests/foreign"), 202);
	free(deep);
	free(large);
}

static void removes_manifests(void)
{
	const char *text = image("{}", ",\"annotations\":{\"a\":\"b\"}");

	CHECK_INT(put_manifest("/v2/img/manifests/x", IMAGE_TYPE, text), 201);
	CHECK_INT(put_manifest("/v2/img/manifests/y", IMAGE_TYPE, text), 201);
	CHECK_INT(call("DELETE", "/v2/img/manifests/x"), 202);
	refused(call("DELETE", "/v2/img/manifests/x"), 404, "MANIFEST_UNKNOWN");
	CHECK_INT(call("HEAD", at("/v2/img/manifests/%s", sha256(text))), 200);
	CHECK_INT(call("DELETE", at("/v2/img/manifests/%s", sha256(text))), 202);
	refused(call("GET", "/v2/img/manifests/y"), 404, "MANIFEST_UNKNOWN");
	refused(call("DELETE", at("/v2/img/manifests/%s", sha256(text))), 404, "MANIFEST_UNKNOWN");
}

static void lists_tags(void)
{
	static const char *const tags[] = {"B", "a", "c10", "C2", "_x"};

	push_blob("tags", "{}");
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		CHECK_INT(put_manifest(at("/v2/tags/manifests/%s", tags[i]), IMAGE_TYPE, image("{}", "")),
			  201);
	CHECK_INT(call("GET", "/v2/tags/tags/list"), 200);
	CHECK_STR(last.body, "{\"name\":\"tags\",\"tags\":[\"_x\",\"a\",\"B\",\"c10\",\"C2\"]}");
	CHECK_STR(header("Link"), "");
	CHECK_INT(call("GET", "/v2/tags/tags/list?n=2"), 200);
	CHECK_STR(last.body, "{\"name\":\"tags\",\"tags\":[\"_x\",\"a\"]}");
	CHECK_STR(header("Link"), "</v2/tags/tags/list?n=2&last=a>; rel=\"next\"");
	CHECK_INT(call("GET", "/v2/tags/tags/list?n=2&last=B"), 200);
	CHECK_STR(last.body, "{\"name\":\"tags\",\"tags\":[\"c10\",\"C2\"]}");
	CHECK_STR(header("Link"), "");
	CHECK_INT(call("GET", "/v2/tags/tags/list?n=0"), 200);
	CHECK_STR(last.body, "{\"name\":\"tags\",\"tags\":[]}");
	CHECK_STR(header("Link"), "");
	CHECK_INT(call("GET", "/v2/tags/tags/list?last=zzz"), 200);
	CHECK_STR(last.body, "{\"name\":\"tags\",\"tags\":[]}");
	refused(call("GET", "/v2/tags/tags/list?n=x"), 400, "PAGINATION_NUMBER_INVALID");
}

static void lists_repositories(void)
{
	CHECK_INT(call("GET", "/v2/_catalog"), 200);
	CHECK_STR(last.body, "{\"repositories\":[\"app\",\"deep/er\",\"img\",\"tags\"]}");
	CHECK_INT(call("GET", "/v2/_catalog?n=2&last=app"), 200);
	CHECK_STR(last.body, "{\"repositories\":[\"deep/er\",\"img\"]}");
	CHECK_STR(header("Link"), "</v2/_catalog?n=2&last=img>; rel=\"next\"");
}

static void lists_referrers(void)
{
	static char subject[1024], signature[1024], sbom[1024];
	const char *of, *list;

	snprintf(subject, sizeof subject, "%s", image("{}", ""));
	of = at(",\"subject\":{\"mediaType\":\"a/b\",\"digest\":\"%s\",\"size\":%zu}", sha256(subject),
		strlen(subject));
	snprintf(signature, sizeof signature, "%s",
		 image("{}", at("%s,\"artifactType\":\"sig/x+json\",\"annotations\":{\"k\":\"v\"}", of)));
	snprintf(sbom, sizeof sbom, "%s", image("{}", of));
	list = at("/v2/img/referrers/%s", sha256(subject));
	CHECK_INT(call("GET", list), 200);
	CHECK_STR(header("Content-Type"), LUFF_MEDIA_OCI_INDEX);
	CHECK_STR(last.body,
		  "{\"schemaVersion\":2,\"mediaType\":\"" LUFF_MEDIA_OCI_INDEX "\",\"manifests\":[]}");
	CHECK_INT(put_manifest(at("/v2/img/manifests/%s", sha256(signature)), IMAGE_TYPE, signature), 201);
	CHECK_STR(header("OCI-Subject"), sha256(subject));
	CHECK_INT(put_manifest("/v2/img/manifests/sbom", IMAGE_TYPE, sbom), 201);
	CHECK_INT(call("GET", list), 200);
	CHECK(strstr(last.body,
		     at("\"digest\":\"%s\",\"size\":%zu,\"artifactType\":\"sig/x+json\",\"annotations\":"
			"{\"k\":\"v\"}}",
			sha256(signature), strlen(signature))));
	CHECK(strstr(last.body,
		     at("\"digest\":\"%s\",\"size\":%zu,\"artifactType\":\"" LUFF_MEDIA_OCI_CONFIG "\"}",
			sha256(sbom), strlen(sbom))));
	CHECK_INT(call("GET", at("%s?artifactType=sig/x%%2Bjson", list)), 200);
	CHECK_STR(header("OCI-Filters-Applied"), "artifactType");
	CHECK(strstr(last.body, sha256(signature)) && !strstr(last.body, sha256(sbom)));
	/* without its tag it is a referrer still */
	CHECK_INT(call("DELETE", "/v2/img/manifests/sbom"), 202);
	CHECK_INT(call("GET", list), 200);
	CHECK(strstr(last.body, sha256(sbom)));
	CHECK_INT(call("DELETE", at("/v2/img/manifests/%s", sha256(sbom))), 202);
	CHECK_INT(call("GET", list), 200);
	CHECK(!strstr(last.body, sha256(sbom)));
	CHECK_INT(call("GET", at("/v2/nowhere/referrers/%s", sha256("x"))), 200);
	refused(call("GET", "/v2/img/referrers/x"), 400, "DIGEST_INVALID");
}

/* ---- many at once ---- */

#define WRITERS 8
#define BLOBS 20

static void *push_many(void *arg)
{
	const char *repository = "many/at-once";

	for (int i = 0; i < BLOBS; i++) {
		struct luff_error mine = {0};
		struct luff_digest digest;
		struct answer a;
		char text[64], head[1024];
		int fd = connect_server();

		/* half of them are the same for all */
		snprintf(text, sizeof text, "%d of %d", i, i % 2 ? *(int *)arg : -1);
		luff_digest_of(&digest, "sha256", text, strlen(text), &mine);
		snprintf(head, sizeof head,
			 "POST /v2/%s/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 repository, digest.text, strlen(text), text);
		send_all(fd, head, strlen(head));
		a = read_answer(fd);
		CHECK_INT(a.status, 201);
		free(a.text);
	}
	return NULL;
}

static void takes_many_at_once(void)
{
	pthread_t threads[WRITERS];
	int numbers[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, push_many, &numbers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < BLOBS; i++)
		CHECK(has_blob("many/at-once", at("%d of %d", i, i % 2 ? WRITERS - 1 : -1)));
}

/* ---- servers ---- */

static struct luff_server *open_server(const char *listen, const char *root, int64_t cap)
{
	struct luff_server_options options = {.listen = listen, .root = root, .memory_cap = cap};
	struct luff_server *server = NULL;

	if (!OK(luff_server_start(&server, &options, &err)))
		exit(check_end());
	snprintf(address, sizeof address, "%s", luff_server_address(server));
	return server;
}

static void run_all(const char *root)
{
	struct luff_server *server = open_server(NULL, root, 0);

	answers_the_ping();
	answers_tls();
	refuses_names();
	makes_nothing_by_reading();
	takes_whole_blobs();
	takes_chunks();
	takes_chunks_of_unknown_length();
	takes_sha512_at_the_end();
	refuses_wrong_digests();
	ends_uploads();
	resumes_uploads();
	mounts_blobs();
	gives_parts();
	removes_blobs();
	keeps_manifests();
	refuses_manifests();
	removes_manifests();
	lists_tags();
	lists_repositories();
	lists_referrers();
	takes_many_at_once();
	luff_server_stop(server);
}

/* What is left on disk is layouts that others read, uploads that somebody may come back to, and nothing of what failed. */
static void leaves_layouts(const char *root)
{
	struct luff_medium *m = NULL;
	struct luff_descriptor d = {0};
	struct luff_server *server;
	struct luff_name name;

	CHECK_INT(count_files(at("%s/app/ingest", root)), 3);
	CHECK_INT(count_files(at("%s/none/ingest", root)), 1);
	CHECK_INT(count_files(at("%s/new", root)), -1);
	CHECK_INT(count_files(at("%s/fresh", root)), -1);
	if (OK(luff_medium_open(&m, &name, at("oci:%s/img:v1", root), NULL, &err)))
		OK(luff_medium_resolve(&d, NULL, m, &name, &err));
	CHECK_STR(d.digest.text, sha256(image("{}", "")));
	luff_medium_unref(m);
	/* and a new server goes on with them */
	server = open_server("[::1]:0", root, 0);
	CHECK(strncmp(address, "[::1]:", 6) == 0);
	memmove(address, address + 1, strlen(address));
	memmove(strchr(address, ']'), strchr(address, ']') + 1, 7);
	CHECK_INT(call("GET", "/v2/img/manifests/v1"), 200);
	/* a folder that goes while it is open, and comes again */
	CHECK_INT(rename(at("%s/img", root), at("%s/moved", root)), 0);
	refused(call("GET", "/v2/img/manifests/v1"), 404, "MANIFEST_UNKNOWN");
	CHECK_INT(call("GET", "/v2/moved/manifests/v1"), 200);
	push_blob("img", "again");
	CHECK(has_blob("img", "again"));
	luff_server_stop(server);
}

/* More repositories than are kept open. */
static void serves_many_repositories(void)
{
	struct luff_server *server = open_server(NULL, scratch("many"), 0);
	int before = count_open();

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 70; i++) {
			const char *name = at("team/app%d", i);

			if (round == 0)
				push_blob(name, name);
			else
				CHECK(has_blob(name, name));
		}
	}
	/* connections that were closed here may still be closing there */
	for (int tries = 0; tries < 100 && count_open() > before + 65; tries++)
		usleep(20000);
	CHECK(count_open() <= before + 65);
	luff_server_stop(server);
}

static int send_index(const char *repository)
{
	static const char body[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	char head[1024];
	int fd = connect_server();

	snprintf(
		head, sizeof head,
		"PUT /v2/%s/manifests/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		repository, sizeof body - 1, body);
	send_all(fd, head, strlen(head));
	return fd;
}

/* Documents are parsed by four requests at a time; those that wait for another process keep no reader from its turn. */
static void parses_in_turns(void)
{
	struct luff_server *server = open_server(NULL, scratch("turns"), 0);
	int lock, other, fds[5] = {0};
	char c;

	for (int i = 0; i < 2; i++) {
		free(last.text);
		last = read_answer(send_index(i ? "free" : "locked"));
		CHECK_INT(last.status, 201);
	}
	lock = open(scratch("turns/locked/oci-layout"), O_RDWR | O_CLOEXEC);
	CHECK(flock(lock, LOCK_EX) == 0);
	for (int i = 0; i < 4; i++)
		fds[i] = send_index("locked");
	usleep(100000);
	other = send_index("free");
	usleep(200000);
	CHECK(recv(other, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN);
	CHECK_INT(call("GET", "/v2/free/manifests/v1"), 200);
	CHECK_INT(call("GET", "/v2/locked/tags/list"), 200);
	push_blob("free", "a blob");
	CHECK(recv(other, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN);
	close(lock);
	for (int i = 0; i < 5; i++) {
		free(last.text);
		last = read_answer(i < 4 ? fds[i] : other);
		CHECK_INT(last.status, 201);
	}
	/* nor do those who wait keep it from stopping */
	lock = open(scratch("turns/locked/oci-layout"), O_RDWR | O_CLOEXEC);
	CHECK(flock(lock, LOCK_EX) == 0);
	for (int i = 0; i < 5; i++)
		fds[i] = send_index("locked");
	usleep(100000);
	alarm(20);
	luff_server_stop(server);
	alarm(0);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	close(lock);
}

static void keeps_to_the_cap(void)
{
	struct luff_server *server = open_server(NULL, NULL, 100000);
	char *bytes = calloc(1, 80001);

	memset(bytes, 'x', 80000);
	push_blob("a", bytes);
	refused(put("POST", at("/v2/b/blobs/uploads/?digest=%s", sha256(bytes)), bytes), 507, "UNKNOWN");
	/* what is mounted takes no room, nor what is there already */
	for (int i = 0; i < 2; i++)
		CHECK_INT(put("POST", at("/v2/c/blobs/uploads/?mount=%s&from=a", sha256(bytes)), ""), 201);
	CHECK_INT(call("DELETE", at("/v2/c/blobs/%s", sha256(bytes))), 202);
	CHECK_INT(call("DELETE", at("/v2/a/blobs/%s", sha256(bytes))), 202);
	push_blob("b", bytes);
	luff_server_stop(server);
	free(bytes);
}

static void use(const struct luff_server *server)
{
	snprintf(address, sizeof address, "%s", luff_server_address(server));
}

/* Two servers on one root, as two processes would be: what fails in one takes nothing from the other. */
static void shares_its_folder(void)
{
	struct luff_server *one = open_server(NULL, scratch("both"), 0),
			   *two = open_server(NULL, scratch("both"), 0);
	const char *failing, *good;

	use(one);
	failing = start("team/app");
	CHECK_INT(put("PATCH", failing, "half"), 202);
	use(two);
	good = start("team/app");
	CHECK_INT(put("PATCH", good, "who"), 202);
	use(one);
	CHECK_INT(call("DELETE", failing), 204);
	use(two);
	CHECK_INT(put("PUT", at("%s?digest=%s", good, sha256("whole")), "le"), 201);
	CHECK(has_blob("team/app", "whole"));
	use(one);
	CHECK(has_blob("team/app", "whole"));
	luff_server_stop(one);
	luff_server_stop(two);
}

struct failing {
	char address[64];
	int status;
};

static void *push_wrong(void *arg)
{
	struct failing *f = arg;
	struct luff_digest wrong;
	struct luff_error mine = {0};
	struct answer a;
	char head[1024];
	int fd = connect_to(f->address);

	luff_digest_of(&wrong, "sha256", "right", 5, &mine);
	snprintf(head, sizeof head,
		 "POST /v2/race/app/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		 "Content-Length: 5\r\n\r\nwrong",
		 wrong.text);
	send_all(fd, head, strlen(head));
	a = read_answer(fd);
	f->status = a.status;
	free(a.text);
	return NULL;
}

static void keeps_what_it_took(void)
{
	struct luff_server *one = open_server(NULL, scratch("raced"), 0),
			   *two = open_server(NULL, scratch("raced"), 0);
	struct failing f = {.status = 0};

	snprintf(f.address, sizeof f.address, "%s", luff_server_address(one));
	use(two);
	for (int i = 0; i < 100; i++) {
		pthread_t thread;

		CHECK(pthread_create(&thread, NULL, push_wrong, &f) == 0);
		push_blob("race/app", "kept");
		pthread_join(thread, NULL);
		CHECK_INT(f.status, 400);
		CHECK(has_blob("race/app", "kept"));
		CHECK_INT(call("DELETE", at("/v2/race/app/blobs/%s", sha256("kept"))), 202);
		/* from the start */
		CHECK(rmdir(scratch("raced/race/app/blobs/sha256")) == 0);
		CHECK(rmdir(scratch("raced/race/app/blobs")) == 0);
		CHECK(unlink(scratch("raced/race/app/oci-layout")) == 0);
	}
	luff_server_stop(one);
	luff_server_stop(two);
}

/* What Lua's own checks would have caught. */
static void refuses_faults_that_make_no_sense(void)
{
	static const struct luff_header bad = {.name = "Transfer-Encoding", .value = "gzip"};
	const struct luff_fault faults[] = {
		{.status = 99}, {.body = "x"},    {.cut = -1},       {.lies = true, .length = -2},
		{.every = -1},  {.stall_ms = -1}, {.token_ttl = -1}, {.headers = &bad, .header_count = 1},
	};

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct luff_server_options options = {.faults = &faults[i], .fault_count = 1};
		struct luff_server *server = NULL;
		struct luff_error error = {0};

		CHECK_INT(luff_server_start(&server, &options, &error), LUFF_EINVAL);
		CHECK(strncmp(error.msg, "fault 1: ", 9) == 0);
		CHECK(!server);
	}
}

/* Clients that do nothing do not keep a server from stopping. */
static void stops_at_once(void)
{
	struct luff_server *server = open_server("localhost:0", scratch("stops"), 0);
	char head[1024];
	int fds[8], n = 0;

	for (; n < 4; n++)
		fds[n] = connect_server();
	send_all(fds[0], "GET /v2/ HT", 11);
	fds[n] = connect_server();
	snprintf(head, sizeof head, "PATCH %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
		 start("up"));
	send_all(fds[n++], head, strlen(head));
	fds[n] = connect_server();
	send_all(fds[n++],
		 "PUT /v2/up/manifests/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		 78);
	usleep(100000);
	alarm(20);
	luff_server_stop(server);
	alarm(0);
	while (n > 0)
		close(fds[--n]);
	CHECK_INT(count_files(scratch("stops/up/ingest")), 1);
}

static void refuses_to_start(void)
{
	static const char *const bad[] = {"",      "localhost", "localhost:x",  "::1:0",
					  "[::1]", "[]:0",      "1.2.3.4:99999"};
	struct luff_server_options options = {0};
	struct luff_server *server, *other = open_server(NULL, NULL, 0);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		options.listen = bad[i];
		FAILS(luff_server_start(&server, &options, &err), LUFF_EINVAL, "listen");
	}
	/* all addresses */
	options.listen = ":0";
	if (OK(luff_server_start(&server, &options, &err)))
		CHECK(atoi(strrchr(luff_server_address(server), ':') + 1) > 0);
	luff_server_stop(server);
	options.listen = address;
	FAILS(luff_server_start(&server, &options, &err), LUFF_EIO, "in use");
	luff_server_stop(other);
	write_file(scratch("file"), "", 0);
	options = (struct luff_server_options){.root = scratch("file")};
	FAILS(luff_server_start(&server, &options, &err), LUFF_EIO, "file");
	luff_server_stop(NULL);
}

int main(void)
{
	const char *root = strdup(scratch("root/of/all"));
	int open;

	OK(luff_init(&err));
	luff_server_stop(open_server(NULL, NULL, 0));
	open = count_open();
	run_all(NULL);
	run_all(root);
	leaves_layouts(root);
	serves_many_repositories();
	keeps_to_the_cap();
	parses_in_turns();
	shares_its_folder();
	keeps_what_it_took();
	refuses_faults_that_make_no_sense();
	stops_at_once();
	refuses_to_start();
	CHECK_INT(count_open(), open);
	luff_shutdown();
	free(last.text);
	free((char *)root);
	return check_end();
}
