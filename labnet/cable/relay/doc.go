// Package relay impairs a cable in user space, for kernels without netem:
// delay, jitter, reordering, duplication, loss and rate, each direction by
// itself.
//
// In: a switch port (a veth end that has left its bridge) and a TAP device
// that stands on the bridge in its place. Out: the same frames, later, fewer
// or more of them.
//
//	node eth0 <-> port --AF_PACKET--> [FromNode] --> TAP <-> bridge
//	                   <-AF_PACKET--- [ToNode]  <---
//
// Frames carry a virtio-net header on both sides, so that checksum and
// segmentation offloads pass through untouched: a frame here may be a 64 KiB
// segment, and counts as one for loss, as in netem.
//
// The relay lives in its process: when that ends the TAP vanishes and the
// cable is dead until package cable inserts a new relay or heals the port.
//
// What must never happen: a frame sent back to where it came from, a goroutine
// left after Close, memory without bound.
package relay
