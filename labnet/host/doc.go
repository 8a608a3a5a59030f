// Package host knows the machine that labs run on: what its kernel and tools
// can do, the limits that many systemd nodes need, the fixed-size file system
// that holds a lab's disks, and a snapshot of everything a lab could leave
// behind.
//
// Abilities are found by trying the thing, never by a version number. A limit
// that is raised is written down first and put back when the last lab ends.
//
// What must never happen: a sysctl of the host left changed, an object of
// somebody else touched.
package host
