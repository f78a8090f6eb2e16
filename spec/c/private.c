/* Files that one run leaves for the next: whose folder it must be, and what goes when there is too much. */
#include "base/private.h"

#include <time.h>

#include "base/cleanup.h"
#include "check.h"

/* `size` bytes, used so many seconds ago. */
static void make(const char *name, int64_t size, int64_t age)
{
	LUFF_AUTO(fd) fd = open(scratch("%s", name), O_CREAT | O_WRONLY, 0600);
	const struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};

	CHECK(fd >= 0 && ftruncate(fd, size) == 0 && futimens(fd, times) == 0);
}

static bool is_there(const char *name)
{
	return access(scratch("%s", name), F_OK) == 0;
}

static void sweeps(void)
{
	make("old.x", 10, 5000);
	make("old.y", 10, 5000);
	make("used.x", 10, 1000);
	luff_private_sweep(scratch_root, ".x", 2000, 0);
	CHECK(!is_there("old.x") && is_there("old.y") && is_there("used.x"));
	make("first.x", 60, 900);
	make("second.x", 60, 800);
	make("third.x", 30, 700);
	luff_private_sweep(scratch_root, ".x", 0, 100);
	CHECK(!is_there("used.x") && !is_there("first.x") && is_there("second.x") && is_there("third.x"));
	make("fourth.x", 30, 0);
	luff_private_sweep(scratch_root, ".x", 0, 100);
	CHECK(!is_there("second.x") && is_there("third.x") && is_there("fourth.x") && is_there("old.y"));
	luff_private_sweep("/nowhere/at/all", ".x", 1, 1);
}

static void is_its_users_alone(void)
{
	LUFF_AUTO(text) made = NULL;
	LUFF_AUTO(fd) fd = -1;
	struct stat st;

	setenv("LUFF_TEST_HOME", scratch("base"), 1);
	made = luff_private_folder("LUFF_TEST_HOME", "/.test", "luff/things");
	CHECK(made);
	if (!made)
		return;
	CHECK_STR(made, scratch("base/luff/things"));
	CHECK(stat(made, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(chmod(made, 0770) == 0);
	CHECK(!luff_private_folder("LUFF_TEST_HOME", "/.test", "luff/things"));
	CHECK(symlink(made, scratch("base/luff/link")) == 0);
	CHECK(!luff_private_folder("LUFF_TEST_HOME", "/.test", "luff/link"));
	make("mine", 1, 0);
	fd = open(scratch("mine"), O_RDONLY);
	CHECK(luff_private_is_ours(fd));
	CHECK(chmod(scratch("mine"), 0640) == 0 && !luff_private_is_ours(fd));
}

static void is_in_the_home_folder(void)
{
	LUFF_AUTO(text) made = NULL;

	setenv("LUFF_TEST_HOME", "relative", 1);
	setenv("HOME", scratch("home"), 1);
	made = luff_private_folder("LUFF_TEST_HOME", "/.test", "luff/things");
	CHECK_STR(made, scratch("home/.test/luff/things"));
	unsetenv("HOME");
	CHECK(!luff_private_folder("LUFF_TEST_HOME", "/.test", "luff/things"));
}

int main(void)
{
	sweeps();
	is_its_users_alone();
	is_in_the_home_folder();
	return check_end();
}
