/* See address.h. */
#include "http/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/text.h"

static enum luff_address of_v4(const unsigned char *a)
{
	if (a[0] == 0 || (a[0] == 169 && a[1] == 254))
		return LUFF_ADDRESS_NOBODY;
	if (a[0] == 10 || a[0] == 127 || (a[0] == 100 && (a[1] & 0xc0) == 64) ||
	    (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168))
		return LUFF_ADDRESS_PRIVATE;
	return LUFF_ADDRESS_PUBLIC;
}

/* Several kinds of IPv6 addresses have an IPv4 address in them, which is where packets end up. */
static enum luff_address of_v6(const unsigned char *a)
{
	static const unsigned char loopback[16] = {[15] = 1}, zeros[12],
				   mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b},
				   local_nat64[6] = {0x00, 0x64, 0xff, 0x9b, 0, 1};

	if (memcmp(a, loopback, 16) == 0)
		return LUFF_ADDRESS_PRIVATE;
	if (memcmp(a, zeros, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
		return of_v4(a + 12);
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return of_v4(a + 2);
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return LUFF_ADDRESS_NOBODY;
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0xc0) ||
	    memcmp(a, local_nat64, 6) == 0)
		return LUFF_ADDRESS_PRIVATE;
	return LUFF_ADDRESS_PUBLIC;
}

enum luff_address luff_address_of_text(const char *text)
{
	unsigned char bytes[16];
	char bare[LUFF_ADDRESS_TEXT_MAX];

	luff_text_copy(bare, sizeof bare, text + (*text == '['));
	bare[strcspn(bare, "]%")] = '\0'; /* brackets and a zone are no part of the address */
	if (inet_pton(AF_INET, bare, bytes) == 1)
		return of_v4(bytes);
	return inet_pton(AF_INET6, bare, bytes) == 1 ? of_v6(bytes) : LUFF_ADDRESS_PUBLIC;
}

enum luff_address luff_address_of_socket(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return of_v4((const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr);
	if (address->sa_family == AF_INET6)
		return of_v6(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
	return LUFF_ADDRESS_PRIVATE;
}

const char *luff_address_print(char buf[LUFF_ADDRESS_TEXT_MAX], const struct sockaddr *address)
{
	const void *bytes = address->sa_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;

	if ((address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
	    !inet_ntop(address->sa_family, bytes, buf, LUFF_ADDRESS_TEXT_MAX))
		luff_text_copy(buf, LUFF_ADDRESS_TEXT_MAX, "?");
	return buf;
}
