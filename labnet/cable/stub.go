package cable

import "context"

type relays struct{}

func (*relays) via(key) string { return "" }
func (*relays) stopAll()       {}

func (s *Switch) resume(context.Context) error { return nil }
func (s *Switch) impair(*record) error         { return nil }
func (s *Switch) heal(*record) error           { return nil }
