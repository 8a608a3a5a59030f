package check

import "github.com/situlab/situlab/grader/evidence"

// Reason is a stable snake_case code. Each code has one outcome, one sentence
// that a jury can read aloud, and a question when the jury has to decide.
type Reason string

// General reasons.
const (
	NotDeclared        Reason = "not_declared"
	NoFaultHere        Reason = "no_fault_here"
	EnvironmentInvalid Reason = "environment_invalid"
	NotImplemented     Reason = "no_rule"
	NotObserved        Reason = "not_observed"
	ObservedPartly     Reason = "observation_incomplete"
	SessionInterrupted Reason = "session_interrupted"
)

// Reasons of 3.1-i.
const (
	Identified           Reason = "identified"
	ElementOnly          Reason = "element_only"
	ParentElement        Reason = "parent_element"
	WrongElement         Reason = "wrong_element"
	FaultDenied          Reason = "fault_denied"
	NoDiagnosis          Reason = "no_diagnosis"
	TooManyElements      Reason = "too_many_elements"
	ManyRevisions        Reason = "many_revisions"
	AfterReveal          Reason = "after_reveal"
	FalseAlarmConfirmed  Reason = "false_alarm_confirmed"
	FalseAlarmUntested   Reason = "false_alarm_untested"
	FalseAlarmButChanged Reason = "false_alarm_but_changed"
	FalseAlarmMissed     Reason = "false_alarm_missed"
	FalseAlarmRevealed   Reason = "false_alarm_after_reveal"
)

// Reasons of 3.1-ii.
const (
	RestoredPermanent     Reason = "restored_permanent"
	NotRestored           Reason = "not_restored"
	NotApplied            Reason = "not_applied"
	LostAtColdStart       Reason = "lost_at_cold_start"
	RelapseAfterFinish    Reason = "relapse_after_finish"
	CollateralAtColdStart Reason = "collateral_at_cold_start"
	PermanenceNotObserved Reason = "permanence_not_observed"
	ColdStartNotObserved  Reason = "cold_start_not_observed"
)

// Reasons of 3.1-iii and 3.1-iv.
const (
	LogbookFacts  Reason = "logbook_facts"
	LogbookEmpty  Reason = "logbook_empty"
	ReportFacts   Reason = "report_facts"
	ReportMissing Reason = "report_missing"
)

// Reasons of 3.2a.
const (
	DiscriminatingTest   Reason = "discriminating_test"
	BlindChanges         Reason = "blind_changes"
	FewBlindChanges      Reason = "few_blind_changes"
	ChangeBeforeTest     Reason = "change_before_test"
	NoDiscriminatingTest Reason = "no_discriminating_test"
	NoTestNoChange       Reason = "no_test_no_change"
	LinesUncut           Reason = "lines_uncut"
	TestsAfterReveal     Reason = "tests_after_reveal"
	TwinTestedUnchanged  Reason = "tested_without_change"
	TwinChanged          Reason = "changed_without_fault"
)

// Reasons of 3.2b and 3.2d.
const (
	ElementIdentified      Reason = "element_identified"
	ElementParent          Reason = "element_parent"
	ElementMismatch        Reason = "element_mismatch"
	NoElementNamed         Reason = "no_element_named"
	ManyWrongReplacements  Reason = "many_wrong_replacements"
	SomeWrongReplacements  Reason = "some_wrong_replacements"
	OutOfPerimeter         Reason = "out_of_perimeter"
	IsolationFacts         Reason = "isolation_facts"
	NothingIsolated        Reason = "nothing_isolated"
	IsolationElsewhere     Reason = "isolation_elsewhere"
	DataIntact             Reason = "data_intact"
	DataLost               Reason = "data_lost"
	RightsWidened          Reason = "rights_widened"
	CanariesNotRead        Reason = "canaries_not_read"
	CanariesUnread         Reason = "canaries_unread"
	UsersInformed          Reason = "users_informed"
	NoticeLate             Reason = "notice_late"
	EndNotTold             Reason = "end_not_told"
	EndToldNotRestored     Reason = "end_told_not_restored"
	GroupNotTold           Reason = "group_not_told"
	NoticeTooBroad         Reason = "notice_too_broad"
	NoNotice               Reason = "no_notice"
	AuthorAnswered         Reason = "author_answered"
	AuthorNotAnswered      Reason = "author_not_answered"
	QualityFacts           Reason = "quality_facts"
	QualityNoInterruption  Reason = "quality_no_interruption"
	ChangesOutsideElement  Reason = "changes_outside_element"
	ChangesWithoutFault    Reason = "changes_without_fault"
	ChangesOutOfPerimeter  Reason = "changes_out_of_perimeter"
	CanaryDataLost         Reason = "canary_data_lost"
	FlowMatrixWidened      Reason = "flow_matrix_widened"
	HintUsed               Reason = "hint_used"
	HostOutOfBand          Reason = "host_out_of_band"
	ControlRed             Reason = "control_service_red"
	UnexplainedFiles       Reason = "unexplained_file_changes"
	RecorderLossFlag       Reason = "recorder_loss"
	RecorderOffFlag        Reason = "recorder_off"
	UnattributedWork       Reason = "unattributed_work"
	RepairBeforeDiagnosis  Reason = "diagnosis_after_repair"
	NotOpposable           Reason = "not_opposable"
	ScaledTime             Reason = "scaled_time"
	InterruptedSession     Reason = "interrupted_session"
	ResumedSession         Reason = "resumed_session"
	UnsupportedDeclaration Reason = "restored_declared_while_red"
)

type reason struct {
	outcome  Outcome
	sentence evidence.Text
	question evidence.Text
}

type flagReason struct {
	blocking bool
	sentence evidence.Text
	question evidence.Text
}

func tx(fr, en string) evidence.Text { return evidence.Text{FR: fr, EN: en} }

// none is the absence of a question.
var none evidence.Text

// reasons is the closed list. TestEveryReason keeps sentence, question and
// outcome together: a jury outcome always asks something.
var reasons = map[Reason]reason{
	NotDeclared: {NotConcerned, tx(
		"La situation ne met pas ce point en jeu.",
		"The situation does not call for this point."), none},
	NoFaultHere: {NotConcerned, tx(
		"Rien n’était en panne dans le périmètre : il n’y avait rien à rétablir, à isoler ni à remplacer.",
		"Nothing was broken within the scope: there was nothing to restore, isolate or replace."), none},
	EnvironmentInvalid: {Insufficient, tx(
		"L’environnement n’était pas valide ({detail}) : rien ne peut être retenu contre le candidat.",
		"The environment was not valid ({detail}): nothing can be held against the candidate."), none},
	NotImplemented: {Jury, tx(
		"Ce point est mis en jeu par la situation, mais l’outil ne le mesure pas.",
		"The situation calls for this point, but the tool does not measure it."), tx(
		"Au vu du dossier, ce point est-il acquis ?",
		"In view of the file, is this point achieved?")},
	NotObserved: {Insufficient, tx(
		"L’enregistrement nécessaire était arrêté ou incomplet pendant l’épreuve : ce point n’a pas pu être observé.",
		"The recording needed was off or incomplete during the session: this point could not be observed."), none},
	ObservedPartly: {Jury, tx(
		"L’observation est incomplète : des événements ont été perdus, et l’on ne peut pas conclure d’une absence.",
		"The observation is incomplete: events were lost, and nothing can be concluded from an absence."), tx(
		"Comment avez-vous procédé pour localiser le défaut ? Montrez-le dans l’enregistrement.",
		"How did you locate the fault? Please show it in the recording.")},
	SessionInterrupted: {Insufficient, tx(
		"L’épreuve a été interrompue avant sa fin : le candidat n’a pas pu terminer, et ce point ne peut pas être jugé.",
		"The session was interrupted before its end: the candidate could not finish, and this point cannot be judged."), none},

	Identified: {Acquired, tx(
		"Le candidat a désigné l’élément défectueux, {element}, et la cause exacte : « {cause} ».",
		"The candidate named the faulty component, {element}, and the exact cause: “{cause}”."), none},
	ElementOnly: {Jury, tx(
		"Le candidat a désigné le bon élément, {element}, mais une autre cause que la vraie : il a répondu « {given} » ; c’était « {cause} ».",
		"The candidate named the right component, {element}, but not the true cause: the answer was “{given}”; it was “{cause}”."), tx(
		"Qu’avez-vous vu précisément sur cet élément, et comment en êtes-vous arrivé à cette cause ?",
		"What exactly did you see on this component, and what led you to this cause?")},
	ParentElement: {Jury, tx(
		"Le candidat a désigné {given}, qui porte l’élément défectueux, {element}, sans descendre jusqu’à lui.",
		"The candidate named {given}, which carries the faulty component, {element}, without going down to it."), tx(
		"Sur cette machine, quel élément précis était défectueux ?",
		"On this machine, which precise component was faulty?")},
	WrongElement: {NotAcquired, tx(
		"Le candidat a désigné {given} ; l’élément défectueux était {element}.",
		"The candidate named {given}; the faulty component was {element}."), none},
	FaultDenied: {NotAcquired, tx(
		"Le candidat a conclu à l’absence de panne ; or l’élément défectueux était {element}.",
		"The candidate concluded that nothing was broken; yet the faulty component was {element}."), none},
	NoDiagnosis: {NotAcquired, tx(
		"Aucun diagnostic n’a été déposé avant la fin.",
		"No diagnosis was handed in before the end."), none},
	TooManyElements: {NotAcquired, tx(
		"Le candidat a désigné successivement {count} éléments différents.",
		"The candidate named {count} different components one after the other."), none},
	ManyRevisions: {Jury, tx(
		"Le diagnostic final est exact ({element} : « {cause} »), après {revisions} révisions.",
		"The final diagnosis is right ({element}: “{cause}”), after {revisions} revisions."), tx(
		"Qu’est-ce qui vous a fait changer d’avis à chaque fois ?",
		"What made you change your mind each time?")},
	AfterReveal: {Jury, tx(
		"Le diagnostic est exact ({element} : « {cause} »), mais il a été déposé après une aide qui le révélait.",
		"The diagnosis is right ({element}: “{cause}”), but it was handed in after a hint that revealed it."), tx(
		"Qu’aviez-vous établi par vous-même avant l’aide ?",
		"What had you established on your own before the hint?")},
	FalseAlarmConfirmed: {Acquired, tx(
		"Le candidat a conclu à l’absence de panne après {tests} tests pertinents, sans rien modifier : c’était exact.",
		"The candidate concluded that nothing was broken after {tests} relevant tests, without changing anything: that was right."), none},
	FalseAlarmUntested: {Jury, tx(
		"Le candidat a conclu à l’absence de panne, ce qui est exact, mais {tests|sans aucun test pertinent|après un seul test pertinent|après # tests pertinents seulement} ; {need} sont demandés.",
		"The candidate concluded that nothing was broken, which is right, but {tests|without any relevant test|after one relevant test only|after only # relevant tests}; {need} are asked for."), tx(
		"Sur quoi vous êtes-vous fondé pour affirmer que rien n’était en panne ?",
		"What did you base your conclusion on that nothing was broken?")},
	FalseAlarmButChanged: {Jury, tx(
		"Le candidat a conclu à l’absence de panne, ce qui est exact, mais il a effectué {changes} {changes|modification|modifications}.",
		"The candidate concluded that nothing was broken, which is right, but made {changes} {changes|change|changes}."), tx(
		"Pourquoi avoir modifié un système que vous jugiez sain ?",
		"Why did you change a system that you judged sound?")},
	FalseAlarmMissed: {NotAcquired, tx(
		"Rien n’était en panne ; le candidat a désigné {given}.",
		"Nothing was broken; the candidate named {given}."), none},
	FalseAlarmRevealed: {Jury, tx(
		"Le candidat a conclu à l’absence de panne, ce qui est exact, mais après une aide qui donnait la réponse.",
		"The candidate concluded that nothing was broken, which is right, but after a hint that gave the answer."), tx(
		"Qu’aviez-vous établi par vous-même avant l’aide ?",
		"What had you established on your own before the hint?")},

	RestoredPermanent: {Acquired, tx(
		"Tous les services des utilisateurs touchés sont restés disponibles pendant {span}, et l’étaient de nouveau après l’arrêt et le redémarrage complets de l’entreprise.",
		"All services of the users concerned stayed available for {span}, and were available again after a complete shutdown and restart of the company."), none},
	NotRestored: {NotAcquired, tx(
		"À la fin de l’épreuve, le service n’était pas rétabli. En échec : {probes}.",
		"At the end of the session service was not restored. Failing: {probes}."), none},
	NotApplied: {NotAcquired, tx(
		"À la fin de l’épreuve, le service était toujours interrompu ({probes}) ; seul le redémarrage complet l’a rétabli : la correction était enregistrée, mais pas mise en œuvre.",
		"At the end of the session service was still down ({probes}); only the complete restart brought it back: the repair was saved, but not applied."), none},
	LostAtColdStart: {NotAcquired, tx(
		"Le service était rétabli à la fin de l’épreuve, mais la réparation n’a pas survécu à l’arrêt et au redémarrage complets de l’entreprise. En échec : {probes}.",
		"Service was back at the end of the session, but the repair did not survive a complete shutdown and restart of the company. Failing: {probes}."), none},
	RelapseAfterFinish: {NotAcquired, tx(
		"Le service, rétabli à la fin de l’épreuve, est retombé pendant les {span} d’observation : {probes}.",
		"Service was back at the end of the session but failed again during the {span} of observation: {probes}."), none},
	CollateralAtColdStart: {Jury, tx(
		"Le service des utilisateurs touchés est rétabli durablement, mais d’autres services n’ont pas survécu au redémarrage complet : {probes}.",
		"Service is durably restored for the users concerned, but others did not survive the complete restart: {probes}."), tx(
		"Laquelle de vos actions a pu atteindre ces autres services ?",
		"Which of your actions may have affected these other services?")},
	PermanenceNotObserved: {Insufficient, tx(
		"La permanence n’a pas été observée assez longtemps : {span} et {samples} mesures par service, pour {need} d’observation demandées.",
		"Permanence was not observed for long enough: {span} and {samples} measurements per service; {need} of observation are asked for."), none},
	ColdStartNotObserved: {Insufficient, tx(
		"Le redémarrage complet de l’entreprise n’a pas été mené à son terme : la permanence n’a pas pu être vérifiée.",
		"The complete restart of the company was not carried through: permanence could not be checked."), none},

	LogbookFacts: {Jury, tx(
		"Le cahier d’exploitation compte {entries|zéro entrée|une entrée|# entrées} pour {changes|aucune intervention constatée|une intervention constatée|# interventions constatées}{matched}.",
		"The logbook has {entries|no entry|one entry|# entries} for {changes|no observed intervention|one observed intervention|# observed interventions}{matched}."), tx(
		"Les constats et les actions, essais infructueux compris, sont-ils consignés fidèlement ?",
		"Are findings and actions, failed attempts included, faithfully recorded?")},
	LogbookEmpty: {Jury, tx(
		"Le cahier d’exploitation ne contient aucune entrée ; {changes|aucune intervention n’a été constatée|une intervention a été constatée|# interventions ont été constatées}.",
		"The logbook has no entry; {changes|no intervention was observed|one intervention was observed|# interventions were observed}."), tx(
		"Comment un collègue pourrait-il savoir ce que vous avez constaté et fait ?",
		"How could a colleague know what you found and did?")},
	ReportFacts: {Jury, tx(
		"Un rapport d’incident de {words} {words|mot|mots} a été remis ; rubriques reconnues : {found} sur 7 ({names}).",
		"An incident report of {words} {words|word|words} was handed in; headings recognised: {found} of 7 ({names})."), tx(
		"Le rapport est-il exact et clair : détection, début et fin, impact, cause, actions, données, prévention ?",
		"Is the report right and clear: detection, start and end, impact, cause, actions, data, prevention?")},
	ReportMissing: {Jury, tx(
		"Aucun rapport d’incident n’a été remis.",
		"No incident report was handed in."), tx(
		"Que contiendrait votre rapport d’incident ?",
		"What would your incident report say?")},

	DiscriminatingTest: {Acquired, tx(
		"{when} le candidat a effectué {n} {n|test|tests} de nature à départager les causes possibles, le premier sur {target} : « {command} ».",
		"{when} the candidate ran {n} {n|test|tests} able to tell possible causes apart, the first on {target}: “{command}”."), none},
	BlindChanges: {NotAcquired, tx(
		"Le candidat a effectué {changes} modifications sans aucun test.",
		"The candidate made {changes} changes without a single test."), none},
	FewBlindChanges: {Jury, tx(
		"Le candidat a effectué {changes} {changes|modification|modifications} sans aucun test enregistré.",
		"The candidate made {changes} {changes|change|changes} without any recorded test."), tx(
		"Qu’est-ce qui vous a conduit directement à cette modification ?",
		"What led you straight to this change?")},
	ChangeBeforeTest: {Jury, tx(
		"La première modification (« {command} », sur {node}) précède tout test de nature à départager les causes.",
		"The first change (“{command}”, on {node}) came before any test able to tell causes apart."), tx(
		"Pourquoi cette modification avant d’avoir localisé le défaut ?",
		"Why this change before the fault was located?")},
	NoDiscriminatingTest: {Jury, tx(
		"Le candidat a effectué {tests|zéro test|un test|# tests}, mais aucun, sur la chaîne touchée, qui départage les causes possibles.",
		"The candidate ran {tests|no test|one test|# tests}, but none, on the chain affected, that tells possible causes apart."), tx(
		"Que cherchiez-vous à exclure avec ces tests ?",
		"What were you trying to rule out with these tests?")},
	NoTestNoChange: {Jury, tx(
		"Aucun test ni aucune modification n’a été relevé.",
		"No test and no change were recorded."), tx(
		"Par quels tests auriez-vous commencé, et pourquoi ?",
		"Which tests would you have started with, and why?")},
	LinesUncut: {Jury, tx(
		"Une partie du travail a été saisie dans {programs}, dont les lignes n’ont pas pu être relevées.",
		"Part of the work was typed inside {programs}, whose lines could not be recorded."), tx(
		"Qu’avez-vous saisi dans ce programme, et dans quel ordre ? (voir l’enregistrement du terminal)",
		"What did you type in this program, and in what order? (see the terminal recording)")},
	TestsAfterReveal: {Jury, tx(
		"Le premier test de nature à départager les causes vient après une aide qui révélait le défaut.",
		"The first test able to tell causes apart came after a hint that revealed the fault."), tx(
		"Par quel test auriez-vous trouvé sans cette aide ?",
		"Which test would have shown you the fault without this hint?")},
	TwinTestedUnchanged: {Acquired, tx(
		"Le candidat a effectué {n} {n|test|tests} de nature à départager les causes, et n’a rien modifié.",
		"The candidate ran {n} {n|test|tests} able to tell causes apart, and changed nothing."), none},
	TwinChanged: {Jury, tx(
		"Rien n’était en panne, et le candidat a effectué {changes} {changes|modification|modifications} ({nodes}).",
		"Nothing was broken, and the candidate made {changes} {changes|change|changes} ({nodes})."), tx(
		"Quel constat justifiait cette intervention ?",
		"Which finding justified this intervention?")},

	ElementIdentified: {Acquired, tx(
		"L’élément désigné, {given}, est bien l’élément défectueux, dans le périmètre d’intervention.",
		"The component named, {given}, is the faulty one, within the scope."), none},
	ElementParent: {Acquired, tx(
		"L’élément désigné, {given}, porte directement l’élément défectueux, {element}.",
		"The component named, {given}, directly carries the faulty one, {element}."), none},
	ElementMismatch: {Jury, tx(
		"L’élément désigné, {given}, n’est pas l’élément défectueux, qui était {element}.",
		"The component named, {given}, is not the faulty one, which was {element}."), tx(
		"Qu’est-ce qui, selon vous, mettait cet élément en cause ?",
		"What, in your view, pointed to this component?")},
	NoElementNamed: {Jury, tx(
		"Aucun élément n’a été désigné ; l’élément défectueux était {element}.",
		"No component was named; the faulty one was {element}."), tx(
		"Où se situait le défaut sur la chaîne, d’après ce que vous avez vu ?",
		"From what you saw, where on the chain was the fault?")},
	ManyWrongReplacements: {NotAcquired, tx(
		"Le candidat est intervenu sur {count} machines saines : {nodes}.",
		"The candidate intervened on {count} sound machines: {nodes}."), none},
	SomeWrongReplacements: {Jury, tx(
		"L’élément défectueux est désigné, mais le candidat est aussi intervenu sur {count} machines saines : {nodes}.",
		"The faulty component is named, but the candidate also intervened on {count} sound machines: {nodes}."), tx(
		"Qu’est-ce qui justifiait d’intervenir sur ces machines ?",
		"What justified intervening on these machines?")},
	OutOfPerimeter: {Jury, tx(
		"Le candidat a modifié des machines hors de son périmètre : {nodes}.",
		"The candidate changed machines out of the scope: {nodes}."), tx(
		"Qui est responsable de ces machines, et qui vous a autorisé à les modifier ?",
		"Who is responsible for these machines, and who allowed you to change them?")},
	IsolationFacts: {Jury, tx(
		"Le candidat est intervenu {changes|zéro fois|une fois|# fois} sur l’élément défectueux, {element} ; en dernier : « {last} ».",
		"The candidate intervened {changes|not once|once|# times} on the faulty component, {element}; the last one: “{last}”."), tx(
		"L’élément défaillant a-t-il été isolé ou remplacé de façon appropriée ?",
		"Was the failing component suitably isolated or replaced?")},
	IsolationElsewhere: {Jury, tx(
		"Le candidat est intervenu sur {nodes}, mais pas sur l’élément défectueux, {element}.",
		"The candidate intervened on {nodes}, but not on the faulty component, {element}."), tx(
		"Comment la fonction défaillante a-t-elle été isolée ou remplacée ?",
		"How was the failing function isolated or replaced?")},
	NothingIsolated: {Jury, tx(
		"Aucune intervention n’a été relevée : l’élément défectueux, {element}, n’a été ni isolé ni remplacé.",
		"No intervention was recorded: the faulty component, {element}, was neither isolated nor replaced."), tx(
		"Comment auriez-vous isolé ou remplacé cet élément ?",
		"How would you have isolated or replaced this component?")},

	DataIntact: {Acquired, tx(
		"{n|Aucune donnée témoin n’était à relire|La donnée témoin relue après l’épreuve est intacte|Les # données témoins relues après l’épreuve sont intactes}{flows}.",
		"{n|No canary datum was to be read back|The canary datum read back after the session is intact|All # canary data read back after the session are intact}{flows}."), none},
	DataLost: {NotAcquired, tx(
		"{lost} {lost|donnée témoin|données témoins} sur {n} {lost|est perdue ou altérée|sont perdues ou altérées} : {names}.",
		"{lost} of {n} canary data {lost|is|are} lost or altered: {names}."), none},
	RightsWidened: {NotAcquired, tx(
		"À la fin, {n} {n|flux interdit est ouvert|flux interdits sont ouverts} : {names}.",
		"At the end {n} forbidden {n|flow is|flows are} open: {names}."), none},
	CanariesNotRead: {Insufficient, tx(
		"Les données témoins n’ont pas pu être relues.",
		"The canary data could not be read back."), none},
	CanariesUnread: {Insufficient, tx(
		"{unread} {unread|donnée témoin|données témoins} sur {n} {unread|n’a pas pu être relue|n’ont pas pu être relues} : {names}.",
		"{unread} of {n} canary data could not be read back: {names}."), none},

	UsersInformed: {Acquired, tx(
		"Les utilisateurs touchés ({groups}) ont été prévenus {delay} après la prise en charge, puis informés du rétablissement avant la fin.",
		"The users concerned ({groups}) were told {delay} after the start, and informed that service was back before the end."), none},
	NoticeLate: {Jury, tx(
		"Les utilisateurs touchés n’ont tous été prévenus que {delay} après la prise en charge, pour un délai de {need} au plus.",
		"The users concerned were all told only {delay} after the start, instead of {need} at most."), tx(
		"Pourquoi les utilisateurs n’ont-ils pas été prévenus plus tôt ?",
		"Why were the users not told earlier?")},
	EndNotTold: {Jury, tx(
		"Les utilisateurs touchés ont été prévenus de l’incident, mais pas du rétablissement : {groups}.",
		"The users concerned were told of the incident, but not that service was back: {groups}."), tx(
		"Comment les utilisateurs ont-ils su qu’ils pouvaient reprendre leur travail ?",
		"How did the users know that they could resume their work?")},
	EndToldNotRestored: {Jury, tx(
		"Le rétablissement a été annoncé alors que le service n’était pas rétabli.",
		"The users were told that service was back while it was not."), tx(
		"Comment aviez-vous vérifié, depuis un poste d’utilisateur, avant d’annoncer le rétablissement ?",
		"How had you checked, from a user’s workstation, before announcing that service was back?")},
	GroupNotTold: {Jury, tx(
		"Une partie seulement des utilisateurs touchés a été prévenue ; sans avis : {groups}.",
		"Only some of the users concerned were told; without notice: {groups}."), tx(
		"Comment avez-vous déterminé qui était touché ?",
		"How did you work out who was affected?")},
	NoticeTooBroad: {Jury, tx(
		"Les utilisateurs touchés ont été prévenus à temps, mais l’avis est allé à {told} groupes pour {hit} {hit|touché|touchés}.",
		"The users concerned were told in time, but the notice went to {told} groups for {hit} affected."), tx(
		"Pourquoi prévenir des utilisateurs qui n’étaient pas touchés ?",
		"Why tell users who were not affected?")},
	NoNotice: {NotAcquired, tx(
		"Aucun avis n’a été envoyé aux utilisateurs touchés ({groups}).",
		"No notice was sent to the users concerned ({groups})."), none},
	AuthorAnswered: {Acquired, tx(
		"L’auteur du ticket a reçu une réponse avant la fin.",
		"The author of the ticket was answered before the end."), none},
	AuthorNotAnswered: {Jury, tx(
		"L’auteur du ticket n’a reçu aucune réponse rédigée (d’au moins {least} caractères).",
		"The author of the ticket got no written answer (of at least {least} characters)."), tx(
		"Qu’auriez-vous répondu à l’utilisateur, et par quel moyen ?",
		"What would you have answered the user, and how?")},
	QualityFacts: {Jury, tx(
		"Pendant l’épreuve, {outages|aucun service jusque-là disponible n’a été interrompu|un service jusque-là disponible a été interrompu|# services jusque-là disponibles ont été interrompus}{detail} ; {restarts|aucun redémarrage|un redémarrage|# redémarrages} de service ou de machine.",
		"During the session {outages|no service that had been available was|one service that had been available was|# services that had been available were} interrupted{detail}; {restarts|no restart|one restart|# restarts} of services or machines."), tx(
		"Ces interventions ont-elles eu lieu à des moments, et d’une manière, qui préservent la qualité de service ?",
		"Were these interventions made at times, and in a way, that preserve the quality of service?")},
	QualityNoInterruption: {Jury, tx(
		"Aucun service jusque-là disponible n’a été interrompu pendant l’épreuve, et ni service ni machine n’a été redémarré.",
		"No service that had been available was interrupted during the session, and no service or machine was restarted."), tx(
		"Les interventions ont-elles eu lieu à des moments compatibles avec la production ?",
		"Were the interventions made at times compatible with production?")},
}

// flagReasons is the closed list of flags.
var flagReasons = map[Reason]flagReason{
	ChangesOutsideElement: {false, tx(
		"{changes} {changes|modification|modifications} hors de l’élément défectueux, sur : {nodes}.",
		"{changes} {changes|change|changes} outside the faulty component, on: {nodes}."), tx(
		"Ces modifications étaient-elles nécessaires, et sont-elles sans conséquence ?",
		"Were these changes needed, and are they without consequence?")},
	ChangesWithoutFault: {false, tx(
		"Rien n’était en panne ; {changes} {changes|modification a été faite|modifications ont été faites}, sur : {nodes}.",
		"Nothing was broken; {changes} {changes|change was|changes were} made, on: {nodes}."), tx(
		"Ces modifications étaient-elles nécessaires, et sont-elles sans conséquence ?",
		"Were these changes needed, and are they without consequence?")},
	ChangesOutOfPerimeter: {true, tx(
		"Modification hors du périmètre d’intervention, sur : {nodes}.",
		"Change out of the scope, on: {nodes}."), tx(
		"Le candidat était-il fondé à modifier ces machines ?",
		"Was the candidate entitled to change these machines?")},
	CanaryDataLost: {true, tx(
		"Perte ou altération de données témoins : {names}.",
		"Canary data lost or altered: {names}."), tx(
		"Cette perte était-elle évitable, et a-t-elle été déclarée ?",
		"Was this loss avoidable, and was it declared?")},
	FlowMatrixWidened: {true, tx(
		"Des flux interdits par la matrice sont ouverts à la fin : {names}.",
		"Flows forbidden by the matrix are open at the end: {names}."), tx(
		"Cette ouverture était-elle voulue, et jusqu’à quand ?",
		"Was this opening intended, and until when?")},
	HintUsed: {false, tx(
		"{n} {n|aide consultée|aides consultées}, niveau le plus élevé : {level}.",
		"{n} {n|hint|hints} used, highest level: {level}."), none},
	HostOutOfBand: {false, tx(
		"La machine hôte a manqué de ressources pendant {span} au total ; les mesures en échec de ces moments ne comptent pas.",
		"The host was short of resources for {span} in all; failed measurements of these moments do not count."), tx(
		"Le candidat a-t-il été gêné par cette lenteur ?",
		"Was the candidate hindered by this slowness?")},
	ControlRed: {false, tx(
		"Le service témoin, étranger à la situation, a été en échec pendant {span} au total.",
		"The control service, which the situation does not touch, was failing for {span} in all."), tx(
		"Une intervention du candidat l’explique-t-elle, ou l’environnement est-il en cause ?",
		"Does something that the candidate did explain it, or is it the environment?")},
	UnexplainedFiles: {false, tx(
		"{n} {n|fichier a changé|fichiers ont changé} dans le périmètre sans que l’on ait vu par qui : {paths}.",
		"{n} {n|file|files} within the scope changed without anybody seen to change {n|it|them}: {paths}."), tx(
		"Le candidat est-il à l’origine de ces changements ?",
		"Did the candidate make these changes?")},
	RecorderLossFlag: {false, tx(
		"Événements perdus par l’enregistrement : {names}.",
		"Events lost by the recording: {names}."), none},
	RecorderOffFlag: {false, tx(
		"Enregistrement arrêté pendant l’épreuve : {names}.",
		"Recording off during the session: {names}."), none},
	UnattributedWork: {false, tx(
		"{n} {n|modification détachée|modifications détachées} de tout terminal enregistré (tâche différée, programme détaché).",
		"{n} {n|change|changes} detached from any recorded terminal (deferred job, detached program)."), tx(
		"Qui a lancé ces actions, et comment ?",
		"Who started these actions, and how?")},
	RepairBeforeDiagnosis: {false, tx(
		"Le diagnostic a été déposé après la première modification de l’élément défectueux.",
		"The diagnosis was handed in after the first change of the faulty component."), none},
	NotOpposable: {false, tx(
		"Entraînement, durées multipliées par {factor} : dossier non opposable.",
		"Training, durations multiplied by {factor}: this file cannot be relied upon in an examination."), none},
	ScaledTime: {false, tx(
		"Aménagement : toutes les durées, seuils compris, sont multipliées par {factor}.",
		"Accommodation: all durations, thresholds included, are multiplied by {factor}."), none},
	InterruptedSession: {false, tx(
		"L’épreuve a été interrompue avant sa fin normale.",
		"The session was interrupted before its normal end."), tx(
		"Le candidat a-t-il eu le temps prévu ?",
		"Did the candidate have the time planned?")},
	ResumedSession: {false, tx(
		"L’épreuve a été reprise {n} fois après la mort du programme qui la conduit. Au plus {unseen} s n’ont pas été observées ; programmes commencés alors : {m}. Le temps perdu a été rendu.",
		"The session was taken over {n} {n|time|times} after the death of the program that conducts it. At most {unseen} s were not observed; programs begun then: {m}. The time lost was given back."), tx(
		"Le candidat a-t-il été gêné par cette coupure ?",
		"Was the candidate hindered by this break?")},
	UnsupportedDeclaration: {false, tx(
		"Le rétablissement définitif a été déclaré alors que des services étaient encore en échec : {probes}.",
		"Service was declared definitively restored while some was still failing: {probes}."), tx(
		"Sur quelle vérification reposait cette déclaration ?",
		"Which check was this declaration based on?")},
}
