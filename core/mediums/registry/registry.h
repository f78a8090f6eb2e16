/* One repository of a registry, and what the files of this folder share to speak to it (distribution-spec 1.1.1). */
#ifndef LUFF_REGISTRY_REGISTRY_H
#define LUFF_REGISTRY_REGISTRY_H

#include "mediums/registry/download.h"

struct luff_session;

/* Where the same repository may be read, too. */
struct luff_mirror {
	struct luff_host *host;
	char *repository;
	char *pull; /* scope */
};

struct luff_registry {
	struct luff_medium base;
	struct luff_host *host;
	char *repository;
	char *pull, *push, *delete; /* scopes */
	struct luff_mirror *mirrors;
	size_t mirror_count;
	pthread_mutex_t lock;
	struct luff_session *sessions; /* that refused mounts left open; under lock */
};

extern const struct luff_medium_ops luff_registry_ops;

/** The medium as a registry, which it must be. */
struct luff_registry *luff_registry_of(struct luff_medium *m);

/** A GET or another request to "/v2/<repository>/<path>"; `request` brings the rest. */
int luff_registry_send(struct luff_exchange **out, struct luff_registry *r, struct luff_request request,
		       const char *path, struct luff_error *err);

/** The same for what is read and to be had of mirrors, too: the first answer of 200 or 206, else the registry's own. */
int luff_registry_read(struct luff_exchange **out, struct luff_registry *r, struct luff_request request,
		       const char *path, struct luff_error *err);

/* "manifests/v1" for requests, "localhost:5000/app:v1" for messages; a digest decides over a tag. */
struct luff_target {
	char path[16 + LUFF_TAG_MAX];
	char place[2 * LUFF_NAME_MAX + LUFF_TAG_MAX];
	const struct luff_digest *digest; /* of the name, borrowed; NULL: by tag */
};
int luff_registry_find_target(struct luff_target *out, struct luff_registry *r, const struct luff_name *name,
			      struct luff_error *err);
/** Fails after a 404, with what there is instead where there is a repository to ask. */
int luff_registry_not_found(struct luff_registry *r, const struct luff_target *t, struct luff_exchange *x,
			    struct luff_error *err);
/** What the answer claims the manifest's digest to be, if it does. */
bool luff_registry_read_digest(struct luff_digest *out, const struct luff_exchange *x);

/** LUFF_ENAME for a text that is no tag of a registry (distribution-spec, "Pulling manifests"). */
int luff_registry_check_tag(const struct luff_registry *r, const char *tag, struct luff_error *err);

/* What is asked for where a manifest is; schema 1 is not. */
#define LUFF_REGISTRY_MANIFESTS                                                                              \
	LUFF_MEDIA_OCI_INDEX ", " LUFF_MEDIA_OCI_MANIFEST ", " LUFF_MEDIA_DOCKER_LIST                        \
			     ", " LUFF_MEDIA_DOCKER_MANIFEST
#define LUFF_REGISTRY_PATH_MAX (32 + LUFF_DIGEST_MAX)
/** "blobs/sha256:…" or "manifests/sha256:…" */
void luff_registry_content_path(char path[LUFF_REGISTRY_PATH_MAX], const struct luff_descriptor *d);

/* push.c */
int luff_registry_push(struct luff_medium *m, const struct luff_descriptor *d, struct luff_reader *src,
		       struct luff_error *err);
int luff_registry_mount(bool *mounted, struct luff_medium *m, const struct luff_descriptor *d,
			struct luff_medium *from, struct luff_error *err);
int luff_registry_tag(struct luff_medium *m, const struct luff_descriptor *d, const void *bytes,
		      const char *tag, struct luff_error *err);
/** The answer to a PUT: refused, or stored as something else, is a failure. */
int luff_registry_check_stored(struct luff_registry *r, struct luff_exchange *x,
			       const struct luff_descriptor *d, struct luff_error *err);

/* upload.c */
/** luff_registry_push() of a blob. Goes on with the session that a refused mount left open for it, if there is one. */
int luff_registry_upload(struct luff_registry *r, const struct luff_descriptor *d, struct luff_reader *src,
			 struct luff_error *err);
void luff_registry_keep_session(struct luff_registry *r, struct luff_session *s);
/** Cancels the upload sessions that nobody went on with. */
void luff_registry_cancel_sessions(struct luff_registry *r);

/** The grammar of a repository's name, roughly: nothing in it can leave a path. */
bool luff_registry_is_repository(const char *name);

/* referrers.c */
int luff_registry_referrers(struct luff_cursor **out, struct luff_medium *m,
			    const struct luff_digest *subject, const char *artifact_type,
			    struct luff_error *err);
/** After a manifest went in: lists it below its subject, if it has one that the registry did not say it knows. */
int luff_registry_refer(struct luff_registry *r, const struct luff_descriptor *d, const char *bytes,
			bool registry_knows, struct luff_error *err);
/** After a manifest with that subject is gone: takes it from the index that stands in for the API, if there is one. */
int luff_registry_unrefer(struct luff_registry *r, const struct luff_digest *digest,
			  const struct luff_digest *subject, struct luff_error *err);

/* remove.c */
int luff_registry_remove(struct luff_digest *out, struct luff_medium *m, const struct luff_name *name,
			 bool force, struct luff_error *err);
int luff_registry_unnames(bool *out, struct luff_medium *m, struct luff_error *err);
int luff_registry_remove_blob(struct luff_medium *m, const struct luff_digest *digest,
			      struct luff_error *err);

/* tags.c */
int luff_registry_tags(struct luff_cursor **out, struct luff_medium *m, struct luff_error *err);
/** "v1, v2, v3, …": some tags for a message; "" where they cannot be had. Returns buf. */
const char *luff_registry_some_tags(char *buf, size_t size, struct luff_registry *r);

#endif
