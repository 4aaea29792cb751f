"""DEL of the reference plugins' networks: nothing of a pod is left, whatever is gone before."""

import json

import pytest

from tests.system import audit

pytestmark = [pytest.mark.system]


def test_a61_del_twice_and_del_before_add(node, settled):
    node.delete()
    node.add()
    for _ in range(3):
        node.delete()
    node.delete("never-added")


def test_a62_del_after_the_namespace_is_gone(node, settled):
    """The plugins of v1.1.1 then leave their masquerading behind; no other program would ever remove it."""
    pod = node.add_pod()
    node.add(netns=pod.path)
    pod.remove()
    node.delete(netns=pod.path)
    node.pods.remove(pod)


def test_del_after_the_interfaces_were_deleted(node, settled):
    """Nor do they remove it where there is no interface."""
    pod = node.add_pod()
    node.add(netns=pod.path)
    for name in ("eth0", "net1"):
        pod.run("ip", "link", "delete", name)
    node.delete(netns=pod.path)
    pod.remove()
    node.pods.remove(pod)


def test_a62_del_without_a_namespace(node, settled):
    pod = node.add_pod()
    node.add(netns=pod.path)
    pod.remove()
    node.delete(netns="")
    node.pods.remove(pod)


def test_del_with_a_path_that_is_no_namespace_any_more(node, settled):
    """`ip netns` and runtimes leave an empty file when they are killed between umount and unlink."""
    pod = node.add_pod()
    node.add(netns=pod.path)
    pod.remove()
    file = node.root / "was-a-namespace"
    file.touch()
    node.delete(netns=file)
    file.unlink()
    node.pods.remove(pod)


def test_masquerading_shared_by_two_containers_stays_for_the_other(node, settled):
    """Only the released container's rules go."""
    first, second = node.add_pod(), node.add_pod()
    node.add("blue", "c1", netns=first.path)
    node.add("blue", "c2", netns=second.path)
    with_both = node.host.run("nft", "list", "ruleset").stdout
    first.remove()
    node.delete("c1", netns=first.path)
    rules = node.host.run("nft", "list", "ruleset").stdout
    assert 0 < rules.count("masquerade") < with_both.count("masquerade")
    node.delete("c2", netns=second.path)
    second.remove()
    del node.pods[1:]


def test_masquerading_of_both_families_goes_with_a_network_that_the_pod_has_twice(node):
    """The plugin stops at the first family, whose chain the other interface still needs, and has removed its link."""
    dual = {"type": "bridge", "bridge": "br7", "isDefaultGateway": True, "ipMasq": True}
    ipam = node.ipam("10.77.0.0/24", "fd77::/64")
    node.configure("60-dual.conf", {"cniVersion": "1.0.0", "name": "dual", **dual, "ipam": ipam})
    node.add("dual")
    node.delete()
    before = node.trace()
    node.add("dual,dual")
    node.delete()
    assert audit.left(node, before) == ""


def test_masquerading_goes_when_an_earlier_del_came_as_far_as_the_interface(node, settled):
    """The plugin's DEL failed, or was killed, after it had removed the link it reads the addresses from."""
    for plugin in ("bridge", "ptp"):
        node.wrap(plugin, f'[ "$CNI_COMMAND" != DEL ] || [ ! -e {node.root}/fail ] || exit 1\nexec "$REAL"')
    node.add()
    for name in ("eth0", "net1"):
        node.pod.run("ip", "link", "delete", name)
    (node.root / "fail").touch()
    assert node.call("DEL").status == 1
    (node.root / "fail").unlink()
    node.delete()


@pytest.mark.parametrize("gone", ["one file", "all files", "directory"])
def test_a64_del_without_the_configuration(node, settled, gone):
    node.add()
    kept = {path: path.read_text() for path in sorted(node.conf.iterdir())}
    for path in list(kept)[: 1 if gone == "one file" else None]:
        path.unlink()
    if gone == "directory":
        node.conf.rmdir()
    node.delete()
    assert (node.held(), node.state_files()) == ([], [])
    node.conf.mkdir(exist_ok=True)
    for path, text in kept.items():
        path.write_text(text)


def test_b63_del_uses_the_configuration_of_its_add(node, settled):
    node.add()
    old = (node.conf / "10-blue.conf").read_text()
    node.configure("10-blue.conf", {"cniVersion": "1.0.0", "name": "blue", "type": "ptp", "ipam": {}})
    node.settings["default_plugin"] = "green"
    node.delete()
    assert (node.held(), node.state_files()) == ([], [])
    (node.conf / "10-blue.conf").write_text(old)


def test_del_with_the_binary_of_one_plugin_gone(node, settled):
    """The others are released at once; its address is not lost: it is released when the binary is back."""
    node.wrap("ptp", 'exec "$REAL"')
    (node.root / "wrapped" / "ptp").rename(node.root / "wrapped" / "own-ptp")
    configured = json.loads((node.conf / "20-red.conf").read_text())
    node.configure("20-red.conf", {**configured, "type": "own-ptp"})
    node.add()
    binary = node.root / "wrapped" / "own-ptp"
    binary.rename(node.root / "away")
    node.delete()
    assert [address[:5] for address in node.held()] == ["10.2."]
    assert node.state_files() == ["c1@eth0"]
    (node.root / "away").rename(binary)
    node.delete()
    assert (node.held(), node.state_files()) == ([], [])
    node.configure("20-red.conf", configured)


def test_a_container_attached_again_keeps_what_its_last_del_could_not_release(node, settled):
    """Podman starts a container again under the same ID; the address that waits for its binary is not forgotten."""
    node.wrap("ptp", 'exec "$REAL"')
    binary = node.root / "wrapped" / "own-ptp"
    (node.root / "wrapped" / "ptp").rename(binary)
    configured = json.loads((node.conf / "20-red.conf").read_text())
    node.configure("20-red.conf", {**configured, "type": "own-ptp"})
    node.add("blue,red")
    binary.rename(node.root / "away")
    node.delete()
    again = node.call("ADD", annotations={"cni": "blue"})
    assert (again.status, again.reply["code"]) == (1, 11)
    (node.root / "away").rename(binary)
    node.delete()
    assert node.held() == [], again
    node.configure("20-red.conf", configured)


def test_a64_add_and_del_with_annotations_from_the_runtime_ask_no_api_server(node, settled):
    """The server that is configured does not exist: an ADD that has its annotations, and any DEL, do not notice."""
    kubeconfig = node.root / "kubeconfig"
    kubeconfig.write_text(
        json.dumps({"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}]})
    )
    node.settings["kubernetes"] = {"kubeconfig": str(kubeconfig)}
    node.add("blue")
    node.delete()


def test_a67_a_failed_del_is_an_error_and_the_rest_is_tried_again(node, settled):
    reply = json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": "lease not found"})
    fails = f"[ ! -e {node.root}/fail ] || {{ echo '{reply}'; exit 1; }}"
    node.wrap("ptp", f'[ "$CNI_COMMAND" != DEL ] || {fails}\nexec "$REAL"')
    node.add()
    (node.root / "fail").touch()
    outcome = node.call("DEL")
    assert outcome.status == 1
    assert "not found" not in json.dumps(outcome.reply)
    assert [address[:5] for address in node.held()] == ["10.2."]
    (node.root / "fail").unlink()
    node.delete()
