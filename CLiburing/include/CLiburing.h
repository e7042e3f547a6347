/* What Swift cannot say to liburing and the kernel. No decision, no loop over packets. */
#ifndef GUISE_CLIBURING_H
#define GUISE_CLIBURING_H

/* liburing 2.3 relies on macros that <features.h> defines; a module import needs it first. */
#include <features.h>

/* What the system's headers declare belongs to Swift's Glibc alone. If this module had it as well, a file that imports Glibc
   would find a constant or not by which other files it is compiled with. */
#if defined(__swift__) && defined(__GLIBC__)
#pragma clang module import SwiftGlibc
#endif

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
