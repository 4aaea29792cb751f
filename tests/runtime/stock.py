"""A node as Debian's packages make it: containerd with the package's own configuration, plugins where Debian has them.

Nothing is masked and nothing is configured for a test: `/etc/containerd` and `/usr/bin` are the machine's. What the
node writes to (`/usr/lib/cni`, `/etc/cni`, `/opt`, `/run`, `/var/lib`) is a copy, or empty, in a mount namespace of
its own.
"""

import os
import subprocess

from tests import warm
from tests.netns import Namespace
from tests.runtime import image
from tests.runtime.containerd import Containerd

PLUGINS = "/usr/lib/cni"

_INIT = """\
cp -a /usr/lib/cni/. "$1/plugins" && mount --bind "$1/plugins" /usr/lib/cni || exit
mount --bind "$1/run" /run && mount --bind "$1/lib" /var/lib && mkdir /run/lock || exit
for folder in /etc/cni /opt /var/lib/containerd; do mkdir -p $folder && mount -t tmpfs none $folder || exit; done
mkdir /etc/cni/net.d && ip link set lo up || exit
echo ready && read -r _
"""


# A container, as CI's, may not be allowed to lower a score: that is no property of the node's network.
_RUNC = """\
#!/bin/sh
previous=
for word; do
    [ "$previous" = --bundle ] && sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$word/config.json"
    previous=$word
done
exec /usr/sbin/runc "$@"
"""


class StockNode(Containerd):
    """That node; `root` is a folder with a short path."""

    def __init__(self, root):
        self.host = Namespace()
        for folder in ("plugins", "tools"):
            (root / folder).mkdir()
        self._tools = root / "tools"
        (self._tools / "runc").write_text(_RUNC)
        (self._tools / "runc").chmod(0o755)
        super().__init__(root, self.host, PLUGINS, "/etc/cni/net.d", init=_INIT)
        self.socket = root / "run/containerd/containerd.sock"
        self._program = warm.client(root / "program")
        sandbox_image = self._default("sandbox_image")
        image.write(self.lib / "pause.tar", sandbox_image)

    def _default(self, key):
        """A setting of the CRI plugin that the package leaves as it is."""
        shown = subprocess.run(
            ["containerd", "config", "default"], capture_output=True, text=True, check=True
        )
        return next(
            line.split('"')[1] for line in shown.stdout.splitlines() if line.strip().startswith(f"{key} =")
        )

    def command(self):
        """The words that start it: without options, as its unit does."""
        return ["env", f"PATH={self._tools}:{os.environ['PATH']}", "containerd"]

    def start(self):
        """Start it, with its sandbox image."""
        super().start()
        self.ctr("--namespace", "k8s.io", "images", "import", "/var/lib/pause.tar")

    def close(self):
        super().close()
        self.host.remove()

    def genie(self, *words, status=0):
        """The command line on this node: its stdout; its stderr is in `stderr`."""
        done = self.run(self._program, *words, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        self.stderr = done.stderr
        return done.stdout

    def file(self, path):
        """A file of the node, to be looked at from outside."""
        return self._outside(path)

    def write_containerd_config(self, text):
        """Change the configuration files of the node's containerd, which does not see it before its next start."""
        folder = self.lib / "configuration"
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(text)
        self.run("mount", "--bind", "/var/lib/configuration", "/etc/containerd")

    def change_programs(self, change):
        """Run the shell's commands on the programs of the node, which has a copy of them for that."""
        over = "mount -t tmpfs none /var/lib/changed && mkdir /var/lib/changed/up /var/lib/changed/work"
        options = "lowerdir=/usr/bin,upperdir=/var/lib/changed/up,workdir=/var/lib/changed/work"
        mount = f"mount -t overlay -o {options} none /usr/bin"
        self.run("sh", "-c", f"mkdir -p /var/lib/changed && {over} && {mount} && cd /usr/bin && {change}")

    def hide_containerd(self):
        """Leave containerd's program away, as in the DaemonSet's container."""
        self.change_programs("rm containerd")
