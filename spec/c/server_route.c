/* What addresses mean to the embedded registry. Whatever is not a name by the grammar must never become a path. */
#include "server/route.h"

#include "check.h"

static struct luff_route route;
static struct luff_error err;

static bool is(const char *uri, enum luff_route_kind kind, const char *repository)
{
	return OK(luff_route_parse(&route, uri, &err)) & CHECK_INT(route.kind, kind) &
	       CHECK_STR(route.repository, repository);
}

static void refused(const char *uri, const char *code)
{
	FAILS(luff_route_parse(&route, uri, &err), LUFF_ENAME, "");
	CHECK_STR(route.refusal, code);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA256 "sha256:" HEX64
#define SHA512 "sha512:" HEX64 HEX64
#define ID "0123456789abcdef0123456789abcdef"

static void finds_endpoints(void)
{
	is("/v2", LUFF_ROUTE_ROOT, "");
	is("/v2/", LUFF_ROUTE_ROOT, "");
	is("/v2/_catalog?n=5", LUFF_ROUTE_CATALOG, "");
	CHECK_INT(route.n, 5);
	is("/v2/a/tags/list", LUFF_ROUTE_TAGS, "a");
	CHECK_INT(route.n, -1);
	is("/v2/a/b/manifests/latest", LUFF_ROUTE_MANIFEST, "a/b");
	CHECK_STR(route.tag, "latest");
	CHECK_STR(route.digest.text, "");
	is("/v2/a/manifests/" SHA512, LUFF_ROUTE_MANIFEST, "a");
	CHECK_STR(route.tag, "");
	CHECK_STR(route.digest.text, SHA512);
	is("/v2/a/blobs/" SHA256, LUFF_ROUTE_BLOB, "a");
	is("/v2/a/blobs/sha256%3A" HEX64, LUFF_ROUTE_BLOB, "a");
	CHECK_STR(route.digest.text, SHA256);
	is("/v2/a/blobs/uploads/", LUFF_ROUTE_UPLOADS, "a");
	is("/v2/a/blobs/uploads", LUFF_ROUTE_UPLOADS, "a");
	is("/v2/a/blobs/uploads/" ID, LUFF_ROUTE_UPLOAD, "a");
	CHECK_STR(route.id, ID);
	is("/v2/a/referrers/" SHA256, LUFF_ROUTE_REFERRERS, "a");
}

static void reads_names_that_look_like_addresses(void)
{
	is("/v2/tags/list/tags/list", LUFF_ROUTE_TAGS, "tags/list");
	is("/v2/a/manifests/manifests/v1", LUFF_ROUTE_MANIFEST, "a/manifests");
	is("/v2/v2/manifests/v1", LUFF_ROUTE_MANIFEST, "v2");
	is("/v2/blobs/blobs/" SHA256, LUFF_ROUTE_BLOB, "blobs");
	is("/v2/uploads/blobs/uploads/", LUFF_ROUTE_UPLOADS, "uploads");
	is("/v2/a%2Fb/tags/list", LUFF_ROUTE_TAGS, "a/b");
	is("/v2/a/manifests/tags", LUFF_ROUTE_MANIFEST, "a");
}

static void knows_no_other_addresses(void)
{
	static const char *const none[] = {"",
					   "/",
					   "/v1/",
					   "/v2x",
					   "/v3/a/tags/list",
					   "v2/",
					   "/v2/a",
					   "/v2/a/b",
					   "/v2/a/tags/lists",
					   "/v2/a/tags/list/",
					   "/v2/a/manifests/a%2e%2e%2f",
					   "/v2/a/blobs/uploads/..%2fx",
					   "/v2/a/blobs/sha256:../../../etc/passwd",
					   "/v2/a/tag/x",
					   "/v2/uploads/x",
					   "/v2/a/uploads/x",
					   "//v2/a/tags/list"};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		FAILS(luff_route_parse(&route, none[i], &err), LUFF_ENOTFOUND, "endpoint");
}

static void refuses_names_off_the_grammar(void)
{
	static const char *const names[] = {
		"",
		"-a",
		"a-",
		"a//b",
		"a/",
		"/a",
		"A",
		"a/B",
		"a/../b",
		"..",
		".",
		"a/.",
		"a_",
		"_a",
		"a___b",
		"a..b",
		"a.-b",
		"a b",
		"a%20b",
		"a%2f%2fb",
		"%2e%2e",
		"a%00b",
		"a\\b",
		"a:b",
		"a@b",
		"\xc3\xa4",
		"a/%2e%2e/b",
		"a%2F..%2Fb",
		"a/blobs",
		"a/b/blobs/c",
		"a/index.json",
		"a/oci-layout",
		"a/ingest",
		"a/ingest/b",
		"a+b",
		"a~b",
		"a%",
		"a%2",
		"a%zz",
		"-",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char uri[128];

		snprintf(uri, sizeof uri, "/v2/%s/tags/list", names[i]);
		refused(uri, "NAME_INVALID");
	}
}

static void takes_names_of_the_grammar(void)
{
	static const char *const names[] = {"a",     "0",      "a-b",          "a--b",     "a---b",
					    "a_b",   "a__b",   "a.b",          "a/b",      "a/b/c/d",
					    "blobs", "ingest", "index.json/a", "a/blobs2", "a/uploads"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		CHECK(luff_route_is_repository(names[i]));
}

static void caps_lengths(void)
{
	char name[300], uri[4096], tag[200];

	memset(name, 'a', sizeof name);
	name[255] = '\0';
	CHECK(luff_route_is_repository(name));
	snprintf(uri, sizeof uri, "/v2/%s/tags/list", name);
	is(uri, LUFF_ROUTE_TAGS, name);
	name[255] = 'a';
	name[256] = '\0';
	CHECK(!luff_route_is_repository(name));
	memset(tag, 'T', sizeof tag);
	tag[128] = '\0';
	CHECK(luff_route_is_tag(tag));
	tag[128] = 'T';
	tag[129] = '\0';
	CHECK(!luff_route_is_tag(tag));
	memset(uri, 'a', sizeof uri);
	memcpy(uri, "/v2/", 4);
	uri[sizeof uri - 1] = '\0';
	refused(uri, "NAME_INVALID");
	memcpy(uri, "/v2/a/tags/list?last=", 21);
	refused(uri, "UNSUPPORTED");
}

static void refuses_references_off_the_grammar(void)
{
	refused("/v2/a/manifests/", "MANIFEST_INVALID");
	refused("/v2/a/manifests/.x", "MANIFEST_INVALID");
	refused("/v2/a/manifests/-x", "MANIFEST_INVALID");
	refused("/v2/a/manifests/a%20b", "MANIFEST_INVALID");
	refused("/v2/a/manifests/sha256:totallywrong", "DIGEST_INVALID");
	refused("/v2/a/manifests/md5:" HEX64, "DIGEST_INVALID");
	refused("/v2/a/blobs/" HEX64, "DIGEST_INVALID");
	refused("/v2/a/blobs/sha256:", "DIGEST_INVALID");
	refused("/v2/a/blobs/SHA256:" HEX64, "DIGEST_INVALID");
	refused("/v2/a/blobs/sha256:" HEX64 "0", "DIGEST_INVALID");
	refused("/v2/a/referrers/x", "DIGEST_INVALID");
	refused("/v2/a/blobs/uploads/x", "BLOB_UPLOAD_UNKNOWN");
	refused("/v2/a/blobs/uploads/" ID "0", "BLOB_UPLOAD_UNKNOWN");
}

static void reads_queries(void)
{
	is("/v2/a/blobs/uploads/?digest=sha256%3a" HEX64 "&mount=" SHA512 "&from=b%2Fc&x=y&&=&z",
	   LUFF_ROUTE_UPLOADS, "a");
	CHECK_STR(route.content.text, SHA256);
	CHECK_STR(route.mount.text, SHA512);
	CHECK_STR(route.from, "b/c");
	is("/v2/a/blobs/uploads/?digest=&mount=&from=&digest-algorithm=sha512", LUFF_ROUTE_UPLOADS, "a");
	CHECK_STR(route.content.text, "");
	CHECK_STR(route.algorithm, "sha512");
	is("/v2/a/tags/list?last=V1&n=0", LUFF_ROUTE_TAGS, "a");
	CHECK_STR(route.last, "V1");
	CHECK_INT(route.n, 0);
	is("/v2/a/referrers/" SHA256 "?artifactType=application/vnd.a+json", LUFF_ROUTE_REFERRERS, "a");
	CHECK_STR(route.artifact_type, "application/vnd.a+json");
	is("/v2/a/referrers/" SHA256 "?artifactType=application%2Fvnd.a%2Bjson", LUFF_ROUTE_REFERRERS, "a");
	CHECK_STR(route.artifact_type, "application/vnd.a+json");
	refused("/v2/a/blobs/uploads/?digest=sha256:x", "DIGEST_INVALID");
	refused("/v2/a/blobs/uploads/?mount=../x&from=b", "DIGEST_INVALID");
	refused("/v2/a/blobs/uploads/?mount=" SHA256 "&from=../b", "NAME_INVALID");
	refused("/v2/a/blobs/uploads/?digest-algorithm=md5", "DIGEST_INVALID");
	refused("/v2/a/tags/list?n=-1", "PAGINATION_NUMBER_INVALID");
	refused("/v2/a/tags/list?n=99999999999999999999", "PAGINATION_NUMBER_INVALID");
	refused("/v2/a/tags/list?last=%00", "UNSUPPORTED");
}

int main(void)
{
	finds_endpoints();
	reads_names_that_look_like_addresses();
	knows_no_other_addresses();
	refuses_names_off_the_grammar();
	takes_names_of_the_grammar();
	caps_lengths();
	refuses_references_off_the_grammar();
	reads_queries();
	return check_end();
}
