/* io_uring: names that liburing 2.3 does not have yet, and its macros as constants.
 * Source: include/uapi/linux/io_uring.h of Linux 6.15. */
#ifndef GUISE_URING_H
#define GUISE_URING_H

#include <errno.h>
#include <liburing.h>
#include <stdint.h>
#include <string.h>

/* Operations newer than the header. */
enum {
  GUISE_OP_READ_MULTISHOT = 49, /* Linux 6.7 */
  GUISE_OP_WRITEV_FIXED = 61,   /* Linux 6.15 */
};

/* IOSQE_* are enum shifts written as macros: not imported by Swift. */
static const uint8_t guise_sqe_fixed_file = IOSQE_FIXED_FILE;
static const uint8_t guise_sqe_buffer_select = IOSQE_BUFFER_SELECT;
static const uint8_t guise_sqe_cqe_skip_success = IOSQE_CQE_SKIP_SUCCESS;

/* Fills an entry for READ_MULTISHOT: every packet takes one buffer of the group `bgid`. */
static inline void guise_prep_read_multishot(struct io_uring_sqe *sqe, int fd, uint16_t bgid) {
  io_uring_prep_rw(IORING_OP_READ, sqe, fd, NULL, 0, (uint64_t)-1);
  sqe->opcode = GUISE_OP_READ_MULTISHOT;
  sqe->buf_group = bgid;
  sqe->flags |= IOSQE_BUFFER_SELECT;
}

/* Puts one buffer behind the ring's tail; it becomes visible with guise_buf_ring_publish. */
static inline void guise_buf_ring_put(struct io_uring_buf_ring *ring, void *address, uint32_t length,
                                      uint16_t id, uint32_t mask, uint32_t offset) {
  io_uring_buf_ring_add(ring, address, length, id, (int)mask, (int)offset);
}

static inline void guise_buf_ring_publish(struct io_uring_buf_ring *ring, uint32_t count) {
  io_uring_buf_ring_advance(ring, (int)count);
}

/* IORING_SQ_*: what the kernel says about the ring. */
static inline uint32_t guise_sq_flags(const struct io_uring *ring) { return IO_URING_READ_ONCE(*ring->sq.kflags); }

/* Submits what is queued and waits until a completion is there or `timeout_ns` has passed
 * (UINT64_MAX: no limit; 0: submits, runs pending work and returns). One system call.
 * Returns the number submitted, or -errno (-ETIME, -EINTR and -EBUSY are ordinary). */
int guise_submit_and_wait(struct io_uring *ring, uint64_t timeout_ns);

/* Submits what is queued, as io_uring_enter(2) does with these arguments: without IORING_ENTER_GETEVENTS it neither waits
 * nor runs pending work, as io_uring_submit(3) may. Returns the number submitted, or -errno. */
int guise_enter(struct io_uring *ring, uint32_t wait_count, uint32_t flags, const void *argument, size_t size);

/* IORING_REGISTER_RESTRICTIONS and IORING_REGISTER_ENABLE_RINGS; liburing 2.3 declares its own and does not
 * export them. */
int guise_restrict_ring(struct io_uring *ring, const struct io_uring_restriction *restrictions, unsigned count);
int guise_enable_ring(struct io_uring *ring);

/* 1 when the running kernel supports the operation, 0 when not, or -errno. */
int guise_probe_op(struct io_uring *ring, int op);

#endif
