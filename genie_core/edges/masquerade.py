"""The masquerading rules that the reference plugins bridge and ptp leave behind.

Their DEL reads from the container's interface which addresses to stop masquerading, after IPAM gave those back.
Where the interface is gone already, with its namespace or in a DEL that was cut off, the rules stay on the host for
good (plugins v1.1.1 to v1.9.0, plugins/main/bridge/bridge.go and ptp/ptp.go, cmdDel): with iptables a chain of the
container's own and the rules that lead to it, with nftables (`ipMasqBackend`, from v1.6) rules in a chain of all
containers, with the container in their comments (pkg/ip/ipmasq_nftables_linux.go). Cold: only a DEL that does not find
the interface comes here.
"""

from genie_core.errors import DelegateFailed
from genie_core.settings import PROGRAM_PATH

_NFT_CHAIN = ("inet", "cni_plugins_masquerade", "masq_checks")
_SECONDS = 30.0


def chain_name(network: str, container_id: str) -> str:
    """The chain of a container's masquerading (plugins, pkg/utils/utils.go, FormatChainName)."""
    return f"CNI-{_digest(f'{network}{container_id}')[:24]}"


def nftables_mark(network: str, container_id: str, ifname: str) -> str:
    """The beginning of the comment of an attachment's nftables rules (pkg/ip/ipmasq_nftables_linux.go)."""
    return f"{_digest(network)[:16]}-{_digest(f'{ifname}:{container_id}')[:16]}, "


def _digest(text: str) -> str:
    from hashlib import sha512

    return sha512(text.encode("utf-8", "surrogateescape")).hexdigest()


def stop_masquerading(network: str, container_id: str, ifname: str, path: str = "") -> None:
    """Remove an attachment's rules and what leads to them, if they are there. Raises DelegateFailed.

    `path` is PATH, by which the plugin found its programs.
    """
    _stop_iptables(chain_name(network, container_id), path)
    _stop_nftables(nftables_mark(network, container_id, ifname), path)


def _stop_iptables(chain: str, path: str) -> None:
    for family in ("iptables", "ip6tables"):
        rules = _run(f"{family}-save", ["-t", "nat"], "", path).splitlines()
        changes = [f"-D{rule[2:]}" for rule in rules if rule.startswith("-A ") and _leads_to(rule, chain)]
        if any(line.startswith(f":{chain} ") for line in rules):
            changes += [f"-F {chain}", f"-X {chain}"]
        if changes:
            text = "\n".join(["*nat", *changes, "COMMIT", ""])
            _run(f"{family}-restore", ["--noflush", "--wait", "5"], text, path)


def _leads_to(rule: str, chain: str) -> bool:
    return f" -j {chain}" in rule


def _stop_nftables(mark: str, path: str) -> None:
    """By the rules' handles, which the kernel gives to no other rule of the table.

    A listing that fails means no rules: there is no such table, or a kernel without nftables.
    """
    listed = _run("nft", ["--handle", "list", "chain", *_NFT_CHAIN], "", path, may_fail=True).splitlines()
    handles = [line.rpartition("# handle ")[2] for line in listed if f' comment "{mark}' in line]
    if handles:
        chain = " ".join(_NFT_CHAIN)
        orders = "".join(f"delete rule {chain} handle {int(handle)}\n" for handle in handles)
        _run("nft", ["--file", "-"], orders, path)


def _run(program: str, arguments: list[str], stdin: str, path: str, may_fail: bool = False) -> str:
    """The program's output; "" without the program, which then made no rules."""
    import subprocess  # 5 ms

    try:
        done = subprocess.run(
            [program, *arguments],
            input=stdin.encode("utf-8", "surrogateescape"),
            env={"PATH": path or PROGRAM_PATH},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return ""
    except subprocess.TimeoutExpired:
        raise DelegateFailed(f"{program} took longer than {_SECONDS:g} seconds") from None
    if done.returncode:
        if may_fail:
            return ""
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise DelegateFailed(f"{program} failed, so masquerading rules are left behind: {said}")
    return done.stdout.decode("utf-8", "surrogateescape")
