package scenarios

import (
	"io/fs"
	"time"
)

// Duration is a time.Duration written as in "90s", "15m", "48h" or "30d".
type Duration time.Duration

// Scenario is a situation on a site: what happens, what the candidate is given
// and which sub-points it exercises.
type Scenario struct {
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	Kind       string `yaml:"kind" json:"kind"`
	ID         string `yaml:"id" json:"id"`
	// Title must not name a cause.
	Title      Text     `yaml:"title" json:"title"`
	Site       string   `yaml:"site" json:"site"` // id of the embedded library or a path
	Capacity   []string `yaml:"capacity" json:"capacity"`
	Difficulty int      `yaml:"difficulty" json:"difficulty"` // 1 to 4
	Minutes    int      `yaml:"minutes" json:"minutes"`       // time limit of the session
	// Points are the sub-points that the scenario declares (grader/criteria);
	// HealthyPoints those of the healthy twin.
	Points        []string `yaml:"points" json:"points"`
	HealthyPoints []string `yaml:"healthyPoints" json:"healthyPoints"`
	Ticket        Ticket   `yaml:"ticket" json:"ticket"`
	// Brief is a Markdown file's stem: brief.fr.md and brief.en.md.
	Brief string `yaml:"brief" json:"brief"`
	// Picks are values that the seed draws once for all variants.
	Picks    []Pick        `yaml:"picks,omitempty" json:"picks,omitempty"`
	Variants []VariantSpec `yaml:"variants" json:"variants"`
	Healthy  HealthySpec   `yaml:"healthy" json:"healthy"`
	// Decoys are touches made on every variant and the twin alike.
	Decoys []Fault `yaml:"decoys,omitempty" json:"decoys,omitempty"`
	// Logbook adds lines to the company's logbook.
	Logbook []Entry `yaml:"logbook,omitempty" json:"logbook,omitempty"`
	// People answer requests and ticket replies.
	Dialogue []Answer `yaml:"dialogue" json:"dialogue"`
	Hints    []Hint   `yaml:"hints" json:"hints"`
	// Control is the probe of an untouched service.
	Control string `yaml:"control" json:"control"`
	// Thresholds, before the time factor.
	Thresholds Thresholds `yaml:"thresholds" json:"thresholds"`
	// BootDelay is what a reboot costs by class in an examination.
	BootDelay map[Class]Duration `yaml:"bootDelay" json:"bootDelay"`

	// BriefText is what the files of Brief hold.
	BriefText Text `yaml:"-" json:"briefText"`
	// Files is the scenario's folder. What its folders roles/ROLE and nodes/NODE
	// hold lies over the site's trees, on every variant and the twin alike.
	Files fs.FS `yaml:"-" json:"-"`

	source
}

// Thresholds are the times that the grader uses, before the time factor.
type Thresholds struct {
	StableGreen   Duration `yaml:"stableGreen" json:"stableGreen"`     // 3.1-ii, 10m
	StableSamples int      `yaml:"stableSamples" json:"stableSamples"` // 3.1-ii, 40; not multiplied
	FirstNotice   Duration `yaml:"firstNotice" json:"firstNotice"`     // 3.3-ii, 15m
}

// Ticket is what a user wrote; its text never gives the cause.
type Ticket struct {
	ID     string   `yaml:"id" json:"id"`
	Author string   `yaml:"author" json:"author" tmpl:"yes"` // person id
	Ago    Duration `yaml:"ago" json:"ago"`                  // how long before the session's start
	Title  Text     `yaml:"title" json:"title"`
	Text   Text     `yaml:"text" json:"text"`
}

// Pick draws one value of a list; templates of the scenario use {{.Pick.name}}.
type Pick struct {
	Name string   `yaml:"name" json:"name"`
	From []string `yaml:"from" json:"from" tmpl:"yes"`
}

// VariantSpec is one root cause of the scenario.
type VariantSpec struct {
	ID string `yaml:"id" json:"id"`
	// Cause is an id of the cause list (grader/criteria causes.yaml); may be a
	// template over picks, since a slip drawn otherwise may be another cause.
	Cause string `yaml:"cause" json:"cause" tmpl:"yes"`
	// AlsoCauses are other ids of the list that say the same thing as truly.
	AlsoCauses []string `yaml:"alsoCauses,omitempty" json:"alsoCauses,omitempty" tmpl:"yes"`
	// Element is the faulty node's name; may be a template over picks.
	Element string  `yaml:"element" json:"element" tmpl:"yes"`
	Picks   []Pick  `yaml:"picks,omitempty" json:"picks,omitempty"`
	Faults  []Fault `yaml:"faults" json:"faults"`
	// Hit are the segments whose users are hit; Probes the probe ids that must
	// be red there, Groups the groups of users to tell.
	Hit      []string `yaml:"hit" json:"hit" tmpl:"yes"`
	Red      []string `yaml:"red" json:"red" tmpl:"yes"`
	Groups   []string `yaml:"groups" json:"groups" tmpl:"yes"`
	Solution Text     `yaml:"solution" json:"solution"`
	Symptoms []Text   `yaml:"symptoms" json:"symptoms"`
	// Steps are the reference's, shown with the solution.
	Steps []Step `yaml:"steps,omitempty" json:"steps,omitempty"`
}

// Step is one step of the reference: what is typed where, and why.
type Step struct {
	Node    string `yaml:"node,omitempty" json:"node,omitempty" tmpl:"yes"`
	Command string `yaml:"command" json:"command" tmpl:"yes"`
	Why     Text   `yaml:"why" json:"why"`
}

// HealthySpec is the twin: the same ticket with nothing broken in the perimeter.
type HealthySpec struct {
	Explanation Text    `yaml:"explanation" json:"explanation"`
	Logbook     []Entry `yaml:"logbook,omitempty" json:"logbook,omitempty"`
	Steps       []Step  `yaml:"steps,omitempty" json:"steps,omitempty"`
}

// Fault is something broken on purpose, of a kind of labnet/fault.
type Fault struct {
	// Kind is a key of labnet/fault's table, for instance config-line.
	Kind string `yaml:"kind" json:"kind"`
	// Node is where it acts; may be a template over picks.
	Node string `yaml:"node" json:"node" tmpl:"yes"`
	// Ago back-dates the artefact, relative to the session's start. A fault on
	// a file that a decoy touches may leave it out and takes the decoy's, so
	// that the faulty machine's times are those of its healthy twin.
	Ago    Duration          `yaml:"ago,omitempty" json:"ago,omitempty"`
	Params map[string]string `yaml:"params" json:"params"`
}

// Answer is what somebody says when asked.
type Answer struct {
	// Who is user (the ticket's author), user:PERSON (a person's id), or a
	// contact of the site: technician, manager, production ...
	Who string `yaml:"who" json:"who" tmpl:"yes"`
	// Words select the answer: beginnings of words of the question, small letters
	// without accents. Of several answers the one with the most of them is
	// given; an answer without words is the fallback.
	Words []string `yaml:"words,omitempty" json:"words,omitempty"`
	// After is the simulated delay.
	After Duration `yaml:"after" json:"after"`
	Text  Text     `yaml:"text" json:"text"`
	// Variants limits the answer to variants (or "healthy").
	Variants []string `yaml:"variants,omitempty" json:"variants,omitempty"`
	// Red limits the answer to when the author's probes are red ("yes"/"no").
	Red string `yaml:"red,omitempty" json:"red,omitempty"`
}

// Hint is one graded level of help (training only).
type Hint struct {
	Text Text `yaml:"text" json:"text"`
}
