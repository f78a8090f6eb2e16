/* Which addresses are of the open internet, as text and as what a name server gives. */
#include <netdb.h>

#include "check.h"
#include "http/address.h"

static enum luff_address of_socket(const char *text, char printed[LUFF_ADDRESS_TEXT_MAX])
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
	enum luff_address there;

	if (!CHECK_INT(getaddrinfo(text, NULL, &hints, &found), 0))
		return LUFF_ADDRESS_PUBLIC;
	there = luff_address_of_socket(found->ai_addr);
	luff_address_print(printed, found->ai_addr);
	freeaddrinfo(found);
	return there;
}

int main(void)
{
	static const struct {
		const char *text;
		enum luff_address there;
	} cases[] = {
		{"0.0.0.0", LUFF_ADDRESS_NOBODY},
		{"0.1.2.3", LUFF_ADDRESS_NOBODY},
		{"169.254.169.254", LUFF_ADDRESS_NOBODY},
		{"::", LUFF_ADDRESS_NOBODY},
		{"fe80::1", LUFF_ADDRESS_NOBODY},
		{"::ffff:169.254.169.254", LUFF_ADDRESS_NOBODY},
		{"64:ff9b::a9fe:a9fe", LUFF_ADDRESS_NOBODY},
		{"127.0.0.1", LUFF_ADDRESS_PRIVATE},
		{"127.255.0.9", LUFF_ADDRESS_PRIVATE},
		{"10.0.0.1", LUFF_ADDRESS_PRIVATE},
		{"172.16.0.1", LUFF_ADDRESS_PRIVATE},
		{"172.31.255.255", LUFF_ADDRESS_PRIVATE},
		{"192.168.1.1", LUFF_ADDRESS_PRIVATE},
		{"100.64.0.1", LUFF_ADDRESS_PRIVATE},
		{"::1", LUFF_ADDRESS_PRIVATE},
		{"::127.0.0.1", LUFF_ADDRESS_PRIVATE},
		{"::ffff:127.0.0.1", LUFF_ADDRESS_PRIVATE},
		{"64:ff9b::a00:1", LUFF_ADDRESS_PRIVATE},
		{"64:ff9b:1::8.8.8.8", LUFF_ADDRESS_PRIVATE},
		{"2002:c0a8:101::1", LUFF_ADDRESS_PRIVATE},
		{"fc00::1", LUFF_ADDRESS_PRIVATE},
		{"fd12:3456::1", LUFF_ADDRESS_PRIVATE},
		{"fec0::1", LUFF_ADDRESS_PRIVATE},
		{"8.8.8.8", LUFF_ADDRESS_PUBLIC},
		{"172.32.0.1", LUFF_ADDRESS_PUBLIC},
		{"100.128.0.1", LUFF_ADDRESS_PUBLIC},
		{"169.253.1.1", LUFF_ADDRESS_PUBLIC},
		{"2001:db8::1", LUFF_ADDRESS_PUBLIC},
		{"::ffff:8.8.8.8", LUFF_ADDRESS_PUBLIC},
		{"64:ff9b::808:808", LUFF_ADDRESS_PUBLIC},
		{"2002:808:808::1", LUFF_ADDRESS_PUBLIC},
	};
	static const struct sockaddr local = {.sa_family = AF_UNIX};
	char printed[LUFF_ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (luff_address_of_text(cases[i].text) != cases[i].there ||
		    of_socket(cases[i].text, printed) != cases[i].there ||
		    luff_address_of_text(printed) != cases[i].there)
			check_note(__FILE__, __LINE__, "%s (%s)", cases[i].text, printed);
	}
	CHECK(luff_address_of_text("[::1]") == LUFF_ADDRESS_PRIVATE);
	CHECK(luff_address_of_text("fe80::1%eth0") == LUFF_ADDRESS_NOBODY);
	CHECK(luff_address_of_text("name") == LUFF_ADDRESS_PUBLIC &&
	      luff_address_of_text("") == LUFF_ADDRESS_PUBLIC);
	CHECK(luff_address_of_socket(&local) == LUFF_ADDRESS_PRIVATE);
	CHECK_STR(luff_address_print(printed, &local), "?");
	return check_end();
}
