package main

import (
	"context"
	"os"

	"github.com/situlab/situlab/cmd/internal/keeper"
	"github.com/situlab/situlab/cmd/internal/session"
	"github.com/situlab/situlab/labnet/watch/term"
)

// terminalVerb is the hidden first argument that makes situlab the holder of
// one terminal.
const terminalVerb = "__terminal"

// helper runs situlab as one of its own helper processes.
func helper(args []string) bool {
	if len(args) < 2 {
		return false
	}
	switch args[1] {
	case terminalVerb:
		os.Exit(term.Main(args[2:]))
	case session.GuardVerb:
		if len(args) == 3 {
			os.Exit(session.GuardMain(args[2]))
		}
	case keeper.Verb:
		if len(args) == 3 {
			os.Exit(keeper.Main(args[2], func(err error) int { return exitCode(context.Background(), err) }))
		}
	}
	return false
}
