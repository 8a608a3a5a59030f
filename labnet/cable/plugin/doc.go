// Package plugin is situlab's CNI plugin: a cable between a segment of a
// switch namespace and a container, layer 2 first.
//
// In: a CNI request (specification 1.1.0, also 1.0.0 and 0.4.0): ADD, DEL,
// CHECK, GC, STATUS, VERSION. Out: a result, or a types.Error with one of the
// codes of the specification or of this package. Package cable calls it
// in-process through [Exec]; cmd/situlab-cni is [Main].
//
// The configuration:
//
//	{"cniVersion": "1.1.0", "name": "lab", "plugins": [{
//	  "type": "situlab-cni",
//	  "switch": "/run/situlab/labs/x/netns",  // pin of the switch namespace
//	  "segment": "lan",                       // default segment
//	  "mtu": 1500,
//	  "capabilities": {"mac": true, "ips": true, "port": true}}]}
//
// Capability "port" ({"segment", "down", "raise", "via"}) is situlab's own: it
// lets one network of a lab hold all its segments. Capability "ips" gives the
// container addresses, for other runtimes; situlab itself never uses it. The
// segment's bridge must exist: the plugin makes cables, not switches.
//
// What must never happen: an interface seen, even shortly, in the host's
// namespace; a DEL that fails because everything is already gone; a port
// deleted that the network of the request does not own.
package plugin
