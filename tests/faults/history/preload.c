/* Loaded before a server's libraries: moves its wall clock, and makes its database's flushes slow or fail.

   What it does stands in the file that HISTORY_FAULTS names, as three 64-bit numbers, and may change at any time. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int64_t clock_ms; /* added to the wall clock */
    int64_t slow_ms;  /* each flush takes so much longer */
    int64_t fails;    /* not 0: flushes fail */
};

static const struct faults none;
static const volatile struct faults *now = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("HISTORY_FAULTS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) now = found;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *told) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, told);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        int64_t ns = told->tv_sec * 1000000000LL + told->tv_nsec + now->clock_ms * 1000000LL;
        told->tv_sec = ns / 1000000000LL;
        told->tv_nsec = ns % 1000000000LL;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    told->tv_sec = exact.tv_sec;
    told->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (told) *told = exact.tv_sec;
    return exact.tv_sec;
}

static int of_database(int file) {
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, ".sqlite") != NULL;
}

static int flush(int file, const char *name, int (**real)(int)) {
    if (!*real) *real = dlsym(RTLD_NEXT, name);
    if ((now->slow_ms || now->fails) && of_database(file)) {
        usleep((useconds_t)now->slow_ms * 1000);
        if (now->fails) {
            errno = EIO;
            return -1;
        }
    }
    return (*real)(file);
}

int fsync(int file) {
    static int (*real)(int);
    return flush(file, "fsync", &real);
}

int fdatasync(int file) {
    static int (*real)(int);
    return flush(file, "fdatasync", &real);
}
