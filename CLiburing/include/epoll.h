/* epoll: what hides behind _GNU_SOURCE, and a structure that is packed on some machines only. */
#ifndef GUISE_EPOLL_H
#define GUISE_EPOLL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* EPOLL* are enum members of an unsigned type, or macros: constants of one type for Swift. */
static const uint32_t guise_epoll_in = EPOLLIN;
static const uint32_t guise_epoll_error = EPOLLERR;
static const uint32_t guise_epoll_edge = 1u << 31; /* EPOLLET */
static const size_t guise_epoll_event_size = sizeof(struct epoll_event);

/* A close-on-exec epoll descriptor, or -errno. */
int guise_epoll_create(void);

/* EPOLL_CTL_ADD: 0 or -errno. */
int guise_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);

/* epoll_wait(2): the number of events written to `events`, or -errno. -1 ms waits for ever. */
int guise_epoll_wait(int epoll, void *events, int count, int timeout_ms);

/* epoll_pwait2(2), Linux 5.11: the same in nanoseconds. UINT64_MAX waits for ever. */
int guise_epoll_wait_ns(int epoll, void *events, int count, uint64_t timeout_ns);

/* One event of an array that a wait has filled. */
static inline uint64_t guise_epoll_token(const void *events, size_t index) {
  return ((const struct epoll_event *)events)[index].data.u64;
}
static inline uint32_t guise_epoll_mask(const void *events, size_t index) {
  return ((const struct epoll_event *)events)[index].events;
}

#endif
