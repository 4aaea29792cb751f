"""`genie serve`: one process per node that has the plugin's modules loaded, and forks once per call.

A call costs 6 ms less than one that starts an interpreter. The server is optional: the native launcher
(genie_core/native/launcher.c), which the runtime executes, runs a call without it where it does not answer.

    pool      the server's main process: the socket, and processes that wait for a call
    call      one call, in one of these processes
    caller    the process that was called by the runtime: its rights, environment and directories
    rehearsal a call of no pod, before one comes, so that calls are faster
    counters  how many calls were served, and how many were run without the server

The messages on the socket (SOCK_SEQPACKET):

    launcher                                     child of the server
    build                                  -->
                                           <--   R and its PID: it can run the call; N and a letter: it cannot
    G, with descriptors 0, 1, 2 and a pipe -->   from here on the call is the child's
                                           <--   the exit status, with a descriptor of what is to be printed

The child runs the call only once it has read G. The launcher runs the call itself only where the child has not read G:
it has not sent G, or the child ended with G unread (the kernel reports this as ECONNRESET), or the child refuses after
G (d), since its limit left no room for the descriptors. So no call is run twice, whatever is killed. The descriptors
come with G: a server that hangs would keep those of a message that it has not read, and the runtime would wait for the
end of the launcher's output. A child that has read G and ends without a status makes the launcher print an error
document with code 11, and the runtime repeats the call. A launcher that is killed takes its child with it: the kernel
sends SIGKILL when the pipe's other end closes, which the launcher alone has (F_SETSIG). Delegates live on as always,
and hold the container's lock.

The child refuses (N) what would not be the same call: another build (b), a caller in other namespaces or with another
root directory (n), or with other rights, a seccomp filter or another label (r).
"""

DIRECTORY = "/run/genie"
SOCKET = "plugin.sock"
COUNTERS = "calls"
LOCK = "serve.lock"
REHEARSAL = "rehearsal"
FILES = (SOCKET, COUNTERS, LOCK, REHEARSAL)
READY, REFUSED, GO = b"R", b"N", b"G"
OTHER_BUILD, OTHER_NAMESPACE, OTHER_RIGHTS, NO_DESCRIPTORS = b"b", b"n", b"r", b"d"
