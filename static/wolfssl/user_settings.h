/* See options.h, whose answers the assembly wants, too. */
#include "options.h"
