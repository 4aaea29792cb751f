"""`make tour`: a shell on a private node with Genie, a healthy pod and a broken one. This machine is not changed.

docs/tour.py [FOLDER OF CNI PLUGINS ...]
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from genie_core.errors import GenieError
from genie_core.sandbox.private_node import PrivateNode

# Containers: a name of shop's pods, its container ID. `old-0` ended an hour ago, and no DEL came.
PODS = {"web-0": "c0ffee", "web-1": "beef01", "old-0": "dead02"}
SETUP = """
set -e
rm -rf /etc/cni/net.d /etc/cni/genie; mkdir -p /etc/cni/net.d /opt/cni/bin
# where Genie is installed on this machine, its code is shown there read-only
for folder in $(echo $CNI_PATH | tr : ' '); do umount $folder/.genie 2>/dev/null || true; done
for plugin in $PLUGINS; do [ -e /opt/cni/bin/${plugin##*/} ] || ln -s $plugin /opt/cni/bin/; done
genie generate-config bridge --write >/dev/null
genie generate-config macvlan --write >/dev/null
plugin=$(genie install --set default_plugin=bridge --output name | grep '/genie$')
mkdir -p /run/netns
attach() {
    ip netns add $1; nsenter --net=/run/netns/$1 ip link set lo up
    CNI_COMMAND=ADD CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$1 CNI_IFNAME=eth0 CNI_PATH=$CNI_PATH \\
    CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=$1" $plugin <<END >/dev/null
$CALL
END
}
"""
WELCOME = """\
You are on a private node: a copy of this machine with a network, processes and CNI directories of its own. Genie is
installed in it, with the networks bridge (the default) and macvlan. It ends with this shell; your machine is unchanged.

  shop/web-0   is broken: something has taken its interface off the bridge
  shop/web-1   is healthy: its address is on bridge
  shop/old-0   ended an hour ago without a DEL, and holds an address

Try, as in README.md (the three commands of its set-up have been run already):

  genie dry-run --cni bridge,macvlan@net1       what a pod with two networks would get
  genie dry-run --cni bridge,macvlna            the same with a misspelt name
  genie discover                                what is on this node, and is it right
  genie debug pod shop/web-0                    why has it no network?
  genie explain GN0402                          what that code means; then run the fix, and debug it again
  genie debug pod shop/web-1                    a healthy pod
  genie gc --yes --interval 1s                  take back what shop/old-0 holds
  genie uninstall                               new pods get the next network; what running pods need stays

exit (or ^D) ends the tour.
"""
GOODBYE = """\
The private node is gone, with all that was in it.

What to do next: docs/networks.md (a pod's annotations), docs/install-a-node.md, docs/install-in-a-cluster.md.
"""


def main(folders: list[str]) -> int:
    """Set the node up, and give the person a shell on it."""
    found = (path for folder in folders for path in sorted(Path(folder).glob("*")))
    plugins = [path for path in found if path.is_file() and os.access(path, os.X_OK)]
    if not plugins:
        sys.exit("tour: no CNI plugins were found: run make setup")
    home = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{home}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "PLUGINS": " ".join(str(path.resolve()) for path in plugins),
        "CNI_PATH": ":".join(["/opt/cni/bin", *(str(Path(folder).resolve()) for folder in folders)]),
        "CALL": call(),
    }
    copied = [folder for folder in folders if folder.startswith("/") and os.path.isdir(folder)]
    try:
        with PrivateNode(copied=copied, confined=False) as node:  # dry runs make private nodes inside
            inside = [
                *node.entering("/proc/1/ns/net"),
                "sh",
                "-c",
                f'cd {shlex.quote(os.getcwd())}; exec "$@"',
                "sh",
            ]
            print("making a private node (a few seconds)", file=sys.stderr)
            set_up = subprocess.run(
                [*inside, "sh", "-c", SETUP + pods()],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if set_up.returncode:
                sys.exit(f"tour: the private node could not be set up\n{set_up.stderr}")
            print(WELCOME, flush=True)
            shell = ["bash", "--norc", "--noprofile", *(["-i"] if sys.stdin.isatty() else [])]
            subprocess.run([*inside, *shell], env=environment | {"PS1": "tour:\\w# "}, check=False)
    except GenieError as error:
        sys.exit(f"tour: {error}")
    print(f"\n{GOODBYE}", end="")
    return 0


def call() -> str:
    """What the runtime gives to the plugin on stdin."""
    annotations = {"io.kubernetes.cri.pod-annotations": {"cni": "bridge"}}
    plugin = {"type": "genie", "default_plugin": "bridge", "runtimeConfig": annotations}
    return json.dumps({"cniVersion": "1.0.0", "name": "genie", **plugin})


def pods() -> str:
    """The pods are attached; then one loses its bridge, and one its namespace."""
    attached = "\n".join(f"attach {pod} {container}" for pod, container in PODS.items())
    return f"""{attached}
# else the interface that is off the bridge answers for the gateway, and the pod believes it for half a minute
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
for link in $(ip -o link show master cni0 | grep -o 'veth[0-9a-f]*' | head -n 1); do ip link set $link nomaster; done
ip netns delete old-0; touch -d '1 hour ago' /var/lib/cni/genie/containers/dead02*
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
