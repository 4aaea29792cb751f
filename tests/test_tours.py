"""The console examples of docs/ are run, page by page, each on a node made for it, as the README's tour is."""

import os
import re
import subprocess

import pytest

from tests import warm
from tests.test_readme import NODE, ROOT, normal

PAGES = (
    "coming-from-cni-genie",
    "coming-from-multus",
    "configuration",
    "install-a-node",
    "let-genie-repair",
    "move-a-cluster",
    "policies",
    "understand-a-failed-pod",
    "try-a-pod",
    "tenants",
)
# What is on the node of a page besides.
NETWORKS = """
for type in bridge ptp; do genie generate-config $type --write; done >/dev/null 2>&1
"""
POLICY_EXAMPLE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "policies.md").read_text(), re.DOTALL)[0]
# The page's policy, two pods, and where they are attached.
POLICIES = """
cat >cluster.yaml <<END
{kind: NetworkAttachmentDefinition, metadata: {namespace: shop, name: storage}}
---
{kind: Pod, metadata: {namespace: shop, name: web-0, labels: {app: web}}}
---
{kind: Pod, metadata: {namespace: shop, name: db-0, labels: {app: db}}}
---
kind: AttachmentList
node: node-1
items:
  - {namespace: shop, name: web-0, network: shop/storage, interface: net1, config: {type: bridge, bridge: br1},
     result: {interfaces: [{name: br1}, {name: v1}, {name: net1, sandbox: /run/netns/a}], ips: [{address: 10.5.0.2/24}]}
    }
  - {namespace: shop, name: db-0, network: shop/storage, interface: net1, config: {type: bridge, bridge: br1},
     result: {interfaces: [{name: br1}, {name: v2}, {name: net1, sandbox: /run/netns/b}], ips: [{address: 10.5.0.3/24}]}
    }
---
"""
POLICIES += f"""{POLICY_EXAMPLE}
END
"""
THERE = {
    "policies": NETWORKS + POLICIES,
    "coming-from-cni-genie": NETWORKS
    + """
cat >/etc/cni/net.d/00-genie.conf <<END
{"name": "k8s-pod-network", "type": "genie", "cniVersion": "0.2.0", "log_level": "info", "default_plugin": "bridge",
 "policy": {"type": "k8s", "k8s_auth_token": "eyJhbGciOi"},
 "kubernetes": {"k8s_api_root": "https://127.0.0.1:1", "kubeconfig": "/etc/cni/net.d/genie-kubeconfig"}}
END
echo '{apiVersion: v1, kind: Config}' >/etc/cni/net.d/genie-kubeconfig
cp /bin/true /usr/lib/cni/genie
""",
    "coming-from-multus": NETWORKS
    + """
rm /etc/cni/net.d/90-ptp.conflist
cat >/etc/cni/net.d/00-multus.conf <<END
{"cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus",
 "clusterNetwork": "/etc/cni/net.d/90-bridge.conflist", "namespaceIsolation": true}
END
cp /bin/true /usr/lib/cni/multus
""",
}


def steps(page):
    """(command, the lines shown below it), in order; and the files that the page has, by name."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    files = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, flags=re.DOTALL))
    return found, files


@pytest.mark.root
@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_what_comes_out(page, tmp_path):
    found, files = steps(page)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    script = (
        NODE
        + THERE.get(page, "")
        + "".join(
            f"echo '=== {number}'; {command.partition(' # ')[0]} 2>&1\n"
            for number, (command, _) in enumerate(found)
        )
    )
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", script],
        env={**os.environ, "PATH": warm.on_path(tmp_path / "bin"), "COLUMNS": "80"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    outputs = re.split(r"^=== \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(found) >= 2, done.stdout + done.stderr
    for (command, shown), output in zip(found, outputs, strict=True):
        lines = iter([normal(line) for line in output.splitlines()])
        for line in shown:
            if line != "...":
                assert normal(line) in lines, (
                    f"$ {command}: {line!r} is not in\n{output}"
                )  # and in this order
