package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Codes of Damage. The list is closed.
const (
	DamagedRecord      = "damaged_record"       // a record's bytes are wrong
	MissingSegment     = "missing_segment"      // a segment's file is not there
	MissingRecords     = "missing_records"      // a checkpoint speaks of records that are not there
	MissingJournal     = "missing_journal"      // there is no segment at all
	StrayFile          = "stray_file"           // a file that nothing accounts for
	NoGenesis          = "no_genesis"           // the first record is not session.start with a key
	ForeignRecord      = "foreign_record"       // a record of another lab or session, or a second start
	AfterEnd           = "after_end"            // records follow session.end
	Unfinished         = "unfinished"           // the journal does not end with session.end
	BadCheckpoint      = "bad_checkpoint"       // a checkpoint's bytes or order are wrong
	OtherKey           = "other_key"            // it is signed with another key
	RewrittenRecords   = "rewritten_records"    // the records are not those that were signed
	UnsignedEnd        = "unsigned_end"         // no checkpoint covers the last records
	CutChanged         = "cut_changed"          // a cut tail is not what was recorded
	SealBroken         = "seal_broken"          // the facts or the seed are not those that were sealed
	FileChanged        = "file_changed"         // a sealed file is not what was sealed
	FileMissing        = "file_missing"         // a sealed file is not there
	WitnessOtherKey    = "witness_other_key"    // the witness's checkpoint is of another key: another journal
	WitnessOtherRecord = "witness_other_record" // what was witnessed is not in this journal
	RolledBack         = "rolled_back"          // more was witnessed than there is
	BadWitness         = "bad_witness"          // what was given as witness is none
	DamagedArchive     = "damaged_archive"      // the bundle's file cannot be read to its end
	ResultChanged      = "result_changed"       // verdict or report is not what the same tool makes of the evidence
	OtherEvidence      = "other_evidence"       // decisions that were taken on another session's evidence
	DecisionsGone      = "decisions_gone"       // decisions that another assessor's journal has seen are not there
)

// Damage is one thing that is not as it was sealed.
type Damage struct {
	Code string `json:"code"`
	// Record is the first record concerned, 0 for none; To the last one of a
	// range. Segment and Offset say where it stands (Offset in File without
	// a Segment).
	Record  uint64 `json:"record,omitempty"`
	To      uint64 `json:"to,omitempty"`
	Segment string `json:"segment,omitempty"`
	Offset  int64  `json:"offset,omitempty"`
	// File is the bundle's file concerned, if it is not a record of the session's.
	File string `json:"file,omitempty"`
	// Assessor is whose decisions are concerned, empty for the session itself.
	Assessor string `json:"assessor,omitempty"`
	// Text says it in words; Detail is technical, in English.
	Text   Text   `json:"text"`
	Detail string `json:"detail,omitempty"`
}

// Witness is what left the machine before anybody could want to change it.
type Witness struct {
	// Checkpoint is a signed checkpoint kept elsewhere; Head a head ("sha256:"
	// may be left out), as printed on the report and shown to the candidate.
	Checkpoint []byte
	Head       string
}

// Verification is the result of Verify. The evidence is intact when Damage is
// empty, and nobody can have rewritten it as a whole when End is true.
type Verification struct {
	Lab         string `json:"lab,omitempty"`
	Session     string `json:"session,omitempty"`
	Tool        string `json:"tool,omitempty"`
	Records     uint64 `json:"records"`
	Segments    int    `json:"segments"`
	Checkpoints int    `json:"checkpoints"`
	Files       int    `json:"files"` // sealed, beside the journal
	Head        string `json:"head"`
	Key         string `json:"key,omitempty"`
	// Witnessed is how many records a witness from elsewhere speaks for; End
	// is true when these are all and nothing is damaged.
	Witnessed uint64 `json:"witnessed"`
	End       bool   `json:"end_witnessed"`
	// Recoveries counts tails cut after a crash, Lost events that recorders
	// admit to have lost. Neither is damage.
	Recoveries int      `json:"recoveries"`
	Lost       uint64   `json:"lost"`
	Damage     []Damage `json:"damage"`
	// Jury are the journals of those who have decided, by their folder.
	Jury []*Sitting `json:"jury,omitempty"`

	dir     string // of the journal in the bundle
	files   map[string][]byte
	journal map[string][]byte
	others  map[string][]byte
	scan    *scan
	// segmentNames are those of the scan, in order.
	segmentNames []string
}

// OK says that nothing is damaged.
func (v *Verification) OK() bool { return len(v.Damage) == 0 }

// Verify checks the files of a bundle against its journal, the journal against
// its signatures and all against the witness. It trusts nothing else.
func Verify(files map[string][]byte, w Witness) *Verification {
	v := &Verification{Head: "sha256:" + ZeroHash, Damage: []Damage{}, dir: JournalDir, files: files}
	v.journal, v.others = journalFiles(files)
	v.readRecords()
	v.checkStory()
	last := v.checkCheckpoints()
	v.checkRecoveries()
	v.checkFiles()
	v.checkJury()
	v.checkWitness(w, last)
	return v
}

func (v *Verification) add(d Damage, fr, en string, args ...any) {
	d.Text = Text{FR: fmt.Sprintf(fr, args...), EN: fmt.Sprintf(en, args...)}
	v.Damage = append(v.Damage, d)
	v.End = false
}

// Remade compares a file outside the seal with what the same tool makes of the
// same evidence.
func (v *Verification) Remade(name string, want []byte) {
	if got, ok := v.files[name]; ok && !bytes.Equal(got, want) {
		v.add(Damage{Code: ResultChanged, File: name}, "%s n'est pas ce que le même outil tire de ces preuves", "%s is not what the same tool makes of this evidence", name)
	}
}

// Bundle is what was verified, for the grader and the report; without the
// verdict and the report in it.
func (v *Verification) Bundle() *Bundle {
	b := &Bundle{Records: v.scan.records, Files: maps.Clone(v.files)}
	maps.DeleteFunc(b.Files, func(name string, _ []byte) bool { return outside(name) })
	return b
}

// Archive is the bundle's files, as read.
func (v *Verification) Archive() map[string][]byte { return v.files }

// VerifyFile verifies a bundle's file. Its error says that there is no such
// file, or that it never was a bundle.
func VerifyFile(file string, w Witness) (*Verification, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &BundleError{Path: file, Err: err}
	}
	defer f.Close()
	files, err := ReadArchive(f)
	if errors.Is(err, ErrNotBundle) {
		return nil, &BundleError{Path: file, Err: err}
	}
	if err != nil {
		v := &Verification{Head: "sha256:" + ZeroHash, scan: &scan{}}
		v.add(Damage{Code: DamagedArchive, File: filepath.Base(file), Detail: err.Error()}, "le dossier lui-même est abîmé", "the bundle's file itself is damaged")
		return v, nil
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), ours) {
		return nil, &BundleError{Path: file, Err: fmt.Errorf("%w: nothing of a session is in it", ErrNotBundle)}
	}
	return Verify(files, w), nil
}

// ours says whether a file has a name of a bundle's.
func ours(name string) bool {
	return outside(name) || strings.HasPrefix(name, JournalDir) || strings.HasPrefix(name, ScenarioDir) || strings.HasPrefix(name, SiteDir) || strings.HasPrefix(name, TerminalDir) || strings.HasPrefix(name, JuryDir)
}

// at is the place of a record that was read.
func (v *Verification) at(code string, seq uint64) Damage {
	d := Damage{Code: code, Record: seq}
	if seq >= 1 && seq <= uint64(len(v.scan.lines)) {
		l := v.scan.lines[seq-1]
		d.Segment, d.Offset = v.segmentNames[l.segment], l.offset
	}
	return d
}

func (v *Verification) readRecords() {
	segments, err := segmentsOf(v.journal)
	for _, s := range segments {
		v.segmentNames = append(v.segmentNames, s.name)
	}
	v.Segments = len(segments)
	v.scan = scanSegments(segments, position{0, ZeroHash})
	v.Records = uint64(len(v.scan.records))
	if n := len(v.scan.records); n > 0 {
		v.Head, v.Lab, v.Session = Head(v.scan.records), v.scan.records[0].Lab, v.scan.records[0].Session
	}
	d := v.scan.damage
	switch {
	case d != nil:
		v.add(Damage{Code: DamagedRecord, Record: d.Record, Segment: d.Segment, Offset: d.Offset, Detail: d.Err.Error()},
			"l'enregistrement %d (%s, octet %d) est abîmé ou a été modifié", "record %d (%s, byte %d) is damaged or was changed", d.Record, d.Segment, d.Offset)
	case errors.Is(err, errNoSegment):
		v.add(Damage{Code: MissingJournal}, "il n'y a pas de journal", "there is no journal")
	}
	var gap *DamageError
	if errors.As(err, &gap) && d == nil {
		v.add(Damage{Code: MissingSegment, Record: gap.Record, Segment: gap.Segment},
			"le segment %s manque : l'enregistrement %d et la suite", "segment %s is missing: record %d and what follows", gap.Segment, gap.Record)
	}
	for _, s := range segments {
		if len(s.data) == 0 {
			v.add(Damage{Code: StrayFile, File: v.dir + s.name}, "le segment %s est vide", "segment %s is empty", s.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.journal)) {
		if name != CheckpointsName && segmentNumber(name) == 0 && cutNumber(name) == 0 {
			v.add(Damage{Code: StrayFile, File: v.dir + name}, "le fichier %s n'est pas du journal", "file %s is none of the journal's", v.dir+name)
		}
	}
}

// checkStory checks what the records must say about each other.
func (v *Verification) checkStory() {
	var commitment, seedCommitment string
	ended := false
	for i, r := range v.scan.records {
		start, isStart := As[SessionStart](r)
		switch {
		case i == 0 && (!isStart || start.JournalKey == ""):
			v.add(v.at(NoGenesis, 1), "le premier enregistrement n'ouvre pas une épreuve avec sa clé", "the first record does not begin a session with its key")
		case i == 0:
			v.Key, v.Tool, seedCommitment = start.JournalKey, start.Tool, start.SeedCommitment
		case isStart:
			v.add(v.at(ForeignRecord, r.Seq), "l'enregistrement %d ouvre une seconde épreuve", "record %d begins a second session", r.Seq)
		case r.Lab != v.Lab || r.Session != v.Session:
			v.add(v.at(ForeignRecord, r.Seq), "l'enregistrement %d est d'une autre épreuve (%s)", "record %d is of another session (%s)", r.Seq, r.Session)
		case ended:
			v.add(v.at(AfterEnd, r.Seq), "l'enregistrement %d suit la fin", "record %d follows the end", r.Seq)
		}
		switch p := r.Payload().(type) {
		case *SessionSeal:
			if commitment != "" {
				v.add(v.at(SealBroken, r.Seq), "la réponse est scellée une seconde fois (enregistrement %d)", "the answer is sealed a second time (record %d)", r.Seq)
				continue
			}
			commitment = p.Commitment
		case *SessionFacts:
			if got, err := p.Facts.Commitment(p.Salt); err != nil || got != commitment {
				v.add(v.at(SealBroken, r.Seq), "la réponse révélée (enregistrement %d) n'est pas celle qui était scellée", "the answer revealed (record %d) is not the one that was sealed", r.Seq)
			}
			if sum := sha256.Sum256([]byte(p.Salt + "|" + strconv.FormatUint(p.Facts.Seed, 10))); hex.EncodeToString(sum[:]) != seedCommitment {
				v.add(v.at(SealBroken, r.Seq), "le tirage révélé (enregistrement %d) n'est pas celui qui était scellé", "the seed revealed (record %d) is not the one that was sealed", r.Seq)
			}
		case *RecorderLoss:
			v.Lost += p.Lost
		case *SessionEnd:
			ended = true
		}
	}
	if !ended && v.scan.damage == nil && v.Records > 0 {
		v.add(v.at(Unfinished, v.Records), "le journal s'arrête à l'enregistrement %d, sans fin d'épreuve", "the journal stops at record %d, without the session's end", v.Records)
	}
}

// checkCheckpoints checks each signature and each root; it returns the size of
// the last sound checkpoint.
func (v *Verification) checkCheckpoints() (last uint64) {
	var verifier note.Verifier
	if v.Key != "" {
		var err error
		if verifier, err = note.NewVerifier(v.Key); err != nil || verifier.Name() != Origin(v.Lab, v.Session) {
			v.add(v.at(NoGenesis, 1), "la clé du premier enregistrement n'en est pas une de cette épreuve", "the key in the first record is none of this session")
			return 0
		}
	}
	file := v.dir + CheckpointsName
	notes, rest := splitCheckpoints(v.journal[CheckpointsName])
	v.Checkpoints = len(notes)
	if len(rest) > 0 {
		v.add(Damage{Code: BadCheckpoint, File: file, Offset: int64(len(v.journal[CheckpointsName]) - len(rest)), Detail: "not a signed checkpoint"},
			"le point de contrôle %d est abîmé", "checkpoint %d is damaged", len(notes)+1)
	}
	if verifier == nil {
		return 0
	}
	var t tree
	at := int64(0)
	for i, msg := range notes {
		offset := at
		at += int64(len(msg)) + 1
		c, err := parseCheckpoint(msg, verifier)
		switch {
		case errors.Is(err, errOtherKey):
			v.add(Damage{Code: OtherKey, File: file, Offset: offset}, "le point de contrôle %d est signé d'une autre clé que celle de l'épreuve", "checkpoint %d is signed with another key than the session's", i+1)
			continue
		case err != nil:
			v.add(Damage{Code: BadCheckpoint, File: file, Offset: offset, Detail: err.Error()}, "le point de contrôle %d est abîmé ou a été modifié", "checkpoint %d is damaged or was changed", i+1)
			continue
		case c.Size <= last:
			v.add(Damage{Code: BadCheckpoint, File: file, Offset: offset}, "le point de contrôle %d n'est pas à sa place", "checkpoint %d is out of place", i+1)
			continue
		case c.Size > v.Records:
			if v.scan.damage == nil {
				d := v.at(MissingRecords, v.Records+1)
				d.To = c.Size
				v.add(d, "les enregistrements %d à %d manquent : le point de contrôle %d les a signés", "records %d to %d are missing: checkpoint %d has signed them", v.Records+1, c.Size, i+1)
			}
			return last
		}
		for t.size < c.Size {
			t.add(tlog.RecordHash(v.scan.lines[t.size].json))
		}
		if t.root() != c.Root || v.scan.records[c.Size-1].Hash != c.Head {
			d := v.at(RewrittenRecords, last+1)
			d.To = c.Size
			v.add(d, "un enregistrement parmi %d à %d n'est pas celui qui a été signé (point de contrôle %d)", "a record among %d to %d is not the one that was signed (checkpoint %d)", last+1, c.Size, i+1)
			return last // all that follow it fail too
		}
		last = c.Size
	}
	if last < v.Records && v.scan.damage == nil {
		d := v.at(UnsignedEnd, last+1)
		d.To = v.Records
		v.add(d, "aucune signature ne couvre les enregistrements %d à %d", "no signature covers records %d to %d", last+1, v.Records)
	}
	return last
}

// checkRecoveries checks that what was cut is what was said to be cut.
func (v *Verification) checkRecoveries() {
	told := map[string]bool{}
	for _, r := range v.scan.records {
		p, ok := As[RecorderRecovery](r)
		if !ok {
			continue
		}
		v.Recoveries++
		told[p.File] = true
		data, ok := v.journal[p.File]
		if sum := sha256.Sum256(data); !ok || cutNumber(p.File) == 0 || hex.EncodeToString(sum[:]) != p.SHA256 {
			d := v.at(CutChanged, r.Seq)
			d.File = v.dir + p.File
			v.add(d, "les octets coupés %s ne sont pas ceux de l'enregistrement %d", "the bytes cut off, %s, are not those of record %d", p.File, r.Seq)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.journal)) {
		if cutNumber(name) > 0 && !told[name] && v.scan.damage == nil {
			v.add(Damage{Code: StrayFile, File: v.dir + name}, "aucun enregistrement ne parle de %s", "no record speaks of %s", v.dir+name)
		}
	}
}

// outside says whether a file lies outside the seal: it is made from the
// evidence and can be made again.
func outside(name string) bool { return name == VerdictName || name == ReportName }

// checkFiles checks the bundle's other files against session.files.
func (v *Verification) checkFiles() {
	if v.scan.damage != nil {
		return // the record may be behind the damage
	}
	sealed := map[string]string{}
	for _, r := range v.scan.records {
		p, ok := As[SessionFiles](r)
		if !ok {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(p.SHA256)) {
			sum := p.SHA256[name]
			sealed[name] = sum
			v.Files++
			data, ok := v.others[name]
			d := v.at(FileMissing, r.Seq)
			d.File = name
			if !ok {
				v.add(d, "le fichier %s manque", "file %s is missing", name)
				continue
			}
			if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != sum {
				d.Code = FileChanged
				v.add(d, "le fichier %s n'est pas celui qui a été scellé (enregistrement %d)", "file %s is not the one that was sealed (record %d)", name, r.Seq)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.others)) {
		if _, ok := sealed[name]; !ok && !outside(name) && !strings.HasPrefix(name, JuryDir) {
			v.add(Damage{Code: StrayFile, File: name}, "le fichier %s n'est pas scellé par le journal", "file %s is not sealed by the journal", name)
		}
	}
}

// checkWitness compares with what left the machine.
func (v *Verification) checkWitness(w Witness, signed uint64) {
	if len(w.Checkpoint) > 0 {
		v.witnessCheckpoint(w.Checkpoint)
	}
	if head := strings.TrimPrefix(w.Head, "sha256:"); w.Head != "" {
		switch i := slices.IndexFunc(v.scan.records, func(r *Record) bool { return r.Hash == head }); {
		case !isHash(head):
			v.add(Damage{Code: BadWitness}, "%q n'est pas une tête de journal (sha256:…)", "%q is no head of a journal (sha256:...)", w.Head)
		case i >= 0:
			v.Witnessed = max(v.Witnessed, uint64(i)+1)
		case v.witnessDecisions(head):
		case v.scan.damage == nil:
			v.add(Damage{Code: WitnessOtherRecord}, "la tête attestée %s n'est pas dans ce journal : il a été réécrit ou raccourci", "the witnessed head %s is not in this journal: it was rewritten or cut short", short(head))
		}
	}
	v.End = v.Witnessed == v.Records && v.Records > 0 && v.OK() && signed == v.Records
}

func (v *Verification) witnessCheckpoint(msg []byte) {
	msg = append(bytes.Trim(msg, "\r\n"), '\n')
	c, err := parseCheckpoint(msg, nil)
	if err != nil {
		v.add(Damage{Code: BadWitness, Detail: err.Error()}, "le point de contrôle donné n'en est pas un", "the checkpoint given is none")
		return
	}
	if strings.HasPrefix(c.Origin, Origin(v.Lab, v.Session)+sittingMark) {
		v.witnessSitting(c.Origin, msg)
		return
	}
	if verifier, err := note.NewVerifier(v.Key); err == nil {
		if _, err := parseCheckpoint(msg, verifier); err != nil {
			v.add(Damage{Code: WitnessOtherKey, Detail: err.Error()}, "le point de contrôle attesté n'est pas signé de la clé de ce journal : c'est un autre journal", "the witnessed checkpoint is not signed with this journal's key: it is another journal")
			return
		}
	}
	switch {
	case v.Key == "" || v.scan.damage != nil && c.Size > v.Records:
	case c.Size > v.Records:
		d := v.at(RolledBack, v.Records+1)
		d.To = c.Size
		v.add(d, "le journal a été ramené en arrière : %d enregistrements attestés, %d présents", "the journal was rolled back: %d records were witnessed, %d are there", c.Size, v.Records)
	case rootAt(v.scan, c.Size) != c.Root:
		d := v.at(WitnessOtherRecord, 1)
		d.To = c.Size
		v.add(d, "les enregistrements 1 à %d ne sont pas ceux qui ont été attestés", "records 1 to %d are not those that were witnessed", c.Size)
	default:
		v.Witnessed = max(v.Witnessed, c.Size)
	}
}

// LastCheckpoint is the last checkpoint among a bundle's files, as signed: what
// a witness keeps.
func LastCheckpoint(files map[string][]byte) []byte { return lastCheckpoint(files, JournalDir) }

func lastCheckpoint(files map[string][]byte, dir string) []byte {
	notes, _ := splitCheckpoints(files[dir+CheckpointsName])
	if len(notes) == 0 {
		return nil
	}
	return notes[len(notes)-1]
}
