/*
 * The native launcher: hands a call over to `genie serve`, or becomes the launcher that starts Python.
 *
 * It uses no C library: a static program of a few kilobytes starts in 0.1 ms, a static glibc needs 0.3.
 * genie_core/server/__init__.py describes the protocol. The rule that no call is lost or run twice is in two places:
 * before the child has read GO, every failure ends in become_python(); after it, in an error document.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef O_PATH /* fcntl.h has these for programs of GNU alone */
#define O_PATH 010000000
#define AT_EMPTY_PATH 0x1000
#endif

/* `genie install` writes the texts into the compiled file (genie_core/native/__init__.py). */
struct settings {
    char mark[16];
    char about[640];    /* one line for people and `genie discover`: version and interpreter */
    char build[128];    /* the installed code that this launcher belongs to */
    char python[512];   /* the interpreter */
    char start[512];    /* the launcher that starts it */
    char socket[108];
    char counters[116]; /* the file of counters */
    char own[512];      /* this file */
    char compiled[512]; /* the code that a Python of this stamp runs at once */
    uint64_t stamp[4];  /* inode, size and ctime of the interpreter */
};
struct settings settings = {.mark = "GENIE-LAUNCHER3"};

/* Slots of the file of counters (genie_core/server/counters.py). */
enum slot { SERVED, NO_SERVER, OTHER_BUILD, OTHER_NAMESPACE, OTHER_RIGHTS, NO_ANSWER, LOST };

enum { ANSWER_MS = 2000 }; /* how long a server may take until it is ready for the call */

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");

static long sys(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x29, xzr\n mov x0, sp\n bl begin\n");

static long sys(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "this machine has no native launcher; the one that starts Python does all of its work"
#endif

/* The compiler may call these. */
void *memset(void *to, int byte, size_t count)
{
    for (unsigned char *at = to; count--; at++)
        *at = (unsigned char)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t count)
{
    unsigned char *at = to;
    for (const unsigned char *in = from; count--;)
        *at++ = *in++;
    return to;
}

static size_t length(const char *text)
{
    size_t count = 0;
    while (text[count])
        count++;
    return count;
}

static _Noreturn void leave(int status)
{
    for (;;)
        sys(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

/* Write all of it to stdout; 0, or 1 where the caller does not read it. */
static int print(const char *text, size_t count)
{
    while (count) {
        long written = sys(__NR_write, 1, (long)text, (long)count, 0, 0, 0);
        if (written <= 0)
            return 1;
        text += written;
        count -= (size_t)written;
    }
    return 0;
}

static _Noreturn void fail(const char *document)
{
    print(document, length(document));
    leave(1);
}

/* Count the call. Without the file no server has run since the boot, and nothing is counted. */
static void count(enum slot slot)
{
    long fd = sys(__NR_openat, AT_FDCWD, (long)settings.counters, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0, 0, 0);
    if (fd < 0)
        return;
    struct stat found;
    if (sys(__NR_fstat, fd, (long)&found, 0, 0, 0, 0) == 0 && found.st_size >= 4096) {
        long at = sys(__NR_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (at > 0 || at < -4095)
            __atomic_fetch_add((uint64_t *)at + slot, 1, __ATOMIC_RELAXED);
    }
    sys(__NR_close, fd, 0, 0, 0, 0, 0);
}

static int is_directory(int fd)
{
    struct stat found;
    return sys(__NR_fstat, fd, (long)&found, 0, 0, 0, 0) == 0 && S_ISDIR(found.st_mode);
}

/* Whether the compiled code is as `genie install` wrote it, with its sum in the second word (genie_core/packing.py).
 * Of damage Python would print a line on stderr and no document. */
static int is_whole(void)
{
    uint64_t words[4096];
    long fd = sys(__NR_openat, AT_FDCWD, (long)settings.compiled, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return 0;
    long size = sys(__NR_read, fd, (long)words, sizeof words, 0, 0, 0);
    sys(__NR_close, fd, 0, 0, 0, 0, 0);
    if (size < 16 || size == sizeof words)
        return 0;
    uint64_t sum = 0xcbf29ce484222325 ^ (uint64_t)size;
    for (long at = size; at % 8; at++)
        ((unsigned char *)words)[at] = 0;
    for (long at = 0; at < (size + 7) / 8; at++)
        if (at != 1)
            sum = (sum ^ words[at]) * 0x100000001b3;
    return sum == words[1];
}

/* The interpreter, if it is the one that the code was compiled for, else -1. Another version would only report an error,
 * also one that takes its place from here on: so the file itself is run, not what is at its path by then. */
static int compiler(void)
{
    int fd = (int)sys(__NR_openat, AT_FDCWD, (long)settings.python, O_PATH | O_CLOEXEC, 0, 0, 0);
    struct stat found;
    if (fd < 0 || sys(__NR_fstat, fd, (long)&found, 0, 0, 0, 0) < 0)
        return -1;
    uint64_t *stamp = settings.stamp;
    int same = stamp[0] == found.st_ino && stamp[1] == (uint64_t)found.st_size
        && stamp[2] == (uint64_t)found.st_ctim.tv_sec && stamp[3] == (uint64_t)found.st_ctim.tv_nsec;
    return same && is_whole() ? fd : -1;
}

/* Run the call in a Python of its own. Reading the launcher's text, which any version can run, costs 0.5 ms more.
 * sh is only needed where Python cannot start (genie_core/tasks/install/launcher.py). */
static _Noreturn void become_python(char **env)
{
    if (settings.python[0] && !is_directory(0)) {
        char *compiled[] = {settings.python, "-ISXutf8", settings.compiled, settings.own, NULL};
        int fd = compiler();
        if (fd >= 0)
            sys(__NR_execveat, fd, (long)"", (long)compiled, (long)env, AT_EMPTY_PATH, 0);
        char *argv[] = {settings.python, "-ISXutf8", settings.start, NULL};
        sys(__NR_execve, (long)settings.python, (long)argv, (long)env, 0, 0, 0);
    }
    char *argv[] = {settings.start, NULL};
    sys(__NR_execve, (long)settings.start, (long)argv, (long)env, 0, 0, 0);
    fail("{\"cniVersion\":\"1.1.0\",\"code\":999,\"msg\":\"Genie is not installed completely: the launcher that"
         " starts Python is gone\",\"details\":\"run `genie install` again\"}\n");
}

enum { PASSED = 4 }; /* descriptors that go with the call */

union rights {
    struct cmsghdr header;
    char room[CMSG_SPACE(PASSED * sizeof(int))];
};

/* Give the call away, with the standard descriptors, and the reading end of a pipe whose other end this process alone
 * has: it closes when this process ends. -1 where that fails, as where a standard descriptor is closed. */
static int send_go(int fd)
{
    int lifeline[2];
    if (sys(__NR_pipe2, (long)lifeline, O_CLOEXEC, 0, 0, 0, 0) < 0)
        return -1;
    union rights rights;
    struct iovec text = {"G", 1};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = rights.room};
    memset(&rights, 0, sizeof rights);
    message.msg_controllen = sizeof rights.room;
    rights.header.cmsg_level = SOL_SOCKET;
    rights.header.cmsg_type = SCM_RIGHTS;
    rights.header.cmsg_len = CMSG_LEN(PASSED * sizeof(int));
    int passed[PASSED] = {0, 1, 2, lifeline[0]};
    memcpy(CMSG_DATA(&rights.header), passed, sizeof passed);
    long sent = sys(__NR_sendmsg, fd, (long)&message, MSG_NOSIGNAL, 0, 0, 0);
    sys(__NR_close, lifeline[0], 0, 0, 0, 0, 0); /* so that there is room for the descriptor of the answer */
    return sent == 1 ? 0 : -1;
}

/* Receive a message and perhaps a descriptor (else -1): its length, 0 at the end, or a negative error number. */
static long receive(int fd, void *data, size_t size, int *descriptor)
{
    union rights rights;
    struct iovec text = {data, size};
    struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = rights.room};
    message.msg_controllen = sizeof rights.room;
    memset(&rights, 0, sizeof rights);
    long count = sys(__NR_recvmsg, fd, (long)&message, MSG_CMSG_CLOEXEC, 0, 0, 0);
    *descriptor = -1;
    if (count > 0 && message.msg_flags & MSG_CTRUNC)
        return -EMFILE;
    if (count > 0 && message.msg_controllen >= CMSG_LEN(sizeof(int)) && rights.header.cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(&rights.header), sizeof *descriptor);
    return count;
}

static int wait_for(struct pollfd *files, unsigned long number, int milliseconds)
{
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    long found;
    do
        found = sys(__NR_ppoll, (long)files, (long)number, milliseconds < 0 ? 0 : (long)&limit, 0, 8, 0);
    while (found == -EINTR);
    return found > 0;
}

static enum slot refusal(char letter)
{
    switch (letter) {
    case 'b':
        return OTHER_BUILD;
    case 'n':
        return OTHER_NAMESPACE;
    case 'r':
        return OTHER_RIGHTS;
    default:
        return NO_SERVER;
    }
}

/* Print what the child wrote, and end as it ended. */
static _Noreturn void answer(unsigned char status, int document)
{
    char text[16384];
    long offset = 0, got;
    while (document >= 0 && (got = sys(__NR_pread64, document, (long)text, sizeof text, offset, 0, 0)) > 0) {
        if (print(text, (size_t)got))
            leave(1);
        offset += got;
    }
    leave(status);
}

/* Pass signals on to the child until it has answered. A child that ends without an answer is an error. Returns where it
 * has not taken the call: it says so, or has ended before it read GO, which the kernel reports as a reset. A call that was
 * to be stopped meanwhile is not begun again. */
static enum slot follow(int fd, int child, int signals)
{
    struct pollfd files[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int passed = 0;
    for (;;) {
        wait_for(files, 2, -1);
        uint32_t info[32]; /* a struct signalfd_siginfo: the signal's number comes first */
        if (files[1].revents && sys(__NR_read, signals, (long)info, sizeof info, 0, 0, 0) == sizeof info) {
            sys(__NR_pidfd_send_signal, child, info[0], 0, 0, 0, 0);
            passed = 1;
        }
        if (!files[0].revents)
            continue;
        char given[2];
        int document;
        long size = receive(fd, given, sizeof given, &document);
        if (size == 1) {
            count(SERVED);
            answer((unsigned char)given[0], document);
        }
        if (size == 2 && given[0] == 'N' && !passed)
            return refusal(given[1]);
        if (size == -ECONNRESET && !passed)
            return NO_SERVER;
        count(LOST);
        fail("{\"cniVersion\":\"1.1.0\",\"code\":11,\"msg\":\"the process of `genie serve` that ran this call ended"
             " without an answer\",\"details\":\"the runtime repeats the call; the log of genie serve has the reason\"}\n");
    }
}

/* Hand the call over. Returns only where the server has not got the call: the reason why it is to be run here. */
static enum slot hand_over(void)
{
    int fd = (int)sys(__NR_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, settings.socket, sizeof address.sun_path);
    if (fd >= 0 && fd <= 2) /* the caller closed this one: Python has the right answer */
        sys(__NR_close, fd, 0, 0, 0, 0, 0);
    if (fd <= 2 || sys(__NR_connect, fd, (long)&address, sizeof address, 0, 0, 0) < 0)
        return NO_SERVER;
    if (sys(__NR_sendto, fd, (long)settings.build, (long)length(settings.build), MSG_NOSIGNAL, 0, 0) < 0)
        return NO_SERVER;
    struct pollfd file = {.fd = fd, .events = POLLIN};
    if (!wait_for(&file, 1, ANSWER_MS))
        return NO_ANSWER;
    char ready[8];
    int none;
    long size = receive(fd, ready, sizeof ready, &none);
    if (size == 2 && ready[0] == 'N')
        return refusal(ready[1]);
    if (size != 5 || ready[0] != 'R')
        return NO_SERVER;
    int32_t pid;
    memcpy(&pid, ready + 1, sizeof pid);
    int child = (int)sys(__NR_pidfd_open, pid, 0, 0, 0, 0, 0);
    if (child < 0)
        return NO_SERVER;
    unsigned long asked = 1UL << (SIGTERM - 1) | 1UL << (SIGINT - 1) | 1UL << (SIGHUP - 1), before;
    unsigned long blocked = asked | 1UL << (SIGPIPE - 1);
    sys(__NR_rt_sigprocmask, SIG_BLOCK, (long)&blocked, (long)&before, 8, 0, 0);
    int signals = (int)sys(__NR_signalfd4, -1, (long)&asked, 8, O_CLOEXEC | O_NONBLOCK, 0, 0);
    enum slot reason = NO_SERVER;
    if (signals >= 0 && send_go(fd) == 0)
        reason = follow(fd, child, signals);
    sys(__NR_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, 8, 0, 0);
    return reason;
}

__attribute__((used)) _Noreturn void begin(long *stack)
{
    count(hand_over());
    become_python((char **)(stack + stack[0] + 2));
}
