/*
 * What the files of the binding share: boxes (userdata that own one reference), jobs (calls that may block), raised errors
 * and option tables. Functions that touch the stack say so: [-popped, +pushed].
 */
#ifndef LUFF_BIND_H
#define LUFF_BIND_H

#include <limits.h>
#include <pthread.h>

#include "base/buffer.h"
#include "compat.h"
#include "luff.h"

#define LUFF_IMAGE "luff.Image"
#define LUFF_INDEX "luff.Index"
#define LUFF_LAYER "luff.Layer"
#define LUFF_READER "luff.Reader"
#define LUFF_REF "luff.Ref"
#define LUFF_CURSOR "luff.Cursor"
#define LUFF_SERVER "luff.Server"
#define LUFF_LAYER_WRITER "luff.LayerWriter"
#define LUFF_ENTRIES "luff.Entries"
#define LUFF_ENTRY "luff.Entry"
#define LUFF_TREE "luff.Tree"
#define LUFF_FILES "luff.Files"
#define LUFF_REGEX "luff.Regex"
#define LUFF_ARRAY "luff.Array"            /* the metatable that marks a table as an array */
#define LUFF_MEMORY_CAP ((int64_t)1 << 30) /* bytes in one "memory:NAME" */

/* ---- box.c ---- */

/** A zeroed userdata of `size` bytes with that metatable; resource second. [-0, +1] */
void *luff_box(lua_State *L, size_t size, const char *type);
/** Makes a type: `meta` goes into the metatable, `methods` into a table of their own behind __index. [-0, +0] */
void luff_box_type(lua_State *L, const char *type, const luaL_Reg *meta, const luaL_Reg *methods);
/** Raises err as a structured error; never returns. */
int luff_raise(lua_State *L, const struct luff_error *err);
/** A string without a NUL in it, where C would end and Lua goes on; raises "invalid_name" otherwise. Borrowed. */
const char *luff_check_name(lua_State *L, int i);
/** Raises unless the value at i is absent or a table with only the names of the NULL-ended list. [-0, +0] */
void luff_check_options(lua_State *L, int i, const char *const *known);
/** Options of the table at i, which may be absent. The string is borrowed from the table. */
bool luff_option_bool(lua_State *L, int i, const char *name);
const char *luff_option_string(lua_State *L, int i, const char *name);
#define LUFF_AGE_MAX (100 * 365 * 86400LL)

/** A whole number of seconds from 0 to LUFF_AGE_MAX. */
int64_t luff_option_age(lua_State *L, int i, const char *name, int64_t absent);
/** option "platform"; false where it is absent */
bool luff_option_platform(struct luff_platform *out, lua_State *L, int i);

/* ---- job.c ---- */

/* A call that may block: arguments and results are fields of a larger struct that starts with this one. */
struct luff_work {
	struct luff_work_state *state; /* job.c's own */
	/* On any thread; never touches Lua. */
	int (*run)(struct luff_work *call, struct luff_error *err);
	/* On the Lua thread: pushes the results and returns their number. */
	int (*finish)(lua_State *L, struct luff_work *call);
	/* Optional. Frees what is left in the fields. */
	void (*release)(struct luff_work *call);
	/* Optional. Pushes the arguments of one call to the function in the box's user value; 0: nothing to tell now. */
	int (*deliver)(lua_State *L, struct luff_work *call);
};

/** What moves while it runs goes to the function in the box's user value, which is set before. */
void luff_work_tell_progress(struct luff_work *call);
/** A zeroed call in a box; set its functions and arguments, then `return luff_work_go(L)`. [-0, +1] */
void *luff_work_new(lua_State *L, size_t size);
/** Runs the call on top of the stack: right here, or inside of a task on a worker thread while the task sleeps. */
int luff_work_go(lua_State *L);
/** On any thread: whoever waits for a call on the Lua thread looks for other things to do there (questions). */
void luff_work_poke(void);
/** Raises where the function that is asked about that place ("ghcr.io/org/app", "oci:./dir") is who calls. */
void luff_check_not_asked(lua_State *L, const char *place);
void luff_job_open(lua_State *L);
/** LUFF_ETIMEOUT where the running task has a deadline, and that is over. [-0, +0] */
int luff_task_check(lua_State *L, struct luff_error *err);

/* ---- events.c ---- */

/* What workers have to tell of a call; a larger struct starts with this one. */
struct luff_event {
	struct luff_event *next;
};

struct luff_event_kind {
	size_t size; /* of the larger struct */
	/* Whether `what`, which happened, goes into an event that nobody took yet. */
	bool (*is_same)(const struct luff_event *e, const void *what);
	/* Of a zeroed event, or of one that is the same. */
	void (*fill)(struct luff_event *e, const void *what);
};

struct luff_events {
	pthread_mutex_t lock;
	bool there; /* made */
	struct luff_event *first, **tail;
	int count;
};

void luff_events_make(struct luff_events *q);
/** On any thread. What nobody takes is lost beyond a number of events. */
void luff_events_put(struct luff_events *q, const struct luff_event_kind *kind, const void *what);
/** The oldest one, which is the caller's to free(); NULL: none. */
void *luff_events_take(struct luff_events *q);
/** Of zeroed ones too. */
void luff_events_release(struct luff_events *q);

/* ---- progress.c ---- */

/** From now on what moves under the scope is put there. */
void luff_progress_hear(struct luff_events *events, struct luff_scope *scope);
/** Pushes the oldest event as a table; 0: there is none. [-0, +1 or 0] */
int luff_progress_take(lua_State *L, struct luff_events *events);
/** The function that hears of calls that have none of their own; false: nobody does. [-0, +1 or 0] */
bool luff_progress_push_function(lua_State *L);
/** Around its calls. */
void luff_progress_set_busy(lua_State *L, bool runs);

/* ---- one function per file that adds its share to the table on top of the stack ---- */

void luff_image_types(lua_State *L);
void luff_reader_type(lua_State *L);
void luff_ref_type(lua_State *L);
void luff_entries_types(lua_State *L);
void luff_tree_types(lua_State *L);
void luff_medium_functions(lua_State *L);
void luff_write_functions(lua_State *L);
void luff_copy_functions(lua_State *L);
void luff_progress_functions(lua_State *L);
void luff_validate_functions(lua_State *L);
void luff_edit_functions(lua_State *L);
void luff_layer_functions(lua_State *L);
void luff_login_functions(lua_State *L);
void luff_server_functions(lua_State *L);
void luff_question_functions(lua_State *L);
void luff_gc_functions(lua_State *L);
void luff_file_functions(lua_State *L);
void luff_plan_functions(lua_State *L);
void luff_daemon_functions(lua_State *L);
void luff_scripted_functions(lua_State *L);
void luff_settings_functions(lua_State *L);
void luff_notice_functions(lua_State *L);
void luff_json_functions(lua_State *L);
void luff_yaml_functions(lua_State *L);
void luff_limits_functions(lua_State *L);
void luff_regex_functions(lua_State *L);
void luff_terminal_functions(lua_State *L);
void luff_version_functions(lua_State *L);

/* ---- question.c ---- */

struct luff_question;

/* What one file of the binding asks; the three functions run on the Lua thread. */
struct luff_question_kind {
	/*
	 * Pushes the function and its arguments, from 3 on. At 2 is the value that luff_asker_new() was given. Who asks
	 * waits meanwhile, unless it only tells. May raise.
	 */
	void (*put)(lua_State *L, struct luff_question *q);
	/* Optional. From the results, at 3 and above, into q; what is wrong with them goes to err. May raise. */
	void (*take)(lua_State *L, struct luff_question *q, struct luff_error *err);
	/* Optional. Frees what is in q's fields. */
	void (*release)(struct luff_question *q);
	const char *
		complaint; /* the beginning of a warning where the function fails; NULL: it is who asks that complains */
};

/* The first member of a question, in memory of its own. */
struct luff_question {
	const struct luff_question_kind *kind;
	int64_t asker;
	const char *about; /* the host that the function must not ask for, or ""; in q's own fields */
	struct luff_error err;
	bool raised; /* the function failed, with err */
	/* question.c's own: */
	struct luff_question *next;
	struct luff_scope *scope; /* of who asks */
	int refs;
	enum { LUFF_QUESTION_OPEN, LUFF_QUESTION_HELD, LUFF_QUESTION_ANSWERED } state;
	bool left; /* nobody waits for the answer any more */
};

/** The value on top is asked from now on, by a number that never comes again. Raises. [-1, +0] */
int64_t luff_asker_new(lua_State *L);
/** The number in the shape of a callback's `arg`; (int64_t)(intptr_t)arg is the number again. */
void *luff_asker_arg(int64_t asker);
/** It is not asked any more, and who waits for it fails. [-0, +0] */
void luff_asker_close(lua_State *L, int64_t asker);
/** Whether this state is asked: then no call may run on the Lua thread. */
bool luff_has_askers(lua_State *L);

/** A question of `size` zeroed bytes; set its fields. NULL: no memory. Any thread, as all that follows. */
void *luff_question_new(size_t size, const struct luff_question_kind *kind, int64_t asker);
/**
 * Waits for the answer, which is in q's fields then.
 *
 * @param seconds  at most so long (LUFF_ETIMEOUT); 0: no end
 * @return 0; what the function raised or gave in place of an answer (q->err); LUFF_EIO: its state has closed; LUFF_EINVAL on the
 *         Lua thread; LUFF_ECANCELED. unref q in any case
 */
int luff_ask(struct luff_question *q, int seconds, struct luff_error *err);
/** Waits for nothing. Takes q over. */
void luff_tell(struct luff_question *q);
void luff_question_unref(struct luff_question *q);

/* ---- credentials.c ---- */

/** Option "credentials" of the table at i. Raises. [-0, +0] */
void luff_option_credentials(struct luff_settings *out, lua_State *L, int i);

/* ---- notice.c ---- */

/** Tells the script's function what registries warn of. Not LUA_OK: it raised, and the error is on top. [-0, +(0|1)] */
int luff_tell_warnings(lua_State *L);

/* ---- faults.c ---- */

/** Option "faults" of the table at i, and the table that holds what out borrows; keep it. Raises. [-0, +1] */
void luff_option_faults(struct luff_server_options *out, lua_State *L, int i);

/* ---- hooks.c ---- */

/** Options "authorize", "on_push" and "on_pull" of the table at i: who is asked; 0: nobody. Raises. [-0, +0] */
int64_t luff_option_hooks(struct luff_server_options *out, lua_State *L, int i);

/* ---- plan.c ---- */

/** Raises "denied" while a plan is made: "a dry run does not WHAT". For what no gate stands in front of. [-0, +0] */
void luff_check_no_plan(lua_State *L, const char *what);

/* ---- scripted.c ---- */

/** Whether the text has the scheme of a medium that the script wrote; if so, *rc says how opening it ended. [-0, +0] */
bool luff_scripted_open(int *rc, struct luff_medium **out, struct luff_name *name, lua_State *L,
			const char *text, struct luff_error *err);

/* ---- medium.c ---- */

/** The medium and the name that the value at i (a string or a Ref) means; *out is owned by the caller's box. */
void luff_check_place(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
		      const struct luff_open_options *options);
/** The same for a copy's end, but false, with *out NULL, where a string names a folder that is no layout yet. */
bool luff_check_destination(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
			    bool plain_http);

/* ---- copy.c ---- */

/** Where the Image, Index or name at i is, and what it is there; *out is owned by the caller's box. */
void luff_check_source(struct luff_medium **out, struct luff_name *name, lua_State *L, int i,
		       const struct luff_open_options *how);
/** Option "jobs" of the table at i, 0 where it is absent. Raises. [-0, +0] */
int luff_option_jobs(lua_State *L, int i);

/* ---- image.c ---- */

/* Borrowed; raise unless there is one at i that was not collected. */
struct luff_image *luff_check_image(lua_State *L, int i);
struct luff_index *luff_check_index(lua_State *L, int i);
struct luff_layer *luff_check_layer(lua_State *L, int i);
/** Field "methods" of the table on top: the method tables of Image, Index and Layer, for what is written in Lua. [-0, +0] */
void luff_method_tables(lua_State *L);
/** Takes the reference over. [-0, +1] */
void luff_push_layer(lua_State *L, struct luff_layer **layer);
/** Takes the references over. [-0, +1] */
int luff_push_opened(lua_State *L, struct luff_image **image, struct luff_index **index);

/* ---- reader.c ---- */

/* A Reader's box. Whoever reads on a worker keeps the box by a user value, and sets `busy` until that is over. */
struct luff_reader_box {
	struct luff_reader *r;   /* NULL: closed */
	struct luff_buffer rest; /* what was read ahead */
	size_t start;            /* bytes of `rest` that were handed out */
	bool ended, busy;
};

/* Borrowed; raises unless there is an open Reader that nobody is reading at i. */
struct luff_reader_box *luff_check_reader(lua_State *L, int i);
/** Opens a Reader from what `open` gives on a worker. [-0, +1] by way of luff_work_go */
int luff_open_reader(lua_State *L, struct luff_layer *layer, bool compressed);

/** A closed Reader, for `r` to go into. [-0, +1] */
struct luff_reader_box *luff_push_reader(lua_State *L);
/** Raises while somebody is reading; else closes it, also for the second time. */
void luff_close_reader(lua_State *L, struct luff_reader_box *b);
/* Methods of a Reader at 1, for those who have one. */
int luff_reader_read_method(lua_State *L);
int luff_reader_lines_method(lua_State *L);

/* ---- entries.c ---- */

/** An Entry; `layer` is its layer's number from 1 on, 0: not said. [-0, +1] */
void luff_push_entry(lua_State *L, const struct luff_entry *e, size_t layer);
/** What it says as a plain table. [-0, +1] */
void luff_push_fields(lua_State *L, const struct luff_entry *e, size_t layer);
/** Makes the Reader on top of the stack the content of the Entry below it. [-1, +0] */
void luff_set_content(lua_State *L);
/** layer:entries(); replay: content that was read can be read again, once, by luff_reader_rewind() */
int luff_open_entries(lua_State *L, struct luff_layer *layer, bool replay);
/** What the Entry at i says, as a table. [-0, +1] */
void luff_entry_fields(lua_State *L, int i);
/** The Reader of its content; NULL, and nil on the stack, where it has none. Raises where it is closed. [-0, +1] */
struct luff_reader_box *luff_entry_content(lua_State *L, int i);

/* ---- tree.c ---- */

/* Methods of an Image or a Tree: the other one is NULL. */
enum luff_find { LUFF_FIND_ENTRY, LUFF_FIND_READER, LUFF_FIND_BYTES };
int luff_find_file(lua_State *L, struct luff_image *image, struct luff_tree *tree, enum luff_find what);
int luff_list_files(lua_State *L, struct luff_image *image, struct luff_tree *tree);
int luff_open_tree(lua_State *L, struct luff_image *image);

/** Borrowed; raises unless there is one at i that was not collected. */
struct luff_tree *luff_check_tree(lua_State *L, int i);

/* ---- diff.c ---- */

/** A method of a Tree. */
int luff_diff_trees(lua_State *L);

/* ---- export.c ---- */

/* Methods of an Image. */
int luff_image_export(lua_State *L);
int luff_image_extract(lua_State *L);
int luff_image_save(lua_State *L);

/* ---- file.c ---- */

/** Where a path's links lead, though there may be nothing yet; false: nowhere. */
bool luff_file_real(char real[PATH_MAX], const char *path);

/* ---- limits.c ---- */

/** Looks at the limits on that new coroutine, too, and counts it; false where there are none. May raise. [-0, +0] */
bool luff_limits_watch(lua_State *L, lua_State *thread);
/** Raises where the process, which has objects behind Lua's, is larger than memory's limit allows. [-0, +0] */
void luff_limits_look(lua_State *L);

/* ---- json.c ---- */

/** Parses text and pushes it as Lua values. Raises. [-0, +1] */
void luff_push_json(lua_State *L, const char *text, size_t len, const char *what);
/** JSON of the value at i. Raises. [-0, +1] */
void luff_encode_json(lua_State *L, int i, bool indent);

#endif
