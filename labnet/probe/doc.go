// Package probe checks services the way a user would meet them: from a
// workstation's own place in the network, but made by the host.
//
// In: a [scenarios.Probe] (what to ask), a [Post] (the workstation that asks:
// its network namespace and a safe way to read its files) and the site's
// secrets. Out: a [Result] that says what was measured and, when red, at which
// stage it failed.
//
// No program runs in the node. A socket is opened by a host thread that stands
// in the workstation's network namespace for that one system call, so it has
// the workstation's real address, routes and firewall; names are resolved with
// the workstation's own /etc/hosts and /etc/resolv.conf through the same
// namespace, as resolver(5) of the C library does.
//
// Each kind is one function in one table (kinds.go), with the parameters it
// takes; [Validate] refuses anything else.
//
// What must never happen: a check that changes what it looks at (no lease is
// requested, a file written is removed, nothing is restarted), a name resolved
// by the host's resolver, a server of the lab that makes the host read or
// allocate without bound, a sample of a check that was cut short by us reported
// as a failure of the service.
package probe
