// Command vulcain is the business software of the reference company: a small
// stand-in for a vendor's ERP, with a web page of work orders, a health page
// and a log of its own.
//
// In: a configuration file of "key = value" lines and a PostgreSQL database.
// Out: pages over HTTP. It runs inside a node of the lab, so it must never know
// that it is in a lab, nor hold anything of a scenario.
package main
