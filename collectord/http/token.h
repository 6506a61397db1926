/* collectord/http/token.h - the secret that TCP clients show: random, in a file only its owner can read. */
#pragma once

#include "collectord/profile/fault.h"

#define TOKEN_MAX 128 /* with the NUL */

/* A new one: 32 random bytes as hex digits.  0 or -errno. */
int token_make(char buf[TOKEN_MAX]);

/* That of a file, which is made (0600) with a new one if it does not exist.  Refused: a file that others may read
 * or that is not ours, and a token of less than 16 characters or with others than letters, digits, '-', '_' and
 * '.'. */
int token_of_file(const char *path, char buf[TOKEN_MAX], struct fault *f);
