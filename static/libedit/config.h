/* libedit on Linux with musl; termcap.h says what it knows of terminals. */
#define HAVE_DIRENT_H 1
#define HAVE_FCNTL_H 1
#define HAVE_GETLINE 1
#define HAVE_GETPW_R_POSIX 1
#define HAVE_INTTYPES_H 1
#define HAVE_LIMITS_H 1
#define HAVE_SECURE_GETENV 1
#define HAVE_STDINT_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRING_H 1
#define HAVE_STRLCAT 1
#define HAVE_STRLCPY 1
#define HAVE_SYS_IOCTL_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_TERMCAP_H 1
#define HAVE_UNISTD_H 1
#define HAVE_WCHAR_H 1
#define HAVE_WCSDUP 1
#define SCCSID
#undef LIBC_SCCS
#define lint
#define __BEGIN_DECLS
#define __END_DECLS
#define __STDC_ISO_10646__ 201706L /* musl's wide characters are Unicode */
#include "sys.h"
