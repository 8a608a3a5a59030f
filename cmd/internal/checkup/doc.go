// Package checkup finds out what this host has and lacks for a lab, and what to
// type about it.
//
// In: the host. Out: findings, in the order in which a lab would need the things.
// Each is found by trying the thing itself, as labs use it, and by cleaning up
// after it: a user namespace is made, a loop device mounted, a limit raised and
// put back. Mounts are made in a mount namespace that dies with the try, so that
// even a killed doctor leaves none; directories that it leaves are gc's.
//
// What must never happen: that all is well here and "lab up" ends with code 3.
package checkup
