// Package term holds recorded terminals. Each one is a process of its own, the
// holder (the situlab binary re-executed with the hidden command __terminal),
// which outlives the controller: a killed controller costs the candidate
// nothing, not even the screen.
//
// In comes a [Spec]: a program and the node to run it in. Out come three files
// in the terminal's directory on the host, and a socket:
//
//	ID.json   Info: pids, audit session, size; at the end the exit status
//	ID.cast   the recording, asciicast v2: all that was shown, byte for byte
//	ID.events one JSON Event per line: lines given to programs, keys counted,
//	          sizes, an account of the output with its hash, the end
//	ID.sock   (in SocketDir) viewers (Attach), readers of events (Follow), controls
//
// In the recording, "o" events hold text. Output that is not UTF-8 is shown with
// U+FFFD and followed by an event of code "x", unknown to players and skipped by
// them, that holds the exact bytes in base64.
//
//	controller          holder                      node
//	    | Start(spec)     |                          |
//	    |---------------->| runs the program -------->| pty
//	    |<- "ready" ------|                          |
//	viewer                |<------- output ----------|
//	    |                 | write to .cast           |
//	    |<--- 'O' --------| then show                |
//	    |---- 'I' ------->| count keys, then type -->|
//
// What must never happen: a byte shown that is not in the recording; a key's
// value stored anywhere (keys are counted; what programs echo is output); a byte
// typed that no viewer sent, so that answers to terminal queries come from the
// viewer's own terminal or not at all; output dropped to keep up: the program
// waits instead.
package term
