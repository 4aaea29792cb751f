"""The masquerading rules that the reference plugins bridge and ptp leave behind.

Their DEL reads from the container's interface which addresses to stop masquerading, after IPAM gave those back.
Where the interface is gone already, with its namespace or in a DEL that was cut off, the chain and the rule that
leads to it stay on the host for good (plugins v1.1.1, plugins/main/bridge/bridge.go and ptp/ptp.go, cmdDel).
Cold: a DEL that finds the interface does not come here.
"""

from genie_core.errors import DelegateFailed

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_SECONDS = 30.0


def chain_name(network: str, container_id: str) -> str:
    """The chain of a container's masquerading (plugins, pkg/utils/utils.go, FormatChainName)."""
    from hashlib import sha512

    text = f"{network}{container_id}".encode("utf-8", "surrogateescape")
    return f"CNI-{sha512(text).hexdigest()[:24]}"


def stop_masquerading(network: str, container_id: str, path: str = "") -> None:
    """Remove the chain and what leads to it, if they are there; at once. Raises DelegateFailed.

    `path` is PATH, by which the plugin found its iptables.
    """
    chain = chain_name(network, container_id)
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


def _run(program: str, arguments: list[str], stdin: str, path: str) -> str:
    """What it prints; "" without the program: then nobody made rules with it."""
    import subprocess  # 5 ms

    try:
        done = subprocess.run(
            [program, *arguments],
            input=stdin.encode("utf-8", "surrogateescape"),
            env={"PATH": path or _PATH},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return ""
    except subprocess.TimeoutExpired:
        raise DelegateFailed(f"{program} took longer than {_SECONDS:g} seconds") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise DelegateFailed(f"{program} failed, so masquerading rules are left behind: {said}")
    return done.stdout.decode("utf-8", "surrogateescape")
