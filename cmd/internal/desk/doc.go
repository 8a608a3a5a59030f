// Package desk is what the candidate's command situ and the session say to each
// other, over one unix socket that exists on the administration workstation
// only.
//
// The session leads the dialogue; situ only shows, asks and passes bytes on:
//
//	situ                         session
//	  | -- hello{argv, tty, ...} -> |
//	  | <- print{text} ------------ |   any number, in any order
//	  | <- ask{prompt} ------------ |
//	  | -- answer{text} ----------> |
//	  | <- read{path} ------------- |   a file named on the command line
//	  | -- answer{data|error} ----> |
//	  | <- stream{} --------------- |   a console: output, input and sizes follow
//	  | <- output{data} ----------- |
//	  | -- input{data}, size{} ---> |
//	  | <- exit{code} ------------- |
//
// When the session's controller dies, the connection ends without an exit; the
// machines stand still until another one takes over. situ then says the same again
// (hello{again}), unless somebody has answered a question: that must be typed anew.
//
// A message is one line of JSON, at most [MaxMessage] bytes. The session trusts
// nothing that arrives: it is hostile input from a machine on which the
// candidate is root.
package desk
