// Package oci is the native runtime: each node is an OCI container made by the
// runc binary, with real systemd as PID 1 in a user namespace of its own.
//
// In: a [node.Spec] and a state directory that belongs to one lab. Out: a
// [Node]. For every node the package writes a bundle, maps the image's
// read-only layers to the node's ids (mount_setattr(2), MOUNT_ATTR_IDMAP),
// stacks them under the node's own directory with overlayfs, lets runc create
// the namespaces, verifies the id map, hands the systemd cgroup to the node and
// waits for PID 1 as its child subreaper.
//
// Every object is announced in a synced record before it is made, so that
// [Sweep] can remove what a killed controller left, and nothing else.
//
// Terminals outlive the controller: a separate process opens them with
// [Attach], which needs the state directory only.
//
// Audit ids: PID 1 and what it starts have no login uid (4294967295), so what
// pam_loginuid(8) gives to an ssh session is a session number of the kernel's
// own counter. A terminal or command started with Options.LoginUID gets its
// number before its first instruction; root in the node cannot change it and
// cannot choose one (audit_set_loginuid, kernel/auditsc.c), so a sentinel on
// PID 1 would add nothing and would cost the numbers of the ssh sessions.
//
// What must never happen: host root mapped in a node; a path of the host shown
// in a node; a file opened through a link of the node; a child of os/exec
// reaped by us; a mount, cgroup or process of somebody else touched.
package oci
