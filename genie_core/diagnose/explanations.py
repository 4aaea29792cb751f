"""What `genie explain CODE` prints for the codes of a pod's network: the kind of fault, how to see it, how to mend it."""

from __future__ import annotations

from genie_core.findings import Explanation

_ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    # The pod's interfaces
    ("GN0101", "a pod interface is missing", "something deleted or moved an interface after ADD, or its host end was deleted", "ip -n POD link", "recreate the pod"),
    ("GN0102", "a pod interface is down", "an interface without the UP flag has no routes", "ip -n POD link show eth0", "ip link set eth0 up, and its routes again"),
    ("GN0103", "the pod's lo is down", "the loopback plugin did not run: it is missing in the bin directory, or something set lo down", "ip -n POD addr show lo", "ip link set lo up; install the loopback plugin"),
    ("GN0104", "the host end is not on this node", "the veth's other end was moved into another network namespace", "ip -d link show eth0 in the pod; ip -all netns exec ip link", "recreate the pod"),
    ("GN0105", "the pod does not speak ARP", "NOARP or arp_ignore=8 keep it from resolving neighbours, or from being resolved", "ip -n POD link; sysctl net.ipv4.conf.eth0.arp_ignore", "ip link set eth0 arp on"),
    ("GN0106", "duplicate MAC", "two ports of one bridge have one MAC: the bridge sends frames to the one heard last", "bridge fdb show", "give one of them another MAC"),
    ("GN0107", "a static FDB entry diverts the pod's frames", "an FDB entry names another port for the pod's MAC", "bridge fdb show | grep MAC", "bridge fdb del MAC dev PORT master"),
    # Its addresses
    ("GN0201", "the pod has another address than the cluster believes", "something rewrote the address after ADD", "compare ip addr with pod.status and the cached result", "recreate the pod"),
    ("GN0202", "an address is missing", "the address that was promised is not on the interface, or there is none at all", "ip -n POD addr", "recreate the pod; read the IPAM plugin's messages"),
    ("GN0203", "duplicate address", "two namespaces, or a machine outside, hold one address: leases were lost, or ranges overlap", "arping -D -I eth0 ADDRESS; ip -all netns exec ip addr", "delete one pod, reconcile IPAM"),
    ("GN0204", "IPv6 is disabled in the pod", "disable_ipv6=1 on an interface that should have IPv6", "sysctl net.ipv6.conf.eth0.disable_ipv6", "enable it; add the address again or recreate the pod"),
    ("GN0205", "duplicate IPv6 address", "duplicate address detection failed (RFC 4862)", "ip -6 addr | grep dadfailed", "find the other holder"),
    ("GN0206", "wrong prefix length", "pod and bridge disagree on the subnet: some neighbours are taken for remote ones", "ip addr on both ends", "give the pod the bridge's prefix length"),
    ("GN0208", "the address has no lease, or another's", "host-local's file of the address is gone or names another container: it may be given out twice", "cat /var/lib/cni/networks/NETWORK/ADDRESS", "recreate the pod; find what removed the lease"),
    ("GN0209", "the network gives no addresses", "the plugin of the pod's interface has no ipam section, so it made the interface and nothing more", "the file in the evidence", "name an address plugin, recreate the pod"),
    ("GN0210", "an address is leased for nothing", "the pod's container holds a lease of an address that is on none of its interfaces: an ADD was repeated, or a file was copied", "grep -l CONTAINER /var/lib/cni/networks/*/*", "it is freed with the pod; recreate the pod where addresses are few"),
    # Its routes
    ("GN0301", "no default route", "the pod reaches its own subnet only", "ip -n POD route", "ip route add default via GATEWAY; check isDefaultGateway and ipam.routes"),
    ("GN0302", "the default gateway does not exist", "nobody on the link has the gateway's address", "arping -I eth0 GATEWAY", "point the route to the bridge's address; correct ipam.gateway"),
    ("GN0303", "the default route moved to another interface", "with a default route on net1 and no routes for the cluster on eth0, services, nodes and other pods are out of reach", "ip -n POD route", "give eth0 the default route, or add the cluster's prefixes there"),
    ("GN0304", "a route in the pod refuses", "blackhole, unreachable or prohibit for something the pod needs", "ip -n POD route show table all", "delete the route"),
    ("GN0305", "a policy rule in the pod leads astray", "an ip rule of the pod refuses its packets or sends them elsewhere", "ip -n POD rule", "delete or narrow the rule"),
    ("GN0306", "a wrong neighbour entry in the pod", "a pinned entry has another MAC than the address's owner", "ip -n POD neigh", "ip neigh del"),
    ("GN0307", "no source routing", "answers leave by another interface than the request came in by; reverse path filters and firewalls drop them", "ip rule; ip route get FAR from ADDRESS", "the sbr plugin, or a rule and a table per interface"),
    ("GN0309", "a more specific route leads astray", "a route of the pod takes cluster traffic to a secondary interface", "ip -n POD route", "delete or narrow the route"),
    ("GN0310", "a route sends with a foreign source", "the route's src is an address that the cluster does not route to this pod", "ip -n POD route; ip route get TARGET", "ip route replace ... src THE-POD'S-ADDRESS"),
    # The node's side
    ("GN0401", "the host end is down", "the veth's other end is without UP: the pod has no carrier", "ip link show vethX", "ip link set vethX up"),
    ("GN0402", "the host end is in no bridge", "the veth left its bridge: a network service may have released it", "ip -d link show vethX", "ip link set vethX master BRIDGE; make NetworkManager ignore veths"),
    ("GN0403", "the host end is in another bridge", "the veth was moved", "ip -d link show vethX", "ip link set vethX master BRIDGE"),
    ("GN0404", "the bridge is down", "all pods on it are cut off", "ip link show cni0", "ip link set cni0 up"),
    ("GN0405", "the bridge port does not forward", "STP listens and learns first, or the port is disabled or blocked", "bridge link", "stp_state 0 on the bridge; bridge link set dev PORT state 3"),
    ("GN0406", "the bridge has another subnet", "the gateway address is gone: a previous CNI's or pod CIDR's bridge", "ip addr show cni0", "give it the gateway address; or drain, delete the bridge, restart pods"),
    ("GN0407", "hairpin is off", "a pod behind a service cannot reach itself through it", "bridge -d link show dev vethX", "hairpin on; hairpinMode in the configuration"),
    ("GN0408", "nobody answers for the routed pod's gateway", "proxy ARP is off at the host end, and it has no address", "sysctl net.ipv4.conf.caliX.proxy_arp", "sysctl -w ...proxy_arp=1"),
    ("GN0409", "bridge port flags cut the pod off", "isolated, locked, or neither learning nor flooding", "bridge -d link", "bridge link set dev PORT FLAG off"),
    ("GN0410", "MTUs of one link differ", "a veth end drops larger frames silently", "ip link on both ends", "one MTU on both ends"),
    ("GN0411", "a stale neighbour entry on the node", "the entry has the MAC of the address's previous owner", "ip neigh show ADDRESS", "ip neigh del ADDRESS dev BRIDGE"),
    ("GN0412", "bridged replies bypass connection tracking", "bridge-nf-call-iptables is 0, so a service's backend on the same bridge answers under its own address", "sysctl net.bridge.bridge-nf-call-iptables", "set it to 1 (module br_netfilter)"),
    ("GN0413", "the node's route to the pod is wrong", "a stale, refusing or missing route", "ip route get POD-ADDRESS", "delete the stale route, restore the right one"),
    # Forwarding and filtering
    ("GN0501", "forwarding is off", "ip_forward=0: something reset it", "sysctl net.ipv4.ip_forward", "set it to 1, and in sysctl.d"),
    ("GN0502", "forwarding is off on one interface", "the interface's own setting wins", "sysctl net.ipv4.conf.IFACE.forwarding", "set it to 1"),
    ("GN0503", "the reverse path filter drops", "the way back to the sender leads out of another interface", "nstat -az TcpExtIPReversePathFilter; ip route get SENDER", "make routes symmetric, or rp_filter=2"),
    ("GN0504", "a policy rule of the node hijacks the pod", "the table that it selects lacks the cluster's routes", "ip rule; ip route show table N", "delete the rule or fill the table"),
    ("GN0505", "the connection tracking table is full", "new connections are dropped, old ones go on", "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", "raise the limit; find the source"),
    ("GN0506", "a chain's policy drops the pod's packets", "DROP by default and no accept for pods: Docker's, ufw's, or a flushed table", "iptables -S FORWARD", "accept the pods' prefixes"),
    ("GN0507", "a firewall rule drops the pod's packets", "a rule on the packet's way drops or rejects it", "the command in the evidence", "delete it, or accept pods ahead of it"),
    ("GN0508", "a NetworkPolicy drops", "a policy engine's rule refuses the sender", "kubectl describe networkpolicy", "allow the sender in the policy"),
    ("GN0509", "packets are dropped at random", "a statistic or numgen rule: somebody's experiment", "the command in the evidence", "delete the rule"),
    ("GN0510", "a rule inside the pod drops", "a sidecar or init container left it", "nsenter -n ... iptables -S; nft list ruleset", "delete it; correct its author"),
    ("GN0511", "packets leave without masquerading", "the answer cannot find back to a pod's address", "iptables -t nat -S POSTROUTING", "restore the rule (a new ADD does), find who flushed it"),
    ("GN0512", "masquerading is wrong", "traffic gets a foreign address, or is translated inside the cluster", "conntrack -L; iptables -t nat -S", "correct the rule"),
    ("GN0513", "the node does not route what the pod sends", "a refusing route, or none", "ip route get TARGET", "correct the node's routes"),
    ("GN0514", "the neighbour table is full", "gc_thresh3 is reached: new neighbours are not resolved", "ip neigh | wc -l", "raise net.ipv4.neigh.default.gc_thresh1-3"),
    ("GN0515", "a queueing discipline delays or loses packets", "netem, tbf or the like on the path", "tc -s qdisc", "tc qdisc del dev IFACE root"),
    ("GN0516", "two iptables back ends", "rules in legacy and in nft: each tool shows half", "iptables-legacy-save; iptables-nft-save", "move to one"),
    ("GN0517", "a rate limit drops", "hashlimit, limit or a quota", "the command in the evidence", "raise the limit"),
    ("GN0518", "packets skip connection tracking", "a NOTRACK rule: services and masquerading need tracking", "iptables -t raw -S", "delete the rule or except pods"),
    ("GN0519", "a program sees packets first", "XDP, tc and tcx programs run ahead of netfilter and may drop or redirect", "tc filter show dev IFACE ingress; bpftool net", "find its owner; try without it"),
    ("GN0520", "a rule that cannot be evaluated has dropped packets", "its condition (string, bpf, time, recent, ...) is not modelled", "the command in the evidence, before and after a try", "delete the rule if it is not meant"),
    ("GN0521", "the pod's traffic is sent elsewhere", "a DNAT or REDIRECT rule of the node catches what the pod addresses to others", "iptables -t nat -S; conntrack -L -s POD", "delete or narrow the rule"),
    ("GN0522", "the pod's proxy is gone", "a mesh's rules hand connections to a port on which nothing listens", "ss -lnt in the pod; iptables -t nat -S", "start the sidecar again"),
    ("GN0523", "a NetworkPolicy does not allow it", "a policy selects the pod (or its target), and none of those that do allows this conversation", "kubectl describe networkpolicy -n NAMESPACE", "add a rule for it, if it is wanted; policies only ever add up"),
    ("GN0525", "IPsec policies refuse packets", "a policy of the kernel's IPsec (xfrm) blocks, or wants encryption for which there are no keys", "ip xfrm policy; cat /proc/net/xfrm_stat", "ip xfrm policy delete ...; restart or remove the VPN's daemon"),
    # Services
    ("GN0601", "a service is not translated here", "no iptables, nft or IPVS rule: kube-proxy has not synced", "iptables -t nat -S | grep VIP", "look at kube-proxy on this node"),
    ("GN0602", "a service leads to a dead endpoint", "a stale rule names no live endpoint", "compare the rule with the EndpointSlice", "delete the rule; look at kube-proxy"),
    ("GN0603", "a service has no ready endpoint", "no pod that it selects is ready", "kubectl get endpointslices", "look at the pods' readiness"),
    ("GN0604", "resolv.conf cannot work", "it names no server, a loopback where nothing listens, or no DNS service", "cat /etc/resolv.conf in the pod", "kubelet's resolvConf and clusterDNS; dnsPolicy"),
    ("GN0605", "a pod's own service does not masquerade", "its own packet comes back with its own source", "iptables -t nat -S POSTROUTING", "masquerade it"),
    ("GN0606", "nobody listens behind the service", "targetPort names a port on which nothing in the pod listens, or it listens on localhost only", "ss -lntu in the pod", "correct targetPort or the application"),
    ("GN0607", "a hostPort does not lead to the pod", "portmap's rules are gone, or older ones lead elsewhere", "iptables -t nat -S | grep PORT", "attach the pod again, with portmap in the chain"),
    # Other nodes
    ("GN0701", "no route to another node's pods", "the overlay's agent has not added it, or it was deleted", "ip route get REMOTE-POD", "restart the agent; add the route"),
    ("GN0702", "the route to another node's pods bypasses the tunnel", "the network between the nodes does not know pod addresses", "ip route show CIDR", "route into the tunnel"),
    ("GN0703", "the tunnel lacks an FDB entry", "nothing says which node has the tunnel end's MAC", "bridge fdb show dev flannel.1", "bridge fdb append; restart the agent"),
    ("GN0704", "the tunnel's FDB names another node", "a stale entry after a node's address changed", "bridge fdb show dev flannel.1", "replace the entry"),
    ("GN0705", "the tunnel's neighbour entry is missing or wrong", "the next hop's MAC is not the tunnel end's", "ip neigh show dev flannel.1", "ip neigh replace; restart the agent"),
    ("GN0706", "the tunnel is down", "its routes and neighbours went with it", "ip -d link show flannel.1", "set it up, restart the agent"),
    ("GN0707", "the tunnel's outer side is wrong", "its source address is not the node's, or its device is down", "ip -d link show flannel.1", "let the agent rebuild it"),
    ("GN0708", "path MTU black hole", "the pod sends more than the tunnel or the uplink takes, and ICMP fragmentation-needed (IPv6: packet-too-big) is dropped", "ping -M do -s SIZE; tracepath", "lower the pods' MTU; let ICMP pass"),
    ("GN0709", "the tunnel's MTU is too large", "its device leaves less room than the tunnel takes", "ip link", "lower the tunnel's MTU"),
    ("GN0710", "the underlay drops tunnel packets", "encapsulated packets leave, nothing returns, plain packets pass", "tcpdump -ni any udp port 8472 on both nodes", "open the port between the nodes"),
    ("GN0711", "the node's firewall drops tunnel packets", "a rule in INPUT or OUTPUT hits the outer packets", "the command in the evidence", "accept the tunnel's port"),
    # Several interfaces, probes
    ("GN0801", "macvlan and ipvlan do not reach their parent", "by design: the parent's own traffic does not pass the child", "ip -d link show net1", "a macvlan interface for the node on the same parent"),
    ("GN0802", "the parent is down", "macvlan, ipvlan and vlan interfaces have their parent's carrier", "ip link show PARENT", "set it up; look at the cable"),
    ("GN0803", "interfaces overlap", "two interfaces of the pod claim one subnet", "ip -n POD route", "distinct subnets, or policy routing"),
    ("GN0804", "macvlan pods are separated", "private and vepa modes", "ip -d link show net1", '"mode": "bridge"'),
    ("GN0805", "a target does not answer", "nothing on this node explains it", "the probe in the evidence", "look at the target's own node and firewall"),
    ("GN0807", "a next hop answers no ARP", "nobody on the link has the address: a machine is down, moved, or never was there", "arping -I IFACE ADDRESS; ip route", "correct the route, or bring the machine back"),
    ("GN0808", "large packets are lost on the way", "small echoes are answered, those of the size that should fit are not, and nobody says that they are too large", "tracepath TARGET; ping -M do -s SIZE TARGET", "one MTU on the way: lower the pods' and the tunnel's, or raise the network's between the nodes"),
    ("GN0806", "echoes are lost", "some probes came back, some did not", "ping -c 100", "counters of rules, queues and interfaces on the way"),
    # What Kubernetes reports
    ("GN0901", "the pod's sandbox cannot be made", "the runtime, or a plugin that it called, refuses; kubelet repeats its words in an event", "kubectl describe pod POD", "correct what the message names; kubelet tries again by itself"),
    ("GN0902", "a deleted pod's network cannot be released", "a plugin fails DEL, so the runtime keeps the sandbox and its addresses", "kubectl get events --field-selector involvedObject.name=POD", "correct what the message names, or bring the plugin's binary back"),
    ("GN0903", "the node's network is not ready", "the runtime has no valid configuration, or the network's agent has not said that it is up", "kubectl describe node NODE; crictl info", "genie discover says which configuration is wrong"),
    ("GN0904", "a pod is not on the networks that it asked for", "while Genie's configuration was away (a reboot, an upgrade, another agent), the runtime took the next file of its directory", "kubectl get pod POD -o yaml; ls the runtime's directory; genie discover", "see that Genie's configuration is the runtime's choice, then delete the pod: its successor gets its networks"),
)  # fmt: skip

EXPLANATIONS = {
    code: Explanation(code=code, title=title, cause=cause, confirm=confirm, fix=fix)
    for code, title, cause, confirm, fix in _ROWS
}
