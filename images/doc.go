// Package images builds, keeps and moves the file systems that nodes boot from.
//
// In comes the embedded recipe (recipe/: one base and one layer per role) and
// the machine's own apt sources; or an archive made elsewhere (our export, a
// root file system in a tar, an OCI archive or layout). Out come directories:
// [Image.Lowers] names, for a role, the read-only directories that a node's
// overlay stands on, top layer first.
//
// The store is content-addressed: a layer's id is the SHA-256 of its files
// (names, types, modes, owners, contents, extended attributes), an image's id
// the SHA-256 of its roles and layer ids. A directory appears under its final
// name by one rename, after its data has reached the disk.
//
// What must never happen: a half-built or half-imported layer that is used; a
// layer that changes after it has got its name (nodes' overlays are tied to
// it); an archive that writes outside of its own directory, makes a device, or
// plants an overlay attribute; a name of the build host (mirror, host name,
// resolver, keys) left in an image; a mount left on the host by a killed build.
package images
