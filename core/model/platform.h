/* What only the model needs of platforms. */
#ifndef LUFF_MODEL_PLATFORM_H
#define LUFF_MODEL_PLATFORM_H

#include "luff.h"

/** Makes many spellings one: x86_64 is amd64, arm64/v8 is arm64, arm is arm/v7. */
void luff_platform_normalize(struct luff_platform *p);

#endif
