/* Time that only goes forward, for durations and time limits. */
#ifndef LUFF_BASE_CLOCK_H
#define LUFF_BASE_CLOCK_H

#include <stdint.h>

/** Milliseconds since some moment in the past. */
int64_t luff_clock_ms(void);

#endif
