"""What `genie explain CODE` prints for the codes of a node's files: what is wrong, how to see it, how to mend it."""

from __future__ import annotations

from genie_core.findings import Explanation

_ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    ("GN1001", "a configuration is not JSON", "a slip of the hand; the first such file can block every network", "genie discover", "correct it at the line and column that are named"),
    ("GN1002", "a file is no network configuration", "it is JSON, but lacks a name, a type, or plugins", "genie discover", "correct it, or move it out of the directory"),
    ("GN1003", "two files have one network name", "they share leases and cached results", "grep '\"name\"' in the directory", "give each network its own name"),
    ("GN1004", "a key is there twice", "Go's decoder takes the last one", "the line in the evidence", "delete one"),
    ("GN1005", "a file that no runtime reads", "its extension, or a suffix that another tool added, hides it", "ls the directory", "rename or delete it"),
    ("GN1006", "the runtime picks another file", "files are tried in the order of their names: the first wins", "ls the directory", "rename one of them, or remove the foreign package's file"),
    ("GN1007", "Genie leads back to itself", "a network that Genie gives out names Genie again", "the file in the evidence", "name another network"),
    ("GN1008", "Genie and Multus side by side", "both want to be the runtime's one choice", "ls the directory", "keep one dispatcher"),
    ("GN1024", "a bridge has another subnet than its network", "the bridge plugin refuses every ADD", "ip addr show BRIDGE", "drain, delete the bridge, restart pods; or correct the subnet"),
    ("GN1035", "two networks hand out the same addresses", "their ranges overlap", "genie discover -o wide", "distinct ranges"),
    ("GN1036", "a network's subnet is the node's own", "routes to the one hide the other", "ip route", "another subnet, unless it is the LAN on purpose"),
    ("GN1037", "two networks with different subnets on one bridge", "the second one's ADDs are refused", "genie discover -o wide", "a bridge per network"),
    ("GN1040", "a cniVersion that a plugin does not speak", "its chain's highest common version is lower", "CNI_COMMAND=VERSION PLUGIN", "write the common version"),
    ("GN1041", "no cniVersion", "tools differ in what that means", "the file", "write one"),
    ("GN1101", "a plugin is missing", "its binary is in none of the directories that are searched", "ls the bin directories", "install it; a package upgrade may have removed it"),
    ("GN1102", "a plugin cannot be executed", "its mode lacks x", "ls -l PLUGIN", "chmod 0755"),
    ("GN1103", "a plugin is for another machine", "its ELF header names another architecture", "file PLUGIN", "install the right one"),
    ("GN1104", "a plugin hangs", "it did not answer VERSION in time", "CNI_COMMAND=VERSION PLUGIN", "look at what it waits for"),
    ("GN1105", "a plugin fails", "it crashed or refused VERSION", "CNI_COMMAND=VERSION PLUGIN", "install it again"),
    ("GN1106", "a plugin answers something else", "VERSION's answer is not the specification's", "CNI_COMMAND=VERSION PLUGIN", "is it a CNI plugin?"),
    ("GN1107", "a plugin is a dangling link", "what it points to is gone", "ls -l PLUGIN", "install it again"),
    ("GN1108", "others may replace a plugin", "it runs as root and is writable by others", "ls -l PLUGIN", "chown root; chmod go-w"),
    ("GN1110", "a plugin says it is not ready", "STATUS returned an error", "CNI_COMMAND=STATUS PLUGIN", "what it says"),
    ("GN1201", "configurations lie where the runtime does not look", "its conf_dir is another directory", "the runtime's configuration", "put them there, or change conf_dir"),
    ("GN1202", "a runtime's configuration cannot be read", "it is no TOML, or may not be read", "the file", "correct it"),
    ("GN1203", "a runtime has no network", "its directory has no valid configuration", "crictl info", "install one"),
    ("GN1204", "two runtimes", "they read one directory, or put pods on different networks", "genie discover", "give each its own"),
    ("GN1205", "containerd attaches several files", "max_conf_num is above 1", "the runtime's configuration", "max_conf_num = 1"),
    ("GN1206", "a runtime's directory is missing", "it was deleted, or never made", "ls", "make it; restart the runtime"),
    ("GN1301", "leaked leases", "addresses are held by containers that are gone", "genie discover --only leases", "genie gc, which looks twice"),
    ("GN1302", "no address is left", "every address of the range is leased", "ls the lease directory | wc -l", "genie gc for what leaked; a larger range"),
    ("GN1303", "few addresses are left", "the range is nearly full", "ls the lease directory | wc -l", "genie gc for what leaked; a larger range"),
    ("GN1304", "leases outside the range", "the subnet was changed while pods ran", "ls the lease directory", "restart those pods"),
    ("GN1305", "leases of an unknown network", "no configuration has it", "ls the lease directory", "remove them when nothing uses the network"),
    ("GN1401", "a stale cached result", "its container is gone, or the file carries another's name", "ls /var/lib/cni/results", "genie gc"),
    ("GN1402", "a stale network namespace", "nothing runs in it, and it keeps veths alive", "ip netns pids NAME", "genie gc; ip netns del NAME"),
    ("GN1403", "a cached result cannot be read", "it is damaged", "the file", "delete it when its container is gone"),
    ("GN1501", "others can read a credential", "its mode is wider than 0600", "ls -l FILE", "chmod 0600, and a new token if others were there"),
    ("GN1502", "a credential inside a configuration", "tokens do not belong there", "the key in the evidence", "use a kubeconfig with tokenFile"),
    ("GN1503", "a credential has expired", "every pod fails with Unauthorized", "genie discover", "renew it; use tokenFile"),
    ("GN1504", "a credential expires soon", "nothing renews it", "genie discover", "renew it; use tokenFile"),
    ("GN1505", "a kubeconfig is missing or unusable", "a configuration names it", "the file", "write it again"),
    ("GN1507", "others can read a credential inside a configuration", "the file's mode is wider than 0600", "ls -l FILE", "take the token out, renew it"),
    ("GN1601", "Genie's binary without its configuration", "the installation is not whole", "genie discover", "genie install"),
    ("GN1603", "deletes that have still to succeed", "a delegate's DEL failed", "genie gc --dry-run", "genie gc"),
    ("GN1604", "damaged state", "a state file cannot be read", "genie discover", "genie gc"),
    ("GN1605", "the API server does not answer", "address, certificate or rights", "kubectl --kubeconfig FILE get --raw /version", "what the message says"),
    ("GN1606", "definitions of networks are missing", "the cluster lacks the custom resources", "kubectl get crd", "apply them"),
    ("GN1607", "the default network is missing", "pods that name none have no network", "genie discover", "set default_plugin to one that is there"),
    ("GN1608", "entries of an earlier boot", "their namespaces are gone", "genie gc --dry-run", "genie gc"),
    ("GN1609", "the default network may change", "it is the first file, whichever that becomes", "genie discover", "pin default_plugin"),
)  # fmt: skip

EXPLANATIONS = {
    code: Explanation(code=code, title=title, cause=cause, confirm=confirm, fix=fix)
    for code, title, cause, confirm, fix in _ROWS
}
