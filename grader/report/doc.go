// Package report writes the report of a session: one self-contained HTML page
// in French and English, readable on paper and without JavaScript (the
// terminal replay alone needs it).
//
// What comes in: a bundle and its verdict. What goes out: HTML whose bytes
// depend on the input only. What must never happen: text of a candidate, of a
// node or of a terminal that becomes markup or script. All of it passes
// through html/template; terminal bytes travel as JSON data and the player
// puts them on the page as text nodes. A Content-Security-Policy allows the
// one script by its hash and nothing from anywhere else.
//
// Both languages stand in the page; two radio buttons choose by CSS alone.
// No state is shown by colour alone: outcomes have signs and words, failing
// services are hatched.
package report
