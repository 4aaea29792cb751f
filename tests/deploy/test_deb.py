"""The Debian package: installed by dpkg into a copy of this system, used there, and purged."""

import json
import subprocess
import sys

import pytest

import genie_core
from tests.deploy.conftest import DEPLOY
from tests.test_lint import ROOT

pytestmark = [pytest.mark.root, pytest.mark.system]

# Whatever dpkg writes is in memory, above the system as it is (mount(8), overlay).
COPY = """
set -e
mount -t tmpfs none /mnt
for folder in usr etc var; do
    mkdir /mnt/$folder /mnt/$folder.work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/mnt/$folder,workdir=/mnt/$folder.work /$folder
done
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin HOME=/nonexistent
"""
# What is new above the system: Debian's own records of packages, and caches of other programs, do not count.
NEW = """
find /mnt/usr /mnt/etc /mnt/var -type f | grep -v -e /var/lib/dpkg/ -e /var/cache/ -e /var/log/ | sort
"""


@pytest.fixture(scope="module")
def package(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deb")
    done = subprocess.run(
        [sys.executable, DEPLOY / "build-deb", tree, folder], capture_output=True, text=True, check=True
    )
    (path,) = folder.iterdir()
    assert done.stdout.strip() == str(path)
    assert path.name.startswith(f"cni-genie_{genie_core.__version__}_")
    return path


def in_a_copy(script, *words):
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", COPY + script, "sh", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_installs_works_and_leaves_nothing(package, tmp_path):
    """dpkg refuses it where a package that it depends on is missing: .ci/setup installs these."""
    script = f"""
dpkg --install "$1" >/dev/null
echo === new; {NEW}
echo === version; genie version --output json
echo === kubectl; kubectl genie version --output name
echo === modules; python3 -I -c '
import sys; sys.path.insert(0, "/usr/lib/genie")
from genie_core.survey import user_cluster, user_credentials, user_http, netlink
from kubernetes.config.kube_config import KubeConfigMerger
from kubernetes.client.rest import RESTClientObject
from kubernetes import client, config
import prometheus_client, socks, pyroute2, typer, kubernetes
print(*(module.__file__.rpartition("/")[0] for module in (prometheus_client, pyroute2, typer, kubernetes)))'
echo === man; mandoc -T ascii /usr/share/man/man1/genie-debug-pod.1.gz | head -n 5
echo === complete; bash -c '. /usr/share/bash-completion/completions/genie; complete -p genie'
echo === install; genie install --bin-dir /mnt/bin --conf-dir /mnt/net.d --state-dir /mnt/state --output name
CNI_COMMAND=VERSION /mnt/bin/genie </dev/null
dpkg --purge cni-genie >/dev/null
echo === left; {NEW}
"""
    parts = in_a_copy(script, package).split("=== ")[1:]
    out = {name: rest for name, _, rest in (part.partition("\n") for part in parts)}
    assert "/mnt/usr/bin/genie\n" in out["new"]
    assert json.loads(out["version"])["client"] == genie_core.__version__
    assert out["kubectl"].strip() == genie_core.__version__
    debian, *own = out["modules"].split()
    assert debian == "/usr/lib/python3/dist-packages/prometheus_client"
    assert own == [f"/usr/lib/genie/{name}" for name in ("pyroute2", "typer", "kubernetes")]
    assert "genie-debug-pod" in out["man"].lower()
    assert out["complete"].startswith("complete ")
    assert '"1.1.0"' in out["install"].splitlines()[-1]
    assert out["left"] == ""


def test_the_same_input_gives_the_same_bytes(package, tree, tmp_path):
    again = tmp_path / "again"
    subprocess.run([DEPLOY / "build-deb", tree, again], check=True, capture_output=True, umask=0o077)
    assert (again / package.name).read_bytes() == package.read_bytes()


def test_it_has_all_manual_pages_and_completions(package):
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True)
    files = {line.split()[5] for line in listed.stdout.splitlines()}
    for page in (ROOT / "docs/man").glob("*.1"):
        assert f"./usr/share/man/man1/{page.name}.gz" in files
    assert {line.split()[1] for line in listed.stdout.splitlines()} == {"root/root"}
    assert "./usr/share/zsh/vendor-completions/_genie" in files
