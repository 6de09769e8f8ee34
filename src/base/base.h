/* What nearly every file uses: the C library's types, memory and strings, and ours. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/err.h"
#include "base/log.h"
