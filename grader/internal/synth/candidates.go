package synth

import "github.com/situlab/situlab/grader/evidence"

// Candidates are the scripted candidates, by name. Each plays a whole session,
// examinations included.
var Candidates = map[string]func(factor float64) *Session{
	"reference":          Reference,
	"reference-vtysh":    ReferenceVtysh,
	"alternative":        Alternative,
	"do-nothing":         DoNothing,
	"restart-all":        RestartEverything,
	"reboot-all":         RebootEverything,
	"runtime-only":       RuntimeOnly,
	"disk-only":          DiskOnly,
	"repair-healthy":     RepairTheHealthy,
	"twin-reference":     TwinReference,
	"twin-do-nothing":    TwinDoNothing,
	"twin-repairs":       TwinRepairs,
	"twin-names-a-fault": TwinNamesAFault,
}

func (s *Session) look() {
	s.Wait(60)
	s.Say(&evidence.DocShown{Doc: "plan-reseau"})
	s.Exec("adm1", "situ", "ticket", "list")
	s.Wait(30)
	s.Exec("adm1", "ping", "-c", "3", "dns2")
	s.Wait(30)
	s.Exec("adm1", "situ", "console", "rt-til1", "--", "vtysh", "-c", "show ip ospf neighbor")
	s.Exec("rt-til1", "vtysh", "-c", "show ip ospf neighbor")
	s.Wait(20)
	s.Exec("rt-til1", "vtysh", "-c", "show running-config")
	s.Wait(20)
}

func (s *Session) tell() {
	s.Say(&evidence.Notice{Groups: []string{"tilly-bureaux", "tilly-atelier"}, Services: []string{"erp", "files"},
		Text: "Tilly est coupé de Bréval ; rétablissement en cours."})
}

func (s *Session) tellEnd() {
	s.Say(&evidence.Notice{Groups: []string{"tilly-bureaux", "tilly-atelier"}, Text: "Le service est rétabli à Tilly."})
}

func (s *Session) diagnose(element, cause string) {
	n := s.Say(&evidence.DiagnosisText{Text: "L’interface WAN est passive dans OSPF."})
	s.Say(&evidence.Diagnosis{Element: element, Cause: cause, TextSeq: n})
}

func (s *Session) write() {
	s.Say(&evidence.LogEntry{ID: 1, NodeRef: "rt-til1", Text: "rt-til1 : interface wan0 passive, corrigée et enregistrée."})
	s.Say(&evidence.Document{Kind: "report", Name: "rapport.md", SHA256: "00",
		Text: "Détection : ticket T1. Début 06:12, fin 07:40. Impact : Tilly. Cause : OSPF. Actions : voir cahier. Données : aucune perte. Prévention : relecture."})
}

func (s *Session) wrapUp() {
	s.Wait(60)
	s.Exec("adm1", "ping", "-c", "3", "dns2")
	s.Say(&evidence.Restored{Definitive: true})
	s.tellEnd()
	s.Say(&evidence.TicketReply{Ticket: "T1", Text: "C’est rétabli."})
	s.write()
	s.Wait(60)
	s.Finish()
}

// Reference finds, tells, repairs and saves.
func Reference(factor float64) *Session {
	s := New(Facts(false), factor)
	s.look()
	s.tell()
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	s.Exec("rt-til1", "vtysh", "-c", "configure terminal", "-c", "router ospf", "-c", "no passive-interface wan0")
	s.RepairRunning()
	s.Wait(5)
	s.Exec("rt-til1", "vtysh", "-c", "write memory")
	s.RepairSaved()
	s.wrapUp()
	return s
}

// ReferenceVtysh does the same inside an interactive vtysh.
func ReferenceVtysh(factor float64) *Session {
	s := New(Facts(false), factor)
	s.Wait(60)
	s.Exec("rt-til1", "vtysh")
	s.Type("rt-til1", "vtysh", "show ip ospf neighbor")
	s.Wait(30)
	s.tell()
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	for _, l := range []string{"conf t", "router ospf", "no passive-interface wan0", "end", "wr mem"} {
		s.Type("rt-til1", "vtysh", l)
	}
	s.RepairRunning()
	s.RepairSaved()
	s.wrapUp()
	return s
}

// Alternative edits the file and reloads the daemon.
func Alternative(factor float64) *Session {
	s := New(Facts(false), factor)
	s.look()
	s.tell()
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	s.Exec("rt-til1", "cp", "/etc/frr/frr.conf", "/etc/frr/frr.conf.bak")
	s.Exec("rt-til1", "sed", "-i", "/passive-interface wan0/d", "/etc/frr/frr.conf")
	s.Add("watch.file", "rt-til1", "candidate", &evidence.FileChange{Path: "/etc/frr/frr.conf", Op: evidence.FileModified, Origin: evidence.OriginCandidate})
	s.RepairSaved()
	s.Wait(5)
	s.Exec("rt-til1", "systemctl", "restart", "frr")
	s.RepairRunning()
	s.wrapUp()
	return s
}

// DoNothing waits and finishes.
func DoNothing(factor float64) *Session {
	s := New(Facts(false), factor)
	s.Wait(300)
	s.Finish()
	return s
}

// RestartEverything restarts services without a look.
func RestartEverything(factor float64) *Session {
	s := New(Facts(false), factor)
	s.Wait(30)
	for _, n := range []string{"rt-til1", "rt-brv1", "dns2", "erp1", "fw-brv1"} {
		s.Exec("adm1", "ssh", n, "sudo systemctl restart frr")
		s.Exec(n, "systemctl", "restart", "frr")
		s.Wait(10)
	}
	s.Finish()
	return s
}

// RebootEverything reboots the machines; one service stays down meanwhile.
func RebootEverything(factor float64) *Session {
	s := New(Facts(false), factor)
	s.Wait(30)
	for _, n := range []string{"rt-til1", "rt-brv1", "dns2", "erp1", "adm1"} {
		s.Exec(n, "reboot")
		s.Add("lab", n, "candidate", &evidence.LabNode{Event: evidence.NodeRebooted, Origin: "candidate"})
		s.Green["erp@bur"] = false
		s.Wait(30)
		s.Green["erp@bur"] = true
	}
	s.Wait(30)
	s.Finish()
	return s
}

// RuntimeOnly repairs the running state and does not save it.
func RuntimeOnly(factor float64) *Session {
	s := New(Facts(false), factor)
	s.look()
	s.tell()
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	s.Exec("rt-til1", "vtysh", "-c", "configure terminal", "-c", "router ospf", "-c", "no passive-interface wan0")
	s.RepairRunning()
	s.wrapUp()
	return s
}

// DiskOnly corrects the file and never applies it.
func DiskOnly(factor float64) *Session {
	s := New(Facts(false), factor)
	s.look()
	s.tell()
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	s.Exec("rt-til1", "sed", "-i", "/passive-interface wan0/d", "/etc/frr/frr.conf")
	s.RepairSaved()
	s.wrapUp()
	return s
}

// RepairTheHealthy works on sound machines.
func RepairTheHealthy(factor float64) *Session {
	s := New(Facts(false), factor)
	s.Wait(30)
	s.Exec("erp1", "systemctl", "status", "vulcain")
	s.tell()
	s.diagnose("erp1", "unit_stopped")
	s.Exec("erp1", "systemctl", "restart", "vulcain")
	s.Wait(30)
	s.Exec("dns2", "nft", "flush", "ruleset")
	s.Wait(30)
	s.Finish()
	return s
}

func twinTests(s *Session) {
	s.Wait(60)
	s.Exec("adm1", "ping", "-c", "3", "dns2")
	s.Exec("rt-til1", "vtysh", "-c", "show ip ospf neighbor")
	s.Exec("pc-tib-01", "curl", "-sS", "http://erp1.aveline.internal/")
	s.Exec("adm1", "dig", "@dns2", "erp1.aveline.internal")
	s.Wait(60)
}

// TwinReference proves that nothing is broken and answers the author.
func TwinReference(factor float64) *Session {
	s := New(Facts(true), factor)
	twinTests(s)
	n := s.Say(&evidence.DiagnosisText{Text: "Tout répond."})
	s.Say(&evidence.Diagnosis{NoFault: true, TextSeq: n})
	s.Say(&evidence.TicketReply{Ticket: "T1", Text: "Le site répond ; la coupure de 6 h 12 est terminée."})
	s.write()
	s.Wait(30)
	s.Finish()
	return s
}

// TwinDoNothing says nothing.
func TwinDoNothing(factor float64) *Session {
	s := New(Facts(true), factor)
	s.Wait(120)
	s.Finish()
	return s
}

// TwinRepairs finds nothing and repairs anyway.
func TwinRepairs(factor float64) *Session {
	s := New(Facts(true), factor)
	twinTests(s)
	s.Exec("rt-til1", "systemctl", "restart", "frr")
	s.Say(&evidence.Diagnosis{NoFault: true})
	s.Finish()
	return s
}

// TwinNamesAFault accuses a sound element.
func TwinNamesAFault(factor float64) *Session {
	s := New(Facts(true), factor)
	twinTests(s)
	s.diagnose("rt-til1/ospf", "ospf_passive_interface")
	s.Finish()
	return s
}
