// Package cable is the network of a lab: segments, attachments, impairments.
// All netlink of situlab lives here.
//
// In: names of nodes and segments, paths of the nodes' network namespaces.
// Out: Ethernet cables with carrier, and what the kernel of a node says about
// its network ([State]).
//
// A lab has one *switch namespace* ([NewSwitch]), pinned under its state
// directory. Segments are bridges in it, a node's cable is a veth pair whose
// one end is a bridge port there and whose other end was created directly in
// the node's namespace. So the host's names, addresses, firewall and
// bridge-netfilter are never touched and two labs with the same plan live side
// by side. Every attachment goes through CNI: libcni calls package plugin
// in-process; cmd/situlab-cni is the same code for any other CNI runtime.
//
// The network is layer 2 only. Addresses, routes, resolvers and leases are the
// business of the node's own configuration, so that a reboot is honest.
//
// Link state, moves between segments and impairments act on the switch side,
// where the candidate can neither see nor touch them. Their desired state lies
// in one small file per port, written before the kernel is changed, so that
// another process can adopt a switch ([OpenSwitch]) or sweep it away ([Sweep]).
//
// What must never happen: an uplink, an address of the host or a route out of
// the switch namespace; an object in the host's namespace; an address set in a
// node; a program of a node being run.
package cable
