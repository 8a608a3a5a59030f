package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// sittingMark stands between a session's id and an assessor's folder in the
// session field of that assessor's records, and so in the origin of the
// checkpoints: no two journals of a bundle have the same name.
const sittingMark = "/jury/"

// JurySession is what the records of an assessor's journal call their session.
func JurySession(session, assessor string) string {
	return session + sittingMark + JurySlug(assessor)
}

// JurySlug is an assessor's folder under JuryDir: the name in lower-case letters
// and digits without accents, other characters as one hyphen. A name without any
// such letter is told by its hash.
func JurySlug(assessor string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(assessor)) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // an accent
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if b.Len() == 0 {
		sum := sha256.Sum256([]byte(assessor))
		return "x" + hex.EncodeToString(sum[:4])
	}
	return strings.TrimRight(b.String()[:min(b.Len(), 48)], "-")
}

// Sitting is an assessor's journal in a bundle, as verified.
type Sitting struct {
	// Slug is its folder under JuryDir.
	Slug     string `json:"slug"`
	Assessor string `json:"assessor"`
	Function string `json:"function,omitempty"`
	Records  uint64 `json:"records"`
	Head     string `json:"head"`
	Key      string `json:"key,omitempty"`
	// Closed is true when the assessor has said that nothing more comes.
	Closed bool `json:"closed"`
	// Witnessed is how many of its records a witness from elsewhere speaks for.
	Witnessed uint64 `json:"witnessed"`

	v *Verification
}

// Entries are the sitting's sound records, in order.
func (s *Sitting) Entries() []*Record { return s.v.scan.records }

// Checkpoint is the last signed checkpoint: what a witness keeps.
func (s *Sitting) Checkpoint() []byte { return lastCheckpoint(s.v.files, s.v.dir) }

// Sitting finds an assessor's journal by its folder.
func (v *Verification) Sitting(slug string) (*Sitting, bool) {
	i := slices.IndexFunc(v.Jury, func(s *Sitting) bool { return s.Slug == slug })
	if i < 0 {
		return nil, false
	}
	return v.Jury[i], true
}

// checkJury checks the journals of those who decided, each as the session's own
// is checked, and that they belong to this evidence and know of each other.
func (v *Verification) checkJury() {
	folders := map[string]map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(v.others)) {
		in, ok := strings.CutPrefix(name, JuryDir)
		if !ok {
			continue
		}
		slug, file, ok := strings.Cut(in, "/")
		if !ok || JurySlug(slug) != slug || strings.Contains(file, "/") {
			v.add(Damage{Code: StrayFile, File: name}, "le fichier %s n'est d'aucun évaluateur", "file %s is no assessor's", name)
			continue
		}
		if folders[slug] == nil {
			folders[slug] = map[string][]byte{}
		}
		folders[slug][file] = v.others[name]
	}
	for _, slug := range slices.Sorted(maps.Keys(folders)) {
		v.Jury = append(v.Jury, v.checkSitting(slug, folders[slug]))
	}
	for _, s := range v.Jury {
		v.checkBeside(s)
		v.adopt(s)
	}
}

func (v *Verification) checkSitting(slug string, files map[string][]byte) *Sitting {
	own := &Verification{Head: "sha256:" + ZeroHash, dir: JuryDir + slug + "/", files: v.files, journal: files}
	s := &Sitting{Slug: slug, Assessor: slug, v: own}
	own.readRecords()
	s.Records, s.Head = own.Records, own.Head
	v.checkDecisions(s)
	own.checkCheckpoints()
	own.checkRecoveries()
	return s
}

// checkDecisions checks what the records of a sitting must say about each other
// and about the session.
func (v *Verification) checkDecisions(s *Sitting) {
	own := s.v
	for i, r := range own.scan.records {
		start, isStart := As[DecisionStart](r)
		switch {
		case i == 0 && (!isStart || start.JournalKey == ""):
			own.add(own.at(NoGenesis, 1), "le premier enregistrement n'ouvre pas de décisions avec leur clé", "the first record does not begin decisions with their key")
		case i == 0:
			own.Key, s.Key, s.Assessor, s.Function = start.JournalKey, start.JournalKey, start.Assessor, start.Function
			if v.scan.damage == nil && (start.SessionHead != v.Head || r.Lab != v.Lab || !strings.HasPrefix(r.Session, v.Session+sittingMark)) {
				own.add(own.at(OtherEvidence, 1), "elles ont été prises sur une autre épreuve (%s)", "they were taken on another session (%s)", r.Session)
			}
			if JurySlug(start.Assessor) != s.Slug || !strings.HasSuffix(r.Session, sittingMark+s.Slug) {
				own.add(own.at(ForeignRecord, 1), "elles sont de %s, dans le dossier %s", "they are by %s, in the folder %s", start.Assessor, own.dir)
			}
		case isStart:
			own.add(own.at(ForeignRecord, r.Seq), "l'enregistrement %d ouvre une seconde fois les décisions", "record %d begins the decisions a second time", r.Seq)
		case r.Lab != own.Lab || r.Session != own.Session:
			own.add(own.at(ForeignRecord, r.Seq), "l'enregistrement %d est d'une autre épreuve (%s)", "record %d is of another session (%s)", r.Seq, r.Session)
		case !strings.HasPrefix(string(r.Type), "decision.") && r.Type != TypeRecorderRecovery && r.Type != TypeRecorderStalled:
			own.add(own.at(ForeignRecord, r.Seq), "l'enregistrement %d n'est pas une décision (%s)", "record %d is no decision (%s)", r.Seq, r.Type)
		case s.Closed:
			own.add(own.at(AfterEnd, r.Seq), "l'enregistrement %d suit la clôture", "record %d follows the close", r.Seq)
		}
		s.Closed = s.Closed || r.Type == TypeDecisionEnd
	}
}

// checkBeside looks for what this assessor's journal has seen of the others'.
func (v *Verification) checkBeside(s *Sitting) {
	for _, r := range s.Entries() {
		var beside map[string]string
		switch p := r.Payload().(type) {
		case *DecisionStart:
			beside = p.Beside
		case *DecisionEnd:
			beside = p.Beside
		}
		for _, slug := range slices.Sorted(maps.Keys(beside)) {
			other, ok := v.Sitting(slug)
			if ok && (other.v.scan.damage != nil || other.Has(beside[slug])) {
				continue
			}
			d := s.v.at(DecisionsGone, r.Seq)
			d.File = JuryDir + slug + "/"
			s.v.add(d, "l'enregistrement %d a vu dans %s des décisions qui n'y sont plus", "record %d has seen decisions in %s that are no longer there", r.Seq, d.File)
		}
	}
}

// Has says whether a head ("sha256:...") is one of the sitting's.
func (s *Sitting) Has(head string) bool {
	hash := strings.TrimPrefix(head, "sha256:")
	return slices.ContainsFunc(s.Entries(), func(r *Record) bool { return r.Hash == hash })
}

// adopt takes over what is damaged in a sitting, with its name.
func (v *Verification) adopt(s *Sitting) {
	for _, d := range s.v.Damage {
		d.Assessor = s.Assessor
		if d.File == "" && d.Segment != "" {
			d.File = s.v.dir + d.Segment
		}
		if d.File == "" {
			d.File = s.v.dir
		}
		d.Text = Text{FR: "décisions prises par " + s.Assessor + " : " + d.Text.FR, EN: "decisions by " + s.Assessor + ": " + d.Text.EN}
		v.Damage = append(v.Damage, d)
	}
}

// witnessDecisions looks for a witnessed head among the decisions.
func (v *Verification) witnessDecisions(head string) bool {
	for _, s := range v.Jury {
		if i := slices.IndexFunc(s.Entries(), func(r *Record) bool { return r.Hash == head }); i >= 0 {
			s.Witnessed = max(s.Witnessed, uint64(i)+1)
			return true
		}
	}
	return false
}

// witnessSitting compares a sitting with a checkpoint of it that was kept
// elsewhere.
func (v *Verification) witnessSitting(origin string, msg []byte) {
	for _, s := range v.Jury {
		if Origin(s.v.Lab, s.v.Session) != origin {
			continue
		}
		known := len(s.v.Damage)
		s.v.witnessCheckpoint(msg)
		s.Witnessed = s.v.Witnessed
		s.v.Damage = s.v.Damage[known:]
		v.adopt(s)
		return
	}
	v.add(Damage{Code: DecisionsGone, File: JuryDir + origin[strings.LastIndex(origin, "/")+1:] + "/"}, "les décisions attestées (%s) ne sont pas dans ce dossier", "the witnessed decisions (%s) are not in this bundle", origin)
}
