"""A sandbox for the plugin: its own mounts, all read-only but a scratch directory, and no network."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Namespaces of its own, for processes too: when this process ends, however, nothing of them is left.
_UNSHARE = "setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc".split()
# $1 is the scratch directory, the rest the command. What cannot be made read-only is said: it should be nothing.
_INSIDE = """
set -eu
scratch=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=0700,size=1g scratch "$scratch"
for directory in /etc/cni /opt/cni /var/lib/cni; do # what this machine has there is no matter
    [ ! -d "$directory" ] || mount -t tmpfs nothing "$directory"
done
awk '{print $2}' /proc/self/mounts | sort -ru | while read -r mount; do
    [ "$mount" = "$scratch" ] || mount -o remount,bind,ro "$mount" 2>/dev/null || :
done
if (: >"$scratch.probe") 2>/dev/null; then
    rm "$scratch.probe"
    echo "this machine's files could not be made read-only" >&2
    exit 1
fi
ip link set lo up
: >"$scratch/netns"
unshare --net="$scratch/netns" true
exec "$@"
"""


def lines(job):
    """What `python -m tests.fuzz.inside SCRATCH` prints in the sandbox about a job on its stdin, as it comes.

    An ordinary user is root in there, and nowhere else.
    """
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    scratch = tempfile.mkdtemp(prefix="genie-fuzz-")
    python = [sys.executable, "-B", "-m", "tests.fuzz.inside", scratch]
    try:
        with subprocess.Popen(
            [*_UNSHARE, *user, "sh", "-c", _INSIDE, "sh", scratch, *python],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": "0"},  # so that a seed means the same again
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(job.encode())
            process.stdin.close()
            yield from process.stdout
    finally:
        shutil.rmtree(scratch)
