/* What only guise-uring asks of the kernel: io_uring features newer than liburing 2.3, and namespaces.
 * Source: include/uapi/linux/io_uring.h of Linux 6.18. All return 0 (or a count) or -errno. */
#ifndef GUISE_EXPERIMENTS_H
#define GUISE_EXPERIMENTS_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
  GUISE_ENTER_EXT_ARG = 1u << 3,     /* the argument is a struct guise_wait_argument */
  GUISE_ENTER_EXT_ARG_REG = 1u << 6, /* the argument is an offset into the wait region (Linux 6.13) */
  GUISE_FEAT_MIN_TIMEOUT = 1u << 15, /* min_wait_us is understood (Linux 6.12) */
};

/* IOSQE_* and others that are macros with a shift: not imported by Swift. */
static const uint16_t guise_recvsend_fixed_buffer = IORING_RECVSEND_FIXED_BUF;
static const uint16_t guise_recv_multishot = IORING_RECV_MULTISHOT;

/* struct io_uring_getevents_arg, whose padding has become min_wait_usec. */
struct guise_wait_argument {
  uint64_t signal_mask;
  uint32_t signal_mask_size;
  uint32_t min_wait_us;
  uint64_t timeout; /* address of a struct __kernel_timespec, or 0 */
};

/* struct io_uring_reg_wait: one of them lies at each offset of a wait region. */
struct guise_registered_wait {
  struct __kernel_timespec timeout;
  uint32_t min_wait_us;
  uint32_t flags; /* 1: the timeout counts (IORING_REG_WAIT_TS) */
  uint64_t signal_mask;
  uint32_t signal_mask_size;
  uint32_t pad[3];
  uint64_t pad2[2];
};

/* Fills an entry for WRITEV_FIXED: every piece lies in the registered buffer `index`. */
void guise_prep_writev_fixed(struct io_uring_sqe *sqe, int fd, const struct iovec *pieces, uint32_t count,
                             uint16_t index);

/* IORING_REGISTER_MEM_REGION with IORING_MEM_REGION_REG_WAIT_ARG: `size` bytes (whole pages) hold wait
 * arguments from now on. The ring must not be enabled yet (IORING_SETUP_R_DISABLED). */
int guise_register_wait_region(struct io_uring *ring, void *region, size_t size);

/* IORING_REGISTER_NAPI: waits poll the queues of the ring's sockets for up to `microseconds` first. */
int guise_register_napi(struct io_uring *ring, uint32_t microseconds);

/* Moves the calling thread into a new network namespace (unshare(2), CLONE_NEWNET), or into that of a
 * descriptor (setns(2)). */
int guise_new_network(void);
int guise_enter_network(int descriptor);

/* Offloads of an interface of the calling thread's namespace (ETHTOOL_SGRO, ETHTOOL_STSO). */
int guise_link_set_gro(const char *name, int enabled);
int guise_link_set_tso(const char *name, int enabled);

/* CPU time in nanoseconds: of the calling thread, and of the whole process with its kernel threads. */
uint64_t guise_thread_cpu_time(void);
uint64_t guise_process_cpu_time(void);

#endif
