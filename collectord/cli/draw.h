/* collectord/cli/draw.h - a graph in dot's language as a picture for browsers, by graphviz. */
#pragma once

#include <stddef.h>

#include "collectord/profile/fault.h"

#define DRAW_NAME_MAX 32

/* Replace the dot text by a picture in one of dot's formats; "svg" pans and zooms.  0, or -errno with a fault: no
 * graphviz, out of memory. */
int draw_picture(const char *format, char **text, size_t *len, struct fault *f);

/* Where a picture goes when nobody said and standard output is a terminal: the first profileNNN.svg that is not
 * there.  NULL: to standard output. */
const char *draw_file_name(char name[DRAW_NAME_MAX]);
