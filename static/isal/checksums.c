/* The checksums of ISA-L's inflate by those of libdeflate, which is here anyway. */
#include <libdeflate.h>
#include <stdint.h>

uint32_t crc32_gzip_refl(uint32_t crc, const unsigned char *bytes, uint64_t len);
uint32_t isal_adler32(uint32_t adler, const unsigned char *bytes, uint64_t len);

uint32_t crc32_gzip_refl(uint32_t crc, const unsigned char *bytes, uint64_t len)
{
	return libdeflate_crc32(crc, bytes, len);
}

uint32_t isal_adler32(uint32_t adler, const unsigned char *bytes, uint64_t len)
{
	return libdeflate_adler32(adler, bytes, len);
}
