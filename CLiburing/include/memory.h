/* Caches: a builtin of the compiler. */
#ifndef GUISE_MEMORY_H
#define GUISE_MEMORY_H

/* Begins to fetch a cache line that will be written. Any address is allowed: nothing is read from it. */
static inline void guise_prefetch(const void *address) { __builtin_prefetch(address, 1); }

#endif
