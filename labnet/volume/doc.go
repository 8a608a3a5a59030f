// Package volume makes the data volumes of nodes: ext4 file systems of a fixed
// size, each in an image file of its own on a loop device of its own, so that a
// node's "df", "findmnt" and "stat -f" show what a disk shows, and so that what
// is full is full: blocks, the reserve of root, inodes.
//
// In: what a site says of a node's volumes ([Spec]), the lab's state directory,
// and a directory of the lab's own fixed-size disk. Out: a plain mount of each
// volume on the host ([Dir]). What is written there has the node's own ids (0 is
// the node's root); the runtime shows the node a view of it with the owners
// shifted to the node's range of ids.
//
// The life of a volume: it is written into the state directory, then its image is
// allocated to the last byte, formatted and mounted ([Make]). It stays mounted
// over reboots and cold starts; a reset formats it anew ([Renew]); the end of the
// lab, or gc after a kill, unmounts it ([Sweep]) and the lab's disk takes the
// image along. Nothing is kept in memory: whoever holds the lab's state directory
// can do each of these.
//
// It must never happen that an image has holes (somebody else could take the room,
// and the node would get I/O errors), that two file systems are mounted from one
// image, that a loop device outlives its mount (the kernel detaches it), or that
// anything but what the lab's own record names is unmounted.
//
// A node sees the device as /dev/vdb, /dev/vdc ... in mounts, df and findmnt; there
// is no such file in its /dev, where only what it needs to run is. What remains to
// be seen of the host: the device's number is a loop device's (7:N, in mountinfo
// and stat), and two mount options that no real disk has: idmapped (newer
// kernels), and resuid, which names the node's root by its id on the host. That
// id is in the node's /proc/self/uid_map as well; without a reserve there is no
// such option. A node cannot open the device: what only the disk itself answers
// (tune2fs, fsck) is asked of the service desk. /proc/partitions and /sys/block
// are masked in nodes, so lsblk shows nothing; who takes the masks off in there
// finds the host's block devices, a volume's as "/NAME.img".
package volume
