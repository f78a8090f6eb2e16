/* Which token answers for which request. */
#include "check.h"
#include "mediums/registry/auth.h"

int main(void)
{
	static const struct {
		const char *have, *want;
		bool covers;
	} cases[] = {
		{"repository:a/b:pull", "repository:a/b:pull", true},
		{"repository:a/b:pull,push", "repository:a/b:pull", true},
		{"repository:a/b:pull,push", "repository:a/b:push,pull", true},
		{"repository:a/b:pull", "repository:a/b:pull,push", false},
		{"repository:a/b:pull", "repository:a/c:pull", false},
		{"repository:a/b:pull", "repository:a:pull", false},
		{"repository:a/b:pull repository:c:pull", "repository:c:pull", true},
		{"repository:a/b:pull  repository:c:pull", "repository:c:pull repository:a/b:pull", true},
		{"repository:a/b:pull", "repository:c:pull repository:a/b:pull", false},
		{"repository:a:pullx", "repository:a:pull", false},
		{"repository:a:pull", "", true},
		{"", "repository:a:pull", false},
		{"nonsense", "nonsense", false},
		{"repository(plugin):a:pull", "repository:a:pull", false},
		{"repository:h:5000/a:pull", "repository:h:5000/a:pull", true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (luff_auth_covers(cases[i].have, cases[i].want) != cases[i].covers)
			check_note(__FILE__, __LINE__, "\"%s\" and \"%s\"", cases[i].have, cases[i].want);
	}
	return check_end();
}
