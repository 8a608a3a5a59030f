// Package labnet runs a lab: a site's nodes, cabled, on this host.
//
// In: a concrete site (scenarios.Expand), the files of every node, an image.
// Out: a [Lab] whose nodes run systemd, whose segments are bridges of a switch
// namespace of its own, and which can be rebooted node by node, started cold as
// a whole, reset and taken down.
//
// The order is: create all, cable all, start all. The network gives a node
// cables only; addresses, routes, resolvers and leases are the business of the
// node's own configuration, so a reboot gives back what the boot files say and
// nothing else.
//
// What must never happen: something on the host that no intent file names, a
// path of the host seen in a node, two labs that share an id range.
package labnet
