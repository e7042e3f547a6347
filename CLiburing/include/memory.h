/* Caches, by a builtin of the compiler, and files that lie in memory. */
#ifndef GUISE_MEMORY_H
#define GUISE_MEMORY_H

/* Begins to fetch a cache line that will be written. Any address is allowed: nothing is read from it. */
static inline void guise_prefetch(const void *address) { __builtin_prefetch(address, 1); }

/* memfd_create(2), MFD_CLOEXEC: an empty file without a place in any file system. -errno where there is none. */
int guise_memory_file(const char *name);

#endif
