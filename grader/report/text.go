package report

import (
	"strings"

	"github.com/situlab/situlab/grader/check"
	"github.com/situlab/situlab/grader/evidence"
)

func tx(fr, en string) evidence.Text { return evidence.Text{FR: fr, EN: en} }

// texts are the words of the page itself.
var texts = map[string]evidence.Text{
	"title":           tx("Dossier d’évaluation", "Assessment file"),
	"candidate":       tx("Candidat", "Candidate"),
	"session":         tx("Épreuve", "Session"),
	"date":            tx("Date", "Date"),
	"duration":        tx("Durée", "Duration"),
	"duration_note":   tx("pauses non comptées", "pauses not counted"),
	"mode":            tx("Cadre", "Setting"),
	"draw":            tx("Tirage", "Draw"),
	"tool":            tx("Outil", "Tool"),
	"seal":            tx("Empreinte du journal", "Journal hash"),
	"ended":           tx("Fin", "End"),
	"environment":     tx("Environnement", "Environment"),
	"env_valid":       tx("valide", "valid"),
	"env_invalid":     tx("invalide : cette épreuve ne compte pas", "invalid: this session does not count"),
	"proposal":        tx("Ce document propose et justifie ; il ne décide pas.", "This document proposes and gives reasons; it does not decide."),
	"results":         tx("Propositions par critère", "Proposals by criterion"),
	"capacity":        tx("Capacité", "Capability"),
	"criterion":       tx("Critère", "Criterion"),
	"question":        tx("Question au candidat ou au jury", "Question for the candidate or the jury"),
	"proofs":          tx("Preuves", "Evidence"),
	"measured":        tx("Mesures", "Measurements"),
	"decision":        tx("Décision de l’évaluateur", "Assessor’s decision"),
	"decide_yes":      tx("acquis", "achieved"),
	"decide_no":       tx("non acquis", "not achieved"),
	"motive":          tx("Motif", "Reason"),
	"decisions":       tx("Décisions des évaluateurs", "Assessors’ decisions"),
	"assessor":        tx("Évaluateur", "Assessor"),
	"on":              tx("Sur", "On"),
	"proposed_then":   tx("Proposition", "Proposal"),
	"decided":         tx("Décision", "Decision"),
	"decided_at":      tx("Date", "Date"),
	"replaced":        tx("remplacée", "replaced"),
	"bases":           tx("Fondée sur", "Based on"),
	"none_proposed":   tx("aucune", "none"),
	"opinion_for":     tx("Avis favorable de l’entreprise", "Favourable opinion of the company"),
	"opinion_against": tx("Avis défavorable de l’entreprise", "Unfavourable opinion of the company"),
	"interview":       tx("Entretien avec le candidat", "Interview with the candidate"),
	"not_called":      tx("Points que la situation ne met pas en jeu", "Points that the situation does not call for"),
	"flags":           tx("Faits à porter à l’attention du jury", "Facts to bring to the jury’s attention"),
	"flag_blocking":   tx("à trancher", "for the jury to decide"),
	"timeline":        tx("Déroulement", "Timeline"),
	"timeline_note": tx("Disponibilité des services vue des postes des utilisateurs, réseau par réseau, et actions du candidat. Le temps est compté depuis la prise en charge.",
		"Availability of services seen from the users’ workstations, network by network, and the candidate’s actions. Time is counted from the start."),
	"tests":            tx("Tests", "Tests"),
	"changes":          tx("Modifications", "Changes"),
	"messages":         tx("Messages", "Messages"),
	"all_up":           tx("tous les services disponibles", "all services available"),
	"some_down":        tx("au moins un service en échec", "at least one service failing"),
	"not_seen":         tx("non mesuré", "not measured"),
	"paused":           tx("horloge arrêtée", "clock stopped"),
	"finish":           tx("fin", "end"),
	"watching":         tx("observation", "observation"),
	"cold":             tx("après redémarrage complet", "after complete restart"),
	"legend":           tx("Légende", "Legend"),
	"outages":          tx("Interruptions, en clair", "Interruptions, in words"),
	"outage_from":      tx("de", "from"),
	"outage_to":        tx("à", "to"),
	"no_outage":        tx("Aucune interruption relevée.", "No interruption recorded."),
	"map":              tx("Réseau", "Network"),
	"map_note":         tx("Le plan est tracé d’après le laboratoire lui-même.", "The plan is drawn from the lab itself."),
	"faulty":           tx("élément défectueux", "faulty component"),
	"hit":              tx("réseau touché", "network affected"),
	"touched":          tx("modifié par le candidat", "changed by the candidate"),
	"beyond":           tx("hors périmètre", "out of scope"),
	"posts":            tx("postes", "workstations"),
	"work":             tx("Travail du candidat", "The candidate’s work"),
	"work_note":        tx("Chaque ligne est une commande exécutée ou saisie, relevée depuis l’extérieur des machines. Avec JavaScript, un clic place l’enregistrement du terminal à ce moment.", "Each line is a command run or typed, recorded from outside the machines. With JavaScript, a click moves the terminal recording to that moment."),
	"time":             tx("Temps", "Time"),
	"node":             tx("Machine", "Machine"),
	"command":          tx("Commande", "Command"),
	"kind":             tx("Nature", "Kind"),
	"is_test":          tx("test", "test"),
	"is_disc":          tx("test qui départage", "discriminating test"),
	"is_change":        tx("modification", "change"),
	"typed_in":         tx("saisi dans", "typed in"),
	"detached":         tx("détaché du terminal", "detached from the terminal"),
	"failed":           tx("code", "code"),
	"all_commands":     tx("Afficher aussi les commandes qui ne sont ni un test ni une modification", "Also show commands that are neither a test nor a change"),
	"no_commands":      tx("Aucune commande relevée.", "No command recorded."),
	"more":             tx("lignes non affichées", "lines not shown"),
	"terminal":         tx("Terminal", "Terminal"),
	"play":             tx("Lecture", "Play"),
	"position":         tx("Position", "Position"),
	"speed":            tx("Vitesse", "Speed"),
	"transcript":       tx("Texte du terminal, sans mise en forme", "Plain text of the terminal"),
	"show":             tx("afficher", "show"),
	"others":           tx("autres", "others"),
	"cut":              tx("[suite non affichée]", "[rest not shown]"),
	"no_recording":     tx("L’enregistrement de ce terminal n’est pas dans le dossier.", "The recording of this terminal is not in the file."),
	"writings":         tx("Écrits et échanges", "Writings and exchanges"),
	"no_writings":      tx("Aucun écrit.", "Nothing written."),
	"records":          tx("Pièces citées", "Records cited"),
	"records_note":     tx("Extrait du journal de preuve ; le journal complet est dans le dossier.", "Extract of the evidence journal; the complete journal is in the bundle."),
	"number":           tx("N°", "No."),
	"no":               tx("n°", "no."),
	"what":             tx("Constat", "Record"),
	"solution":         tx("Solution", "Solution"),
	"sol_cause":        tx("Cause", "Cause"),
	"sol_chain":        tx("Enchaînement des symptômes", "Chain of symptoms"),
	"sol_reference":    tx("Démarche de référence", "Reference steps"),
	"sol_own":          tx("Démarche du candidat", "The candidate’s steps"),
	"skip":             tx("Aller aux résultats", "Skip to results"),
	"mode_exam":        tx("examen", "examination"),
	"mode_training":    tx("entraînement", "training"),
	"w_ticket":         tx("ticket", "ticket"),
	"w_reply":          tx("réponse au ticket", "ticket reply"),
	"w_close":          tx("clôture du ticket", "ticket closed"),
	"w_notice":         tx("avis aux utilisateurs", "notice to users"),
	"w_request":        tx("demande", "request"),
	"w_inbox":          tx("message reçu", "message received"),
	"w_diagtext":       tx("diagnostic, texte libre", "diagnosis, free text"),
	"w_diag":           tx("diagnostic, formulaire", "diagnosis, form"),
	"w_restored":       tx("déclaration de rétablissement", "declaration of restoration"),
	"w_document":       tx("document remis", "document handed in"),
	"w_log":            tx("cahier d’exploitation", "logbook"),
	"w_correction":     tx("cahier d’exploitation, correction", "logbook, correction"),
	"w_doc":            tx("document consulté", "document read"),
	"w_secret":         tx("secret consulté", "secret read"),
	"w_hint":           tx("aide", "hint"),
	"definitive":       tx("définitif", "definitive"),
	"degraded":         tx("dégradé", "degraded"),
	"no_fault":         tx("aucune panne", "no fault"),
	"end_candidate":    tx("par le candidat", "by the candidate"),
	"end_deadline":     tx("temps écoulé", "time is up"),
	"end_script_ended": tx("script terminé", "script ended"),
	"end_interrupted":  tx("interruption", "interruption"),
	"end_environment":  tx("environnement invalide", "invalid environment"),
	"level":            tx("niveau", "level"),
	"corrects":         tx("corrige l’entrée", "corrects entry"),
	"signature":        tx("Fait le …………………… Signature", "Date …………………… Signature"),
}

// ui returns a text of the page; a missing one is a mistake of the template.
func ui(key string) evidence.Text {
	t, ok := texts[key]
	if !ok {
		panic("report: no text " + key)
	}
	return tx(spaced.Replace(t.FR), t.EN)
}

// spaced puts the no-break spaces of French typography.
var spaced = strings.NewReplacer(" :", "\u00a0:", " ;", "\u00a0;", " ?", "\u00a0?", "« ", "«\u00a0", " »", "\u00a0»", "n° ", "n°\u00a0")

// outcomeSign is the sign beside the word, so that colour is never alone.
func outcomeSign(o check.Outcome) string {
	switch o {
	case check.Acquired:
		return "✓"
	case check.NotAcquired:
		return "✕"
	case check.Jury:
		return "?"
	case check.Insufficient:
		return "…"
	}
	return "–"
}
