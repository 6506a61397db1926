/* collectord/profile/demangle.h - names for people out of linker names: C++ (Itanium), Rust (legacy and v0), D. */
#pragma once

/* The name to show: C++ without parameters and template arguments (what pprof shows by default), Rust without hash,
 * D with its parameters, which are part of what is called by a name there, entries of the PLT with "@plt", any
 * other name without the suffixes a compiler gives to parts and clones of a function (".cold", ".part.0").
 * malloc'ed; NULL = out of memory. */
char *demangle_name(const char *symbol);
