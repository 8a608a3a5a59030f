// Package leak looks for what betrays an injected fault: a file that is too
// new, a line of a journal, a process that started late. It takes a picture of
// every node as its own root would see it and compares a faulty lab with healthy
// twins of the same seed. What twins do not have, and the fault's declared signs
// do not explain, is a leak.
//
// An item of a picture is one line:
//
//	file NODE PATH TYPE MODE OWNER mtime=CLASS ctime=CLASS
//	text NODE PATH DIGEST              (files below /etc)
//	process ROLE start=CLASS COMMAND
//	journal ROLE PROGRAM MESSAGE
//	journal before ROLE                (an earlier boot is on record)
//
// Numbers and ids in commands and messages become '#', times become classes:
// "yesterday" and "morning" are the two starts of a session, an older time is its
// age when the session began.
package leak
