// Package node says what a machine of a lab is, whatever runs it.
//
// In: a [Spec], written by package labnet from a site. Out: a [Node] with a
// life: created (its namespaces exist, nothing runs), cabled by labnet/cable,
// started (systemd is PID 1), ready (systemd said so), exited (with the
// reason), removed.
//
// A runtime (node/oci, later node/docker) implements [Runtime]; node/nodetest
// is the suite that every runtime passes.
//
// What must never happen: host root mapped in a node, a file of a node opened
// through a path that the node can redirect, a reboot that keeps addresses,
// routes, rules, mounts or processes.
package node
