/* tests/unit/pprof_fixture.h - a profile with every kind of entry the pprof format has. */
#pragma once

#include "collectord/profile/convert.h"
#include "collectord/profile/pprof.h"
#include "tests/unit/snapshot_fixture.h"
#include "tests/unit/tool.h"

/* A profile of this process with every kind of entry the format has. */
static inline struct profile *rich_profile(void)
{
	struct snapshot *s = fixture_snapshot();
	struct profile_label *labels;
	struct profile_line *lines;
	struct profile *p;

	fixture_add_here(s, 10, 1000);
	fixture_add_here(s, 1, 1 << 20);
	fixture_add_stack(s, NULL, 0, 3, 3);
	cr_assert_eq(profile_from_snapshot(s, CONVERT_NOW, &p, NULL), 0);
	snapshot_free(s);
	lines = profile_alloc(p, 2, sizeof(*lines));
	lines[0] = (struct profile_line){ profile_add_function(p, "in", "_Z2inv", "a.h", 3), 7 };
	lines[1] = (struct profile_line){ profile_add_function(p, "out", "_Z3outv", "b.c", 0), -9 };
	p->locations[0].lines = lines;
	p->locations[0].n_lines = 2;
	p->locations[1].is_folded = true;
	p->mappings[0].has_functions = p->mappings[0].has_inline_frames = true;
	p->mappings[0].has_filenames = p->mappings[0].has_line_numbers = true;
	p->mappings[0].offset = 0x1000;
	labels = profile_alloc(p, 2, sizeof(*labels));
	labels[0] = (struct profile_label){ .key = "thread", .str = "main", .unit = "" };
	labels[1] = (struct profile_label){ .key = "size", .num = 48, .unit = "bytes" };
	p->samples[0].labels = labels;
	p->samples[0].n_labels = 2;
	p->samples[0].values[1] = -5;
	p->drop_frames = "malloc|calloc";
	p->keep_frames = "keep";
	return p;
}
