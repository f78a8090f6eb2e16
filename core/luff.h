/*
 * luff: container images in C.
 *
 * A *medium* is a place that holds content by digest and names by tag: a registry repository, an OCI layout
 * folder, memory. Image, Layer and Index are defined once, over (medium, descriptor), and so is everything that is
 * done with them. To move an image:
 *
 *	struct luff_error err = {0};
 *	struct luff_open_options create = {.create = true};
 *	struct luff_medium *src = NULL, *dst = NULL;
 *	struct luff_name from, to;
 *
 *	if (luff_medium_open(&src, &from, "docker.io/library/alpine:3", NULL, &err) < 0 ||
 *	    luff_medium_open(&dst, &to, "oci:./mirror:alpine", &create, &err) < 0 ||
 *	    luff_copy(NULL, dst, &to, src, &from, NULL, &err) < 0)
 *		fprintf(stderr, "%s\n", err.msg);
 *	luff_medium_unref(src);
 *	luff_medium_unref(dst);
 *
 * Conventions
 *  - Outputs come first, `err` last. A function returns 0 or a negative LUFF_E*; on failure outputs are NULL or
 *    zero and `err` (never NULL) says what, where and how to mend it. On success `err` is untouched.
 *  - A getter that returns its value cannot fail, and what it points to is borrowed while its owner lives.
 *  - _open and _new make, _ref and _unref share (atomic count, NULL is fine), _close ends what has one owner.
 *  - Sizes are int64_t bytes. Strings are UTF-8, NUL-terminated. Every function may be called on any thread; one
 *    reader, cursor or job is used by one thread at a time.
 *  - Calls block. Cancel them through the scope that they run under (struct luff_scope).
 */
#ifndef LUFF_H
#define LUFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LUFF_API __attribute__((visibility("default")))

#define LUFF_VERSION "0.1.0"

/* ---- Errors ------------------------------------------------------------------------------------------------- */

enum {
	LUFF_ENOMEM = -1,    /* out of memory */
	LUFF_EINVAL = -2,    /* an argument or option that makes no sense */
	LUFF_ENAME = -3,     /* a name, tag, digest or platform that does not parse */
	LUFF_ENOTFOUND = -4, /* no such repository, tag, blob, file or platform */
	LUFF_EEXISTS = -5,   /* is there already */
	LUFF_ENOTSUP = -6,   /* the medium or the format cannot do that */
	LUFF_EFORMAT = -7,   /* content that is not what it should be; truncated input */
	LUFF_EDIGEST = -8,   /* bytes do not match their digest */
	LUFF_ESIZE = -9,     /* bytes do not match their size */
	LUFF_ELIMIT = -10,   /* over one of the caps below */
	LUFF_EIO = -11,      /* files, disks; sys_errno is set */
	LUFF_ENET = -12,     /* could not connect, connection lost, TLS failed */
	LUFF_EAUTH = -13,    /* credentials are missing or wrong (401) */
	LUFF_EDENIED = -14,  /* not allowed (403) */
	LUFF_ERATE = -15,    /* too many requests (429) */
	LUFF_EHTTP = -16,    /* any other unexpected answer; http_status is set */
	LUFF_ETIMEOUT = -17, /* took too long */
	LUFF_ECANCELED = -18 /* the scope was cancelled */
};

/* A value in the caller's frame; nothing to free. Zero it before the first call. Never holds a secret. */
struct luff_error {
	int code;        /* LUFF_E*, 0: no error */
	int sys_errno;   /* errno where the system failed, else 0 */
	int http_status; /* where a server answered, else 0 */
	char msg[512];   /* one line, lower case */
};

/** The code as scripts see it: "not_found", "digest_mismatch", …; "unknown" for a number that is none. */
LUFF_API const char *luff_error_name(int code);

/* ---- Caps: every length that comes from outside has one ------------------------------------------------------ */

#define LUFF_MANIFEST_MAX                                                                                    \
	(4 << 20) /* bytes of a manifest or index (distribution-spec asks for at least 4 MiB) */
#define LUFF_CONFIG_MAX (8 << 20) /* bytes of an image config */
#define LUFF_DIGEST_MAX 135       /* characters of "sha512:" and its hex */
#define LUFF_MEDIA_TYPE_MAX 255   /* RFC 6838 4.2: 127 / 127 */
#define LUFF_TAG_MAX 511 /* a registry's tag has at most 128, a layout's ref.name may be a whole image name */
#define LUFF_NAME_MAX 255           /* registry host; repository (distribution-spec, "Pulling manifests") */
#define LUFF_DEPTH_MAX 16           /* indexes within indexes */
#define LUFF_PATH_MAX 4096          /* bytes of a path or link target in a layer */
#define LUFF_ENTRIES_MAX (16 << 20) /* entries of an image's layers, where they are held at once */
#define LUFF_UNPACKED_MAX ((int64_t)128 << 30) /* bytes that one layer unpacks to; luff_limits_set() */
#define LUFF_RATIO_MAX 250 /* times its size that a layer unpacks to, from 1 GiB on; luff_limits_set() */
#define LUFF_SPOOL_MAX ((int64_t)64 << 30) /* bytes of one temporary file ($TMPDIR, else /var/tmp) */

/* ---- The process --------------------------------------------------------------------------------------------- */

/**
 * Counted: each luff_init() needs its luff_shutdown(). The last one joins the worker threads and closes kept
 * connections. Worker threads, per-host gates and connections are the process's; everything else is the caller's.
 */
LUFF_API int luff_init(struct luff_error *err);
LUFF_API void luff_shutdown(void);

struct luff_progress;

/*
 * What calls run under: entered on a thread, inherited by the worker threads that help the calls made there, nested
 * by entering another. Lives in the caller's frame until it is left; every job started under it has ended by then.
 */
struct luff_scope {
	struct luff_scope *parent; /* set by enter */
	volatile int cancelled;    /* set by luff_scope_cancel; seen by every scope inside */
	/* Optional. One line of trace without its newline ("GET https://… 200 1.2 kB 35 ms"); any thread, no secrets. */
	void (*log)(void *arg, const char *line);
	void *log_arg;
	/* Optional. What moves, of luff_copy() and of whatever else reads or writes blobs; any thread, must not block for long. */
	void (*progress)(void *arg, const struct luff_progress *event);
	void *progress_arg;
};
LUFF_API void luff_scope_enter(struct luff_scope *scope);
LUFF_API void luff_scope_leave(struct luff_scope *scope);
/** Calls under the scope end with LUFF_ECANCELED within about a tenth of a second. Safe in a signal handler. */
LUFF_API void luff_scope_cancel(struct luff_scope *scope);

/* ---- Digests (image-spec, descriptor.md "Digests") ----------------------------------------------------------- */

struct luff_digest {
	char text[LUFF_DIGEST_MAX + 1]; /* "sha256:" or "sha512:" and lower-case hex; "" is no digest */
};

/** Strict: known algorithm, lower-case hex, exact length. LUFF_ENAME otherwise. */
LUFF_API int luff_digest_parse(struct luff_digest *out, const char *text, struct luff_error *err);
LUFF_API bool luff_digest_equal(const struct luff_digest *a, const struct luff_digest *b);
/** Digest of bytes at hand; algorithm "sha256" or "sha512". */
LUFF_API int luff_digest_of(struct luff_digest *out, const char *algorithm, const void *bytes, size_t len,
			    struct luff_error *err);
/** The hex after the colon; borrowed from d. */
LUFF_API const char *luff_digest_hex(const struct luff_digest *d);

/* ---- Platforms (image-spec, image-index.md "platform") ------------------------------------------------------- */

struct luff_platform {
	char os[32];      /* "" in a descriptor that names no platform */
	char arch[32];    /* GOARCH */
	char variant[32]; /* "" where normalised away: arm64/v8 is arm64, arm is arm/v7, amd64/v1 is amd64 */
	char os_version[64]; /* Windows builds; "" is any */
};

#define LUFF_PLATFORM_TEXT_MAX 176

/** "os/arch[/variant][:os_version]", or "arch" or "os" alone with the rest from the host. Normalises. LUFF_ENAME. */
LUFF_API int luff_platform_parse(struct luff_platform *out, const char *text, struct luff_error *err);
/** The machine's: Linux containers on every host, with the host's architecture. */
LUFF_API void luff_platform_host(struct luff_platform *out);
/** Writes text of at most LUFF_PLATFORM_TEXT_MAX with its NUL and returns buf; "unknown" for an empty platform. */
LUFF_API const char *luff_platform_format(char buf[LUFF_PLATFORM_TEXT_MAX], const struct luff_platform *p);
/**
 * How well `have` runs on `want`: 0 not at all, else the higher the better (same variant before a lower one, as arm/v7
 * runs arm/v6). An OS version that `want` leaves empty matches any; so does a variant, but of amd64 and arm64, where an
 * empty one is the lowest.
 */
LUFF_API int luff_platform_match(const struct luff_platform *want, const struct luff_platform *have);

/* ---- Names ---------------------------------------------------------------------------------------------------- */

/* A name in a registry after the distribution grammar, with Docker's defaults filled in. A value. */
struct luff_reference {
	char registry[LUFF_NAME_MAX + 1];   /* host[:port]; "docker.io" where none was given */
	char repository[LUFF_NAME_MAX + 1]; /* "library/nginx" */
	char tag[LUFF_TAG_MAX +
		 1]; /* "latest" where neither tag nor digest was given; "" with a digest alone */
	struct luff_digest digest; /* "" where none was given; tag and digest may both be there */
};

/** LUFF_ENAME, with the offending place in the message. "index.docker.io" and "registry-1.docker.io" are docker.io. */
LUFF_API int luff_reference_parse(struct luff_reference *out, const char *text, struct luff_error *err);
/** Canonical text, "registry/repository[:tag][@digest]", at most `size` with its NUL (1200 is always enough). */
LUFF_API const char *luff_reference_format(char *buf, size_t size, const struct luff_reference *ref);

/* What picks one thing in a medium: a tag, a digest, or both (then the digest decides). */
struct luff_name {
	char tag[LUFF_TAG_MAX + 1];
	struct luff_digest digest;
};

/* ---- Descriptors (image-spec, descriptor.md) ------------------------------------------------------------------- */

struct luff_descriptor {
	char media_type[LUFF_MEDIA_TYPE_MAX + 1];
	struct luff_digest digest;
	int64_t size;
	bool manifest; /* held as a manifest (a registry keeps those apart from blobs), whatever its media type says */
	struct luff_platform platform; /* of an index's entry; os is "" where it names none */
};

#define LUFF_MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define LUFF_MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define LUFF_MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define LUFF_MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define LUFF_MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define LUFF_MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define LUFF_MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

/** OCI image manifest or Docker schema 2. */
LUFF_API bool luff_media_is_image(const char *media_type);
/** OCI image index or Docker manifest list. */
LUFF_API bool luff_media_is_index(const char *media_type);

/* ---- Streams ---------------------------------------------------------------------------------------------------- */

struct luff_reader;

/**
 * Progresses, ends, or fails.
 *
 * @param n_out  0 with > 0: that many bytes were read; 0 with 0: the end, for good, and what was read is what its
 *               descriptor promised (size and digest)
 * @param len    at least 1
 * @return 0; LUFF_EDIGEST, LUFF_ESIZE or LUFF_EFORMAT in place of the end; after a failure only close is allowed
 */
LUFF_API int luff_reader_read(size_t *n_out, struct luff_reader *r, void *buf, size_t len,
			      struct luff_error *err);
/** Closes what it wraps too. NULL is fine. */
LUFF_API void luff_reader_close(struct luff_reader *r);

/* A list that arrives piece by piece. */
struct luff_cursor;

/** @param out  the next item, borrowed until the next call; NULL at the end */
LUFF_API int luff_cursor_next(const char **out, struct luff_cursor *c, struct luff_error *err);
LUFF_API void luff_cursor_close(struct luff_cursor *c);

/* ---- Settings of registries --------------------------------------------------------------------------------------- */

struct luff_login;

/* How the process speaks to a host. Zero and NULL are the defaults. */
struct luff_settings {
	const char *scheme; /* "http" or "https"; default: http for loopback hosts, https for all others */
	bool insecure;      /* take any certificate */
	const char *
		address; /* "host[:port]" that the host is found at, whatever its name; TLS is with that one */
	/* Each of the three is the path of a PEM file, or the PEM itself ("-----BEGIN …"). */
	const char *ca;   /* authorities to trust beside those in the system's folder */
	const char *cert; /* the client's certificate; needs its key */
	const char *key;  /* default: it is where the certificate is */
	const char *
		certs; /* folder with these as certs.d has them: *.crt, *.cert and its *.key; what is said above goes first */
	const char *socket; /* path of the Unix socket that the host listens on */
	const char *proxy;  /* URL; "" is none; default: as the environment says */
	const char *user;   /* with password; they go before all files and helpers */
	const char *password;
	const char *
		helper; /* NAME of the credential helper (docker-credential-NAME) that knows the login; before user */
	const char *helper_server; /* what the helper calls the host; default: as docker does */
	/*
	 * Optional. Knows the login of the host, before all others: fills members of *out (free() releases them), or none where
	 * it knows nothing. Called when the host first wants a login, and again when it refuses that one. From any thread, and it
	 * may block; LUFF_ECANCELED where its scope is cancelled.
	 */
	int (*credentials)(struct luff_login *out, void *arg, const char *host, struct luff_error *err);
	void *credentials_arg;
	/*
	 * "host[:port][/prefix]" each, ended by NULL: asked first, in this order, for manifests and blobs that are read. What
	 * they do not have or cannot give comes from the next one, in the end from the host itself. Nothing is pushed to them.
	 */
	const char *const *mirrors;
	int connect_timeout; /* seconds; default 30 */
	int idle_timeout;    /* seconds without a byte; default 60 */
	int total_timeout;   /* seconds of one request; default: as long as bytes keep moving */
	int requests;        /* that wait for their answer at a time; default 16 */
	double rate;         /* requests per second; default: as many as there are */
	double bandwidth; /* bytes per second, of all bodies together that come and go; default: as many as there are */
	int64_t chunk_size; /* bytes of a blob that go up in one request at most; default: all of it, where it is taken */
};

/**
 * For all that is opened from now on, redirects and token servers at that host included. Replaces what was said before.
 *
 * @param host      as names have it: "registry.example:5000", "docker.io"
 * @param settings  copied
 * @return 0; LUFF_EINVAL for settings that make no sense, LUFF_ENOTFOUND or LUFF_EIO for files that cannot be read
 */
LUFF_API int luff_settings_set(const char *host, const struct luff_settings *settings,
			       struct luff_error *err);

/** Whether logins are looked for where docker, podman and skopeo keep them (default), or settings alone know them. From now on. */
LUFF_API void luff_logins_look(bool look);

/* How far compressed layers may unpack, so that a small file does not fill a disk. Zero is the default. */
struct luff_limits {
	int64_t unpacked; /* bytes of one layer; default LUFF_UNPACKED_MAX */
	int64_t ratio; /* bytes for each one that is stored, where they are more than 1 GiB; default LUFF_RATIO_MAX */
};

/** For all that is read from now on in this process. LUFF_EINVAL. */
LUFF_API int luff_limits_set(const struct luff_limits *limits, struct luff_error *err);

#define LUFF_CACHE_MAX ((int64_t)10 << 30) /* bytes */

/**
 * From now on what is read from registries, which luff_medium_open() opens, is kept in a folder, and comes from there the next time:
 * names are still asked for, content that is there is not, whichever repository it came from. Everything is checked each time; what
 * is damaged is fetched anew. Any number of processes may share the folder, an OCI layout without names.
 *
 * @param folder  made where missing; NULL: nothing is kept any more
 * @param max     bytes, beyond which what was not used for longest goes; 0: LUFF_CACHE_MAX
 */
LUFF_API int luff_cache_set(const char *folder, int64_t max, struct luff_error *err);

/* ---- Plans: what would be written is written down, and perhaps done later -------------------------------------------- */

enum luff_planned_kind {
	LUFF_PLANNED_BLOB,        /* a blob comes to a place */
	LUFF_PLANNED_MANIFEST,    /* a manifest, without a name */
	LUFF_PLANNED_TAG,         /* a manifest gets a name */
	LUFF_PLANNED_UNTAG,       /* a name goes */
	LUFF_PLANNED_DELETE,      /* a manifest goes, with all its names */
	LUFF_PLANNED_DELETE_BLOB, /* a blob goes */
	LUFF_PLANNED_STANDS /* nothing is done: a tag of a place where a manifest goes, and what it stood for */
};

struct luff_planned {
	enum luff_planned_kind kind;
	char *place; /* as luff_medium_place() has it */
	char *from;  /* of a blob: the place that has its bytes; NULL: they are in the plan */
	bool plain_http, from_plain_http;
	bool force; /* luff_medium_remove() */
	struct luff_descriptor descriptor;
	char tag[LUFF_TAG_MAX + 1];
	struct luff_digest before; /* what the name stood for; "": nothing */
};

/**
 * From now on nothing is written to mediums that luff_medium_open() opens: what would be is written down, in this whole process, and
 * whatever reads from them sees it. "memory:", files that luff_image_save() and the like write, and servers are not concerned.
 *
 * @param folder  keeps what was made on the way and is nowhere else (manifests, new layers), for luff_plan_apply(): an OCI layout
 *                without names, made where missing; at most 64 GiB. NULL: memory does, at most 1 GiB, and the plan cannot be applied
 * @return 0; LUFF_EEXISTS where a plan is being made
 */
LUFF_API int luff_plan_begin(const char *folder, struct luff_error *err);
LUFF_API bool luff_plan_is_on(void);
/**
 * Ends it.
 *
 * @param out  the steps in the order in which they were asked for; luff_planned_free() them
 * @return 0; LUFF_EINVAL where no plan is being made
 */
LUFF_API int luff_plan_end(struct luff_planned **out, size_t *count_out, struct luff_error *err);
LUFF_API void luff_planned_free(struct luff_planned *list, size_t count);
/**
 * Does what a plan says. Before that, every name has to stand for what it stood for when the plan was made, and no tag that is
 * new or has changed may reach a manifest that is deleted; what is there already does not move, so that a plan that broke off is
 * applied once more.
 *
 * @param folder  as of luff_plan_begin()
 * @return 0; LUFF_EDENIED: a name stands for something else now, and nothing was done
 */
LUFF_API int luff_plan_apply(const struct luff_planned *steps, size_t count, const char *folder,
			     struct luff_error *err);

/* ---- What registries say beside their answers ------------------------------------------------------------------------ */

#define LUFF_WARNING_MAX 255

/* Words for people (distribution-spec, "Warnings"): one line, printable. */
struct luff_warning {
	char registry[LUFF_NAME_MAX + 1]; /* "docker.io" */
	char text[LUFF_WARNING_MAX + 1];
};
/** The oldest that nobody has taken. Each text comes once from each registry, however many answers carry it. */
LUFF_API bool luff_warning_take(struct luff_warning *out);

/* How many requests a registry allows, as it last said. -1: it did not say. */
struct luff_rate_limit {
	int64_t limit, remaining;
	int64_t window;  /* seconds for which the limit is */
	int64_t reset;   /* seconds until there are as many again */
	char source[64]; /* whom it counts, an address or an account; "": it did not say */
};
/**
 * Makes no request: what the answers that this process got from the registry said last. Docker Hub says it of manifests alone;
 * a HEAD, as luff_medium_resolve() sends it, does not count there.
 *
 * @param known     false: none of them said anything
 * @param registry  "docker.io"
 */
LUFF_API int luff_rate_limit_of(bool *known, struct luff_rate_limit *out, const char *registry,
				bool plain_http, struct luff_error *err);

/* ---- Mediums ----------------------------------------------------------------------------------------------------- */

struct luff_medium;

struct luff_open_options {
	bool plain_http; /* speak http to a registry whose host is not loopback (loopback always may) */
	/*
	 * For a destination: make the layout folder where it is missing (without it: LUFF_ENOTFOUND), write to standard output
	 * where "-" is the file. An archive comes into being by what is written to it.
	 */
	bool create;
	/*
	 * Optional. Of what a name stands for, only the image for this platform is wanted. A place that gives out images as a
	 * whole (docker-daemon:) heeds it where it can, and the name stands for that image then; others do not look at it.
	 */
	const struct luff_platform *platform;
};

/**
 * Opens the place that `text` names, without asking whether the name is there.
 *
 *	nginx:1.27  docker://ghcr.io/org/app@sha256:…   a registry repository
 *	oci:DIR  oci:DIR:TAG  oci:DIR@sha256:…          an OCI layout folder (image-spec, image-layout.md)
 *	oci-archive:FILE  oci-archive:FILE:TAG          a tar of one, compressed or not; FILE may be "-"
 *	docker-archive:FILE  docker-archive:FILE:NAME   what docker save writes; NAME is that of an image, "app:v1"
 *	docker-daemon:NAME  docker-daemon:sha256:ID     images of Docker or Podman (DOCKER_HOST, docker's context)
 *	dir:DIR                                         a folder with one image, as skopeo has it
 *	containers-storage:NAME                         what podman keeps here; [overlay@/FOLDER]NAME: elsewhere; read-only
 *	containerd:NAME                                 what containerd keeps here; [NAMESPACE@/FOLDER]NAME: elsewhere; read-only
 *	rootfs:PATH                                     a folder or a tar as an image of one layer; read-only
 *	random:layers=3,size=100000,seed=7              an image of that shape, always the same; read-only
 *
 * In these, "@2" in place of a tag is the third of the manifests. No name at all is the only manifest that there is.
 *
 * @param name_out  what the text picks there; all empty for "oci:DIR"
 * @param options   may be NULL
 * @return 0; LUFF_ENAME, LUFF_ENOTFOUND (no such folder), LUFF_EFORMAT (the folder is no layout), LUFF_EIO
 *
 * No network. "memory:" is refused here: a memory medium has no name beyond the process (luff_memory_new).
 */
LUFF_API int luff_medium_open(struct luff_medium **out, struct luff_name *name_out, const char *text,
			      const struct luff_open_options *options, struct luff_error *err);
/** An empty place in memory that holds at most `cap` bytes of content. */
LUFF_API int luff_memory_new(struct luff_medium **out, int64_t cap, struct luff_error *err);
/**
 * Reads go to `front` and then to `back`, writes to `front` alone: new content over an untouched medium. Tags and referrers
 * are those of `back`. Refs both.
 */
LUFF_API int luff_overlay_new(struct luff_medium **out, struct luff_medium *front, struct luff_medium *back,
			      struct luff_error *err);

LUFF_API struct luff_medium *luff_medium_ref(struct luff_medium *m);
LUFF_API void luff_medium_unref(struct luff_medium *m);
/** The place without a tag, as it goes into messages: "localhost:5000/app", "oci:./dir", "memory". Borrowed. */
LUFF_API const char *luff_medium_place(const struct luff_medium *m);

/**
 * The descriptor that a name stands for.
 *
 * @param document_out  may be NULL: only the descriptor is wanted; else the manifest's bytes, verified, NUL-terminated,
 *                      out->size long; free() them
 * @param name          neither tag nor digest: the only name that the medium holds, else LUFF_ENOTFOUND with the list
 */
LUFF_API int luff_medium_resolve(struct luff_descriptor *out, char **document_out, struct luff_medium *m,
				 const struct luff_name *name, struct luff_error *err);
/** Bytes of d from `offset` on. From 0 they are verified; from elsewhere only their number is. */
LUFF_API int luff_medium_fetch(struct luff_reader **out, struct luff_medium *m,
			       const struct luff_descriptor *d, int64_t offset, struct luff_error *err);
/** All of a small document, verified and NUL-terminated, d->size bytes of at most `cap`; free() it. */
LUFF_API int luff_medium_fetch_all(char **out, struct luff_medium *m, const struct luff_descriptor *d,
				   int64_t cap, struct luff_error *err);
LUFF_API int luff_medium_exists(bool *out, struct luff_medium *m, const struct luff_descriptor *d,
				struct luff_error *err);
/** Stores what src yields as d. Reads src to its end or fails; what failed is not seen by others. Does not close src. */
LUFF_API int luff_medium_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
			      struct luff_error *err);
/** The same for bytes at hand. */
LUFF_API int luff_medium_push_bytes(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
				    struct luff_error *err);
/** Stores a manifest's bytes as d and gives them the name, the last step of a write: others see all of it or nothing. */
LUFF_API int luff_medium_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
			     const char *tag, struct luff_error *err);
/** One more name for what a name stands for. As luff_medium_resolve() and luff_medium_tag(). */
LUFF_API int luff_medium_alias(struct luff_descriptor *out, struct luff_medium *m,
			       const struct luff_name *name, const char *tag, struct luff_error *err);
/**
 * Makes what was pushed without a name stay: an archive is only written as a whole, and does that here and in luff_medium_tag().
 * Elsewhere there is nothing to do.
 */
LUFF_API int luff_medium_flush(struct luff_medium *m, struct luff_error *err);
/** Tags in the medium's own order. */
LUFF_API int luff_medium_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err);
/**
 * The repositories of a registry, in its order, where it tells (Docker Hub and others do not).
 *
 * @param registry  "localhost:5000", "docker.io"
 */
LUFF_API int luff_catalog_open(struct luff_cursor **out, const char *registry, bool plain_http,
			       struct luff_error *err);

/* What a registry says of itself. */
struct luff_ping {
	char url[LUFF_NAME_MAX + 16]; /* where it is: "https://registry-1.docker.io" */
	char version[64];             /* "registry/2.0", of the API; "" where it does not say */
};

/**
 * Asks a registry whether it is one and takes the login that is known for it (distribution-spec, "Determining Support").
 *
 * @param registry  "localhost:5000", "docker.io"
 * @return 0; LUFF_EAUTH, LUFF_EDENIED; LUFF_EHTTP or LUFF_ENOTFOUND for a server that is none; LUFF_ENET, …
 */
LUFF_API int luff_ping(struct luff_ping *out, const char *registry, bool plain_http, struct luff_error *err);
/**
 * What refers to a manifest: signatures, attestations, other artifacts (distribution-spec, "Listing Referrers"). A registry
 * without that API is asked for the index that stands in for it, under the tag "sha256-…".
 *
 * @param out            descriptors as JSON text, with artifactType and annotations; unknown members stay
 * @param artifact_type  only those; NULL: all
 * @return 0, also where nothing refers to it or it is not there; LUFF_ENOTSUP for mediums that cannot tell
 */
LUFF_API int luff_medium_referrers(struct luff_cursor **out, struct luff_medium *m,
				   const struct luff_digest *subject, const char *artifact_type,
				   struct luff_error *err);
/**
 * With a tag: that name goes, and nothing else. With a digest: the manifest goes, and all its names with it.
 *
 * @param out    the manifest that went; "" where its name alone did
 * @param force  where the medium cannot take a name alone away, the manifest goes with all its names; without it that is
 *               LUFF_ENOTSUP, with the digest and the other names, as far as they can be told
 */
LUFF_API int luff_medium_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
				bool force, struct luff_error *err);
/**
 * All entries of an index.json that have that annotation go; the manifests stay, as those do that lose a name.
 *
 * @param count_out  how many; may be 0
 * @return 0; LUFF_ENOTSUP for mediums without an index.json
 */
LUFF_API int luff_medium_remove_annotated(int64_t *count_out, struct luff_medium *m, const char *key,
					  const char *value, struct luff_error *err);
/** Size of a blob. LUFF_ENOTFOUND; LUFF_ENOTSUP for mediums that cannot tell. */
LUFF_API int luff_medium_stat(int64_t *size_out, struct luff_medium *m, const struct luff_digest *digest,
			      struct luff_error *err);
/** A blob goes, also where manifests still want it. LUFF_ENOTFOUND, LUFF_ENOTSUP. */
LUFF_API int luff_medium_remove_blob(struct luff_medium *m, const struct luff_digest *digest,
				     struct luff_error *err);

/* ---- Image, Index, Layer: immutable, shared, lazy ------------------------------------------------------------------ */

struct luff_image;
struct luff_index;
struct luff_layer;

/**
 * An image from a descriptor that resolve or an index gave.
 *
 * @param document  the manifest's bytes where they are at hand (copied), or NULL: they are fetched
 * @return 0; LUFF_EFORMAT if it is no image (the message says what it is), not JSON, or both manifest and index
 */
LUFF_API int luff_image_open(struct luff_image **out, struct luff_medium *m, const struct luff_descriptor *d,
			     const char *document, struct luff_error *err);
LUFF_API struct luff_image *luff_image_ref(struct luff_image *image);
LUFF_API void luff_image_unref(struct luff_image *image);
LUFF_API struct luff_medium *luff_image_medium(const struct luff_image *image);
LUFF_API const struct luff_descriptor *luff_image_descriptor(const struct luff_image *image);
/** The manifest's bytes as they were received, luff_image_descriptor()->size of them, NUL-terminated. */
LUFF_API const char *luff_image_raw_manifest(const struct luff_image *image);
/** The config's descriptor; its digest is the image ID. */
LUFF_API const struct luff_descriptor *luff_image_config(const struct luff_image *image);
/** The config's bytes, config()->size of them, NUL-terminated; fetched and verified once, borrowed. */
LUFF_API int luff_image_raw_config(const char **out, struct luff_image *image, struct luff_error *err);
/** From the config; empty for an artifact whose config is no image config. */
LUFF_API int luff_image_platform(struct luff_platform *out, struct luff_image *image, struct luff_error *err);
LUFF_API size_t luff_image_layer_count(const struct luff_image *image);
/** @param i  0 is the base; must be below the count */
LUFF_API int luff_image_layer(struct luff_layer **out, struct luff_image *image, size_t i,
			      struct luff_error *err);

LUFF_API int luff_index_open(struct luff_index **out, struct luff_medium *m, const struct luff_descriptor *d,
			     const char *document, struct luff_error *err);
LUFF_API struct luff_index *luff_index_ref(struct luff_index *index);
LUFF_API void luff_index_unref(struct luff_index *index);
LUFF_API struct luff_medium *luff_index_medium(const struct luff_index *index);
LUFF_API const struct luff_descriptor *luff_index_descriptor(const struct luff_index *index);
LUFF_API const char *luff_index_raw_manifest(const struct luff_index *index);
LUFF_API size_t luff_index_count(const struct luff_index *index);
/** @param i  below the count */
LUFF_API const struct luff_descriptor *luff_index_entry(const struct luff_index *index, size_t i);
/**
 * The entry that runs best on `want`, looking into nested indexes. NULL is the host's platform.
 * @return 0; LUFF_ENOTFOUND with the platforms that there are
 */
LUFF_API int luff_index_select(struct luff_descriptor *out, struct luff_index *index,
			       const struct luff_platform *want, struct luff_error *err);

LUFF_API struct luff_layer *luff_layer_ref(struct luff_layer *layer);
LUFF_API void luff_layer_unref(struct luff_layer *layer);
/** Digest, size and media type of the layer as it is stored (compressed). */
LUFF_API const struct luff_descriptor *luff_layer_descriptor(const struct luff_layer *layer);
/** Digest of the uncompressed tar: from the image's config where it says, else computed by reading the layer once. */
LUFF_API int luff_layer_diff_id(struct luff_digest *out, struct luff_layer *layer, struct luff_error *err);
/** As stored, verified. */
LUFF_API int luff_layer_open_compressed(struct luff_reader **out, struct luff_layer *layer,
					struct luff_error *err);
/** Plain tar, whatever the compression (found by magic number: gzip, zstd, xz, bzip2 or none). */
LUFF_API int luff_layer_open_uncompressed(struct luff_reader **out, struct luff_layer *layer,
					  struct luff_error *err);

/* ---- Files in layers ----------------------------------------------------------------------------------------------- */

enum luff_entry_type {
	LUFF_ENTRY_FILE,
	LUFF_ENTRY_HARD_LINK,
	LUFF_ENTRY_SYMLINK,
	LUFF_ENTRY_CHAR,
	LUFF_ENTRY_BLOCK,
	LUFF_ENTRY_FOLDER,
	LUFF_ENTRY_FIFO
};

/** "file", "hardlink", "symlink", "char", "block", "folder", "fifo" */
LUFF_API const char *luff_entry_type_name(enum luff_entry_type type);

struct luff_xattr {
	const char *name; /* "security.capability" */
	const char *value;
	size_t len;
};

/* What a layer says of a file. Text has no NUL in it but need not be UTF-8; it is borrowed as the entry is. */
struct luff_entry {
	enum luff_entry_type type;
	const char *path;         /* as the layer has it: "etc/passwd", "./etc/", "a/.wh.b" */
	const char *link;         /* target of a link, else "" */
	const char *user, *group; /* names of the owners where they are said, else "" */
	int64_t size;             /* of a file's content; else 0 */
	int64_t mtime;            /* seconds since the epoch */
	int32_t mtime_ns;
	uint32_t mode; /* permissions, and the bits of setuid, setgid and sticky */
	uint32_t uid, gid;
	uint32_t major, minor; /* of devices */
	const struct luff_xattr *xattrs;
	size_t xattr_count;
};

/* The entries of a layer, in its order. */
struct luff_entries;

/** LUFF_EFORMAT for layers that are no tar comes with the first entry. */
LUFF_API int luff_entries_open(struct luff_entries **out, struct luff_layer *layer, struct luff_error *err);
/** @param out  borrowed until the next call; NULL at the end, which comes after the layer was found right */
LUFF_API int luff_entries_next(const struct luff_entry **out, struct luff_entries *entries,
			       struct luff_error *err);
/** Content of the entry that came last, as luff_reader_read(). */
LUFF_API int luff_entries_read(size_t *n_out, struct luff_entries *entries, void *buf, size_t len,
			       struct luff_error *err);
/** NULL is fine. */
LUFF_API void luff_entries_close(struct luff_entries *entries);

/* The squashed tree of an image: what is left of all layers' files (image-spec, layer.md). Immutable, shared. */
struct luff_tree;

/** Reads all layers, several at a time. LUFF_EFORMAT for layers that are no tar or do not fit each other. */
LUFF_API int luff_tree_open(struct luff_tree **out, struct luff_image *image, struct luff_error *err);
LUFF_API struct luff_tree *luff_tree_ref(struct luff_tree *tree);
LUFF_API void luff_tree_unref(struct luff_tree *tree);

/* Files of a tree, one after the other. */
struct luff_files;

/**
 * Those whose path fits a pattern: folders before what is in them, in the order of names.
 *
 * @param pattern  "*", "?" and "[a-z]" stand for parts of a name, "**" for any number of folders: "/usr/lib/" "**" "/x.so";
 *                 NULL: all files
 */
LUFF_API int luff_files_open(struct luff_files **out, struct luff_tree *tree, const char *pattern,
			     struct luff_error *err);
/**
 * The one file that a path leads to, through links within the image, the last one too.
 *
 * @return 0; LUFF_ENOTFOUND
 */
LUFF_API int luff_files_find(struct luff_files **out, struct luff_tree *tree, const char *path,
			     struct luff_error *err);
/**
 * The same, but layers are read from the top, and only as many as it takes to be certain.
 *
 * @param content  that is all that is wanted: the path that the entry has then need not be free of links
 */
LUFF_API int luff_files_find_in(struct luff_files **out, struct luff_image *image, const char *path,
				bool content, struct luff_error *err);
/**
 * @param out        borrowed until the next call, its path is absolute; NULL at the end. Of hard links each is a file
 * @param layer_out  the number of the layer that it comes from, from 1 on; 0 for folders that no layer names. May be NULL
 */
LUFF_API int luff_files_next(const struct luff_entry **out, size_t *layer_out, struct luff_files *files,
			     struct luff_error *err);
/**
 * Content of the file that came last; the reader is good on its own. What it reads comes with its first read, and its end with
 * that of the layer, which is checked. LUFF_EINVAL for what is no file.
 */
LUFF_API int luff_files_content(struct luff_reader **out, struct luff_files *files, struct luff_error *err);
/** NULL is fine. */
LUFF_API void luff_files_close(struct luff_files *files);

/** Takes bytes; any thread, one call at a time. */
typedef int (*luff_write_fn)(void *arg, const void *bytes, size_t len, struct luff_error *err);

/**
 * An image's files as one tar: the same bytes for the same image. Reads each layer once, several at a time; content waits in a
 * temporary file ($TMPDIR, else /var/tmp). Layers for which that has no room are read again.
 */
LUFF_API int luff_export(struct luff_image *image, luff_write_fn write, void *arg, struct luff_error *err);

struct luff_extract_options {
	bool keep_owner; /* files belong to whom the image says: for root; else they are the caller's */
};

struct luff_extract_result {
	int64_t files; /* that were made, folders and links included */
	int64_t bytes; /* of their content */
	int64_t skipped; /* devices and extended attributes that the caller may not make, or the file system cannot hold */
};

/**
 * Unpacks an image into a folder, which is made where it is missing, and is empty else. Nothing outside of it is touched, whatever
 * the image holds: no link is ever followed. What fails leaves the folder as it was. Reads each layer once, several at a time.
 *
 * @param out      may be NULL
 * @param options  may be NULL
 * @return 0; LUFF_EEXISTS for a folder with something in it
 */
LUFF_API int luff_extract(struct luff_extract_result *out, struct luff_image *image, const char *folder,
			  const struct luff_extract_options *options, struct luff_error *err);

struct luff_efficiency_layer {
	int64_t files;  /* regular ones, hard links not counted */
	int64_t bytes;  /* of their content */
	int64_t wasted; /* of those that later layers replace or remove */
};

/* A path that layers have in vain. */
struct luff_efficiency_path {
	char *path;     /* "/var/cache/x" */
	int64_t count;  /* layers that have it */
	int64_t bytes;  /* in all of them */
	int64_t wasted; /* in those that do not count any more */
	bool removed;   /* no file is there in the end */
};

struct luff_efficiency {
	double score;   /* 0 to 1: dive's "efficiency" */
	int64_t bytes;  /* of all files in all layers */
	int64_t wasted; /* of them, what nobody sees */
	struct luff_efficiency_layer *layers;
	size_t layer_count;
	struct luff_efficiency_path *paths; /* the worst first */
	size_t path_count;
};

/** What an image's layers hold in vain. luff_efficiency_release() it. Reads nothing but the tree. */
LUFF_API int luff_efficiency_of(struct luff_efficiency *out, struct luff_tree *tree, struct luff_error *err);
LUFF_API void luff_efficiency_release(struct luff_efficiency *e);

/* ---- Diff ------------------------------------------------------------------------------------------------------------ */

/* What of a file is different. */
enum {
	LUFF_DIFF_TYPE = 1,
	LUFF_DIFF_CONTENT = 2,
	LUFF_DIFF_MODE = 4,
	LUFF_DIFF_OWNER = 8,
	LUFF_DIFF_TIME = 16,
	LUFF_DIFF_LINK = 32,
	LUFF_DIFF_DEVICE = 64,
	LUFF_DIFF_XATTRS = 128,
	LUFF_DIFF_UNKNOWN = 256 /* never seen from outside */
};

struct luff_diff_options {
	const char *pattern; /* as luff_files_open(); NULL: all files */
	bool times;          /* a file that only has another time is different, too */
	bool contents;       /* keep the contents of changed files of at most 64 KiB, up to 32 MiB of them */
};

struct luff_change {
	const char *path;
	const struct luff_entry *from, *to; /* NULL: not there */
	size_t from_layer, to_layer;        /* as luff_files_next() */
	unsigned what;                      /* LUFF_DIFF_… | …; 0 where one of the two is not there */
	const char *from_bytes, *to_bytes;  /* from->size and to->size of them; NULL: not kept */
};

struct luff_diff;

/**
 * What is different between the files of two images. Contents are read where nothing else says whether they are the same: each layer
 * once, and none that both have.
 */
LUFF_API int luff_diff_open(struct luff_diff **out, struct luff_tree *from, struct luff_tree *to,
			    const struct luff_diff_options *options, struct luff_error *err);
/** @param out  borrowed until the next call; NULL at the end. Folders come before what is in them, in the order of names */
LUFF_API int luff_diff_next(const struct luff_change **out, struct luff_diff *diff, struct luff_error *err);
/** NULL is fine. */
LUFF_API void luff_diff_close(struct luff_diff *diff);

/* ---- Progress ------------------------------------------------------------------------------------------------------- */

enum luff_progress_kind {
	LUFF_PROGRESS_START,   /* a blob starts to move */
	LUFF_PROGRESS_BYTES,   /* `bytes` more of it have arrived */
	LUFF_PROGRESS_DONE,    /* it is there, verified */
	LUFF_PROGRESS_SKIPPED, /* it was there before */
	LUFF_PROGRESS_MOUNTED, /* the destination took it over without bytes */
	LUFF_PROGRESS_KEPT,    /* `bytes` of it are there from a copy that broke off */
	LUFF_PROGRESS_READ,    /* it was read to its end, verified */
	LUFF_PROGRESS_LEFT     /* it failed, or nobody wants the rest of it */
};

/* What the `progress` of a scope hears. Of one copy it comes one call at a time. */
struct luff_progress {
	enum luff_progress_kind kind;
	const struct luff_descriptor *descriptor; /* borrowed for the call */
	int64_t bytes;
	int64_t total; /* of a copy: bytes of all blobs found so far, those that are there included; else 0 */
};

/* ---- Copy ----------------------------------------------------------------------------------------------------------- */

/* What becomes of layers that are plain tars. It changes their digests, and those of the manifests above. */
enum luff_compress {
	LUFF_COMPRESS_DEFAULT, /* gzip where the source has all layers plain (docker-archive:) and the destination has not */
	LUFF_COMPRESS_NONE, /* nothing changes */
	LUFF_COMPRESS_GZIP,
	LUFF_COMPRESS_ZSTD /* smaller and faster; manifests of Docker's kind cannot say it */
};

struct luff_copy_options {
	enum luff_compress compress;
	const struct luff_platform *platform; /* of an index, only the image for it; NULL: everything */
	int jobs;                             /* blobs at a time, 1 to 64; 0: 4 */
	bool referrers; /* also what refers to the manifests that are copied, and to that, and so on */
	/*
	 * Also layers that may not be distributed (by their media type), which are left out else. What the source lacks comes from
	 * the `urls` of its descriptor, one after the other until one has it: without a login, and from no private address but those
	 * whose host settings name.
	 */
	bool foreign;
	bool deep; /* also asks for what hangs below a name that stands for it already, at a place that should have all of it */
};

struct luff_copy_result {
	struct luff_descriptor root; /* what the destination's name stands for now */
	int64_t copied;              /* blobs that moved */
	int64_t skipped;             /* blobs that were there */
	int64_t mounted;
	int64_t bytes;     /* that moved */
	int64_t kept;      /* bytes of the blobs that moved, which were there from a copy that broke off */
	int64_t manifests; /* that were written, indexes included */
};

/**
 * Copies what `src_name` stands for, bytes and digests unchanged unless layers are compressed. Blobs go before manifests, manifests before
 * indexes, the name last; killed at any moment the destination stays readable, and the next run moves only what is missing: a layout
 * keeps what came of a large blob for a week.
 *
 * @param out       may be NULL
 * @param dst_name  no tag: the source's tag; a digest must be the source's digest (LUFF_EDIGEST)
 * @param options   may be NULL
 */
LUFF_API int luff_copy(struct luff_copy_result *out, struct luff_medium *dst,
		       const struct luff_name *dst_name, struct luff_medium *src,
		       const struct luff_name *src_name, const struct luff_copy_options *options,
		       struct luff_error *err);

struct luff_copy_source {
	struct luff_medium *medium;
	const struct luff_name *name;
	const char *as; /* its name at the destination; NULL: the same */
};

/**
 * The same for several images, each of which keeps its name: content first, then all names at once. An archive is written once, and
 * what the images share is in there once.
 *
 * @param out        sums; its root is that of the last image
 * @param roots_out  NULL, or `count` of them: what each name stands for now
 * @return 0; LUFF_EINVAL where two would get the same name; LUFF_ENOTSUP for a place with one image
 */
LUFF_API int luff_copy_all(struct luff_copy_result *out, struct luff_descriptor *roots_out,
			   struct luff_medium *dst, const struct luff_copy_source *sources, size_t count,
			   const struct luff_copy_options *options, struct luff_error *err);

/* ---- Validate -------------------------------------------------------------------------------------------------------- */

/* Something that is not as it should be. */
struct luff_finding {
	struct luff_finding *next;
	int code;    /* LUFF_ENOTFOUND, LUFF_EFORMAT, LUFF_EDIGEST, LUFF_ESIZE, LUFF_ELIMIT, LUFF_ENOTSUP */
	char *thing; /* "manifest", "config", "layer 2", "diff ID 2", "history", "platform", "subject" … */
	char *place; /* the manifest that it belongs to: "oci:./dir@sha256:…" */
	char *what;  /* one line */
};

struct luff_validate_options {
	bool fast; /* reads no layer: only what manifests and configs say, and that blobs are there and as large as they say */
	int jobs;                             /* blobs at a time, 1 to 64; 0: 4 */
	const struct luff_platform *platform; /* of an index, only the image for it; NULL: everything */
};

struct luff_validate_result {
	struct luff_finding *findings; /* in the order of the manifests; NULL: all is sound */
	int64_t images, indexes;       /* that were looked at, each once */
	int64_t blobs;                 /* configs and layers */
	int64_t bytes;                 /* of the layers that were read, as they are stored */
};

#define LUFF_FINDINGS_MAX 1000 /* what comes after them is not told */

/**
 * Whether all that a name stands for is what it says to be: digests, sizes, diff IDs, media types, what config and manifest say of
 * each other, platforms, and tars that can be unpacked on each other. What an artifact holds is only held against its digests.
 *
 * @param out      luff_findings_free(out->findings)
 * @param options  may be NULL
 * @return 0, also where there are findings; LUFF_ENOTFOUND for a name that is not there, LUFF_ENET and its like where it
 *         could not be looked at
 */
LUFF_API int luff_validate(struct luff_validate_result *out, struct luff_medium *m,
			   const struct luff_name *name, const struct luff_validate_options *options,
			   struct luff_error *err);
LUFF_API void luff_findings_free(struct luff_finding *list);

/* ---- Artifacts -------------------------------------------------------------------------------------------------------- */

struct luff_artifact_result {
	int64_t files;   /* that have a title; a folder is one */
	int64_t bytes;   /* of their content */
	int64_t skipped; /* layers without a title */
};

/**
 * Puts the files of an artifact into a folder, which is made where it is missing: each layer that has a title, under that name;
 * tars that are folders (as oras has them) unpacked. What has to be checked is checked before the first of them is seen. A file that
 * was there is replaced as a whole; no title and no link leads out of the folder.
 *
 * @param out  may be NULL
 * @return 0; LUFF_EFORMAT for titles and folders that lead out, LUFF_EEXISTS for what would have to be overwritten
 */
LUFF_API int luff_artifact_save(struct luff_artifact_result *out, struct luff_image *image,
				const char *folder, struct luff_error *err);
/**
 * A folder as such a layer: a tar.gz, the same bytes for the same names, modes, links and contents.
 *
 * @param fd_out       a temporary file; the caller's
 * @param content_out  digest of the plain tar
 * @param title        the name that it gets; in front of all names in the tar
 */
LUFF_API int luff_artifact_pack(int *fd_out, struct luff_digest *content_out, const char *folder,
				const char *title, struct luff_error *err);

/* ---- Edits: new images from old, which move nothing until they are copied somewhere ------------------------------------ */

struct luff_edit {
	const char *config; /* the new config, JSON; NULL: the old one */
	const char *
		manifest; /* the new manifest; its config is filled in. NULL: the old one with the new config */
	struct luff_layer *const *layers; /* what the manifest names beside the layers of the old image */
	size_t layer_count;
};

/**
 * An image with another config or manifest. What stays has its bytes, digests and place; members of the documents that are in both
 * keep their order. Whoever changes layers changes the config's diff IDs and history, too.
 *
 * @param out    the same image where nothing changes
 * @param image  NULL: there was none
 * @return 0; LUFF_EINVAL for a manifest that names what is not there, LUFF_EFORMAT, LUFF_ELIMIT
 */
LUFF_API int luff_image_edit(struct luff_image **out, struct luff_image *image, const struct luff_edit *edit,
			     struct luff_error *err);

struct luff_index_edit {
	const char *manifest; /* the new index, JSON */
	/* What it names beside what the old one names. All that they need is read from where they lie. */
	struct luff_image *const *images;
	struct luff_index *const *indexes;
	size_t image_count, index_count;
};

/**
 * The same for an index. An index among those that are given is read to its last image.
 *
 * @param index  NULL: there was none
 */
LUFF_API int luff_index_edit(struct luff_index **out, struct luff_index *index,
			     const struct luff_index_edit *edit, struct luff_error *err);

/* New layers wait in temporary files ($TMPDIR, else /var/tmp) until they are copied somewhere. The same content is the same layer. */

/** A layer as it is stored, but compressed in another way; LUFF_COMPRESS_DEFAULT is gzip. */
LUFF_API int luff_layer_recompress(struct luff_layer **out, struct luff_layer *layer,
				   enum luff_compress compress, struct luff_error *err);
/**
 * A tar in a file, or on standard input ("-"), as a layer. What is gzip or zstd stays as it is, and so must the file until the
 * layer was copied; all else becomes gzip.
 *
 * @return 0; LUFF_EFORMAT for what is no tar, to its end
 */
LUFF_API int luff_layer_from_tar(struct luff_layer **out, const char *path, struct luff_error *err);

/**
 * An image's layers from number `first` (0 is the base) on as one: whatever they leave, and whiteouts for what they take away
 * from the layers below. With 0 it has no whiteouts.
 */
LUFF_API int luff_squash(struct luff_layer **out, struct luff_image *image, size_t first,
			 struct luff_error *err);

/* A new layer, entry by entry. */
struct luff_layer_writer;

LUFF_API int luff_layer_writer_open(struct luff_layer_writer **out, struct luff_error *err);
/**
 * @param e        as it will stand in the layer
 * @param content  e->size bytes of a file; NULL for all else and for empty files. Borrowed
 * @return 0; LUFF_ESIZE for more or fewer bytes. What failed is not in the layer
 */
LUFF_API int luff_layer_writer_add(struct luff_layer_writer *w, const struct luff_entry *e,
				   struct luff_reader *content, struct luff_error *err);

struct luff_disk_options {
	bool keep_owner; /* else 0:0 */
	bool keep_times; /* where they are older than `time`, or that is 0 */
	int64_t time;    /* that all others have */
};

/**
 * Adds a file from disk, with all that is in it where it is a folder, in the order of names, with hard links and extended
 * attributes. Links are not followed.
 *
 * @param as       its path in the layer; "" or with a slash at its end: what is in the folder goes there
 * @param options  may be NULL
 */
LUFF_API int luff_layer_writer_add_disk(struct luff_layer_writer *w, const char *path, const char *as,
					const struct luff_disk_options *options, struct luff_error *err);
/** The layer, which needs the writer no more; LUFF_COMPRESS_DEFAULT is gzip. Nothing can be added afterwards. */
LUFF_API int luff_layer_writer_finish(struct luff_layer **out, struct luff_layer_writer *w,
				      enum luff_compress compress, struct luff_error *err);
/** NULL is fine. */
LUFF_API void luff_layer_writer_close(struct luff_layer_writer *w);

/* ---- Logins ---------------------------------------------------------------------------------------------------------- */

struct luff_login {
	char registry[LUFF_NAME_MAX + 1];
	char *user, *password; /* both or neither */
	/* What some registries give out in place of a password, else NULL: */
	char *identity_token; /* a token server takes it (OAuth2 "refresh_token") */
	char *token;          /* the registry takes it as it is ("Bearer") */
};

/**
 * What is known for a name, from the files of podman, skopeo and docker, their credential helpers, and the environment.
 *
 * @param out   all NULL where nobody knows anything; luff_login_release() it
 * @param name  "ghcr.io", or "ghcr.io/org/app": some logins are of a namespace
 * @return 0; LUFF_ENAME; LUFF_EFORMAT or LUFF_EIO for a file, LUFF_EAUTH for a helper that fails
 */
LUFF_API int luff_login_find(struct luff_login *out, const char *name, struct luff_error *err);
/** Wipes it, too. */
LUFF_API void luff_login_release(struct luff_login *login);
/**
 * Asks the registry whether it takes them, and keeps them if so: in the credential helper that docker's config.json names, else
 * in that file, which only its owner may read.
 *
 * @param registry  "ghcr.io", "localhost:5000", "docker.io" or a URL of it
 * @return 0; LUFF_EAUTH if the registry refuses; LUFF_ENAME, LUFF_EINVAL, LUFF_EFORMAT, LUFF_EIO, LUFF_ENET, …
 */
LUFF_API int luff_login_add(const char *registry, const char *user, const char *password, bool plain_http,
			    struct luff_error *err);
/**
 * Takes out what luff_login_add() and docker keep. What podman and skopeo keep stays.
 *
 * @param out       whether there was anything
 * @param registry  NULL: all
 */
LUFF_API int luff_login_remove(bool *out, const char *registry, struct luff_error *err);

/* ---- The embedded registry (distribution-spec) ------------------------------------------------------------------------ */

struct luff_server;

/* One header; in a fault a value of NULL takes the header away. */
struct luff_header {
	const char *name, *value;
};

#define LUFF_FAULT_STALL_MAX 100 /* seconds */

/*
 * How a registry misbehaves, for tests of clients: which requests a fault hits, and what happens to them, one or several of the
 * rest. Each fault counts every request that it concerns; of those that are due the first in the list happens, and logins
 * are demanded beside it. What is zero does nothing.
 */
struct luff_fault {
	const char *method; /* "GET"; "*" or NULL: any */
	const char *path;   /* pattern of the URL's path (fnmatch): "*" is any text, slashes too; NULL: any */
	int64_t after;      /* leaves the first so many alone */
	int64_t every;      /* hits each so-manieth from then on; 0: each */
	int64_t count;      /* hits so many in all; 0: no end */

	int status;                        /* answered in place of the real answer, with `body` */
	const char *body;                  /* NULL: none */
	const struct luff_header *headers; /* of the answer, in place of its own ones of these names */
	size_t header_count;
	bool cuts; /* the connection breaks off after `cut` bytes of the body, if there are more */
	bool lies; /* Content-Length claims `length`: the body ends there, or breaks off before; -1: it is sent in chunks */
	bool hang_up;      /* the connection is closed without an answer */
	bool ignore_range; /* answers with all of it where a part was asked for */
	int64_t cut, length;
	int64_t flip; /* which byte of the body has its bits turned over, from 1 on */
	int stall_ms; /* pause before the answer, at most LUFF_FAULT_STALL_MAX; ends when the server stops */
	int64_t stall_at; /* > 0: the pause comes after so many bytes of the body */

	/* Demands a login, which keeps nobody out: tokens are plain text. */
	enum { LUFF_FAULT_NO_LOGIN, LUFF_FAULT_BASIC, LUFF_FAULT_BEARER } auth;
	const char *user, *password; /* of Basic, or of the token server; NULL: any */
	const char *
		realm; /* URL of the token server; NULL: this server's /token, which is there with any BEARER */
	int token_ttl; /* seconds that tokens are good for; 0: 300 */
};

/* A request that came in. */
struct luff_server_request {
	struct luff_server_request *next;
	const char *method, *path, *query; /* as they came; query is NULL where there is none */
	const struct luff_header *headers; /* as they came */
	size_t header_count;
	int status; /* of the answer; 0: none went out */
};

/* What a program may have a word on, and is told of. */
enum {
	LUFF_ASK_AUTHORIZE = 1, /* any request, before its body is read */
	LUFF_ASK_PUSH = 2,      /* a manifest that came in, before it is stored */
	LUFF_ASK_PULL = 4,      /* a manifest before it goes out */
};

struct luff_server_ask {
	unsigned kind;            /* LUFF_ASK_… */
	const char *action;       /* "pull", "push", "delete", "list" for the catalog, "metrics" */
	const char *method;       /* of HTTP */
	const char *repository;   /* NULL for the catalog and for GET /v2/ */
	const char *tag, *digest; /* of the manifest or blob; NULL where the address has none */
	const char *user;         /* NULL: the request brings no login */
	const char *password;     /* to LUFF_ASK_AUTHORIZE, where no htpasswd has checked it */
	const char *client;       /* "192.0.2.7:41573" */
	const char *manifest;     /* to LUFF_ASK_PUSH: its bytes, checked by nobody yet */
	size_t manifest_len;
};

/*
 * On disk a repository is the OCI layout root/<name>/, so repositories nest as folders do: after its first component a
 * name must not have one of a layout's own (blobs, ingest, index.json, oci-layout). A root that is a layout itself is the only
 * repository, named after its folder: "serve ./MyApp" has "myapp" (lower case, a dash for what no name may have).
 */
struct luff_server_options {
	const char *
		listen; /* "127.0.0.1:5000", "[::1]:5000", ":5000"; port 0 picks a free one; NULL: "127.0.0.1:0" */
	const char *
		root; /* folder that is an OCI layout or holds one per repository, made where missing; NULL: in memory */
	int64_t memory_cap; /* bytes held in memory in all; 0: 1 GiB */
	const char *cert,
		*key; /* PEM files for TLS 1.2 and 1.3: the certificate with its chain, its key; NULL: plain HTTP */
	const char *
		self_signed; /* TLS with a certificate that is made now and written to this file (PEM) for clients; its key stays here */
	const char *
		htpasswd; /* file of users and their bcrypt hashes, read anew when it changes; NULL: no logins */
	bool read_only;
	const char *
		proxy; /* "https://registry-1.docker.io": a mirror of that registry, and read-only; NULL: none */
	int64_t proxy_max; /* bytes that a mirror keeps in a folder of repositories, but for small blobs; what is used least goes. 0: no end */
	/*
	 * Optional. The program's word on requests of the kinds in `decides` (LUFF_ASK_… | …). From many threads at a time, and it
	 * may block. Returns 0: let it through; LUFF_EDENIED: not, with `refusal` for the client, or without ("") a plain
	 * word; LUFF_ETIMEOUT or another failure: the client hears that it was not decided. With htpasswd it is asked about requests
	 * without a login, too, and may let them through; those with a wrong one it never sees.
	 */
	int (*decide)(void *arg, const struct luff_server_ask *ask, char *refusal, size_t refusal_size,
		      struct luff_error *err);
	void *decide_arg;
	unsigned decides;
	int64_t upload_max; /* bytes of a blob that is pushed; 0: no end */
	int connections;    /* at a time, 8 to 10,000; 0: 512. Each has a thread */
	int idle_timeout;   /* seconds without a byte after which a connection ends, 1 to 3600; 0: 120 */
	const char *
		access_log; /* file to which a line of JSON is added for each request, "-" is stdout; NULL: none */
	bool metrics;       /* GET /metrics answers as Prometheus has it */
	int64_t gc; /* > 0: removes what had no name for so many seconds (luff_gc()), at its start and once an hour */
	const struct luff_fault *faults; /* with all they point to borrowed until the server has stopped */
	size_t fault_count;
	bool record; /* remember requests, as faults do anyway */
};

/* ---- What a daemon does itself, Docker or Podman, where the environment says that it is ---- */

struct luff_daemon_event {
	const char *id;       /* of the layer, or "" */
	const char *status;   /* the daemon's words, fit for a line: "Downloading" */
	int64_t bytes, total; /* -1: it does not say */
};

struct luff_daemon_options {
	const struct luff_platform *platform; /* of a pull, of several; NULL: the daemon's own */
	void (*progress)(void *arg,
			 const struct luff_daemon_event *event); /* of the calling thread, or NULL */
	void *arg;
};

/**
 * Has the daemon fetch an image from its registry, with the login that luff would use there.
 *
 * @param name     "nginx:1.27", "ghcr.io/org/app@sha256:…"; without a transport
 * @param options  may be NULL
 * @return 0; LUFF_ENAME; LUFF_EHTTP with the daemon's words, LUFF_ENOTFOUND, LUFF_EAUTH, LUFF_EDENIED; the last one also where
 *         the login would go in the clear to another machine
 */
LUFF_API int luff_daemon_pull(const char *name, const struct luff_daemon_options *options,
			      struct luff_error *err);
/** Has it send one of its images to the registry that the image's name says. As luff_daemon_pull(). */
LUFF_API int luff_daemon_push(const char *name, const struct luff_daemon_options *options,
			      struct luff_error *err);

struct luff_daemon_pruned {
	int64_t images; /* that are gone */
	int64_t names;  /* that went with them */
	int64_t bytes;  /* as the daemon counts them */
};

/** Has it remove the images that have no name, with `all` also those that no container uses. */
LUFF_API int luff_daemon_prune(struct luff_daemon_pruned *out, bool all, struct luff_error *err);

#define LUFF_GC_GRACE 3600

struct luff_gc_options {
	int64_t grace; /* seconds that content may be without a name before it goes; with 0, nobody may write meanwhile */
	bool dry_run; /* only tells what would go */
};

struct luff_gc_result {
	int64_t repositories; /* that were looked at */
	int64_t kept;         /* blobs that stay, manifests among them */
	int64_t removed;      /* blobs that went */
	int64_t uploads;      /* that nobody went on with, and what killed writers left */
	int64_t bytes;        /* of both */
};

/**
 * Removes from OCI layouts what no tag, index or referrer reaches. Safe while servers and others of luff write to them; those of
 * other tools are, too, if they reuse nothing that has no name.
 *
 * @param folder  a layout, or what a server has as root
 * @return 0; LUFF_ENOTFOUND where there is no layout. One that fails (LUFF_EDIGEST, LUFF_EFORMAT, …) loses nothing, and the
 *         others are done all the same
 */
LUFF_API int luff_gc(struct luff_gc_result *out, const char *folder, const struct luff_gc_options *options,
		     struct luff_error *err);

LUFF_API int luff_server_start(struct luff_server **out, const struct luff_server_options *options,
			       struct luff_error *err);
/** "127.0.0.1:41573", the address that is really listened on. Borrowed. */
LUFF_API const char *luff_server_address(const struct luff_server *server);
/**
 * The requests since the last call, the newest 10,000 of them, in the order of their answers. LUFF_EINVAL without faults and
 * record. Free them with luff_server_requests_free().
 */
LUFF_API int luff_server_take_requests(struct luff_server_request **out, struct luff_server *server,
				       struct luff_error *err);
LUFF_API void luff_server_requests_free(struct luff_server_request *list);
/** Takes no more requests, and waits for those that run, at most so long. Stop it then. */
LUFF_API void luff_server_drain(struct luff_server *server, int seconds);
/** Ends running requests and waits for them. NULL is fine. */
LUFF_API void luff_server_stop(struct luff_server *server);

#ifdef __cplusplus
}
#endif
#endif
