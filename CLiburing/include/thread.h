/* Threads and wake-ups: what hides behind _GNU_SOURCE. All return 0 (or a descriptor) or -errno. */
#ifndef GUISE_THREAD_H
#define GUISE_THREAD_H

#include <stdint.h>

int guise_pin_thread(int cpu);          /* sched_setaffinity(2) of the calling thread */
int guise_name_thread(const char *name); /* at most 15 bytes */
int guise_eventfd(void);                /* EFD_CLOEXEC | EFD_NONBLOCK */
int guise_eventfd_signal(int fd);

/* Sleeps until a time of guise_now; an interruption ends it early. */
void guise_rest_until(uint64_t nanoseconds);
/* PR_SET_TIMERSLACK of the calling thread: without it, sleeps of ordinary threads last 50 us longer. */
void guise_make_timers_precise(void);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t guise_now(void);

#endif
