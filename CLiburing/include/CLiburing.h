/* What Swift cannot say to liburing and the kernel. No decision, no loop over packets. */
#ifndef GUISE_CLIBURING_H
#define GUISE_CLIBURING_H

/* liburing 2.3 relies on macros that <features.h> defines; a module import needs it first. */
#include <features.h>
#include <liburing.h>

#include "bpf.h"
#include "confine.h"
#include "epoll.h"
#include "experiments.h"
#include "memory.h"
#include "network.h"
#include "thread.h"
#include "tun.h"
#include "uring.h"

#endif
