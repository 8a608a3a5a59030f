package criteria

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/situlab/situlab/grader/evidence"
)

// Ref names a paragraph of the référentiel, in French as printed there: a part
// ("III"), then what is counted within it ("II, capacité 3, critère 2, exemple
// 4": the fourth bullet of the second box of the third capacity).
type Ref string

// refShape are the parts that the référentiel has: its title; II, the table of
// capacities; III, the admission; IV, the modalities.
var refShape = regexp.MustCompile(`^(Titre` +
	`|II, capacité [1-6](, critère [1-5](, (phrase|exemple) [1-9])?)?` +
	`|III` +
	`|IV\.1, alinéa [1-3]` +
	`|IV\.2, A(, tiret [1-3])?` +
	`|IV\.2, B, [abcd](, forme [12])?)$`)

// UnmarshalText accepts the shape only; whether the paragraph exists is for
// whoever holds the text.
func (r *Ref) UnmarshalText(text []byte) error {
	if !refShape.Match(text) {
		return fmt.Errorf("%q is no paragraph of the référentiel; write it as in \"II, capacité 3, critère 1\"", text)
	}
	*r = Ref(text)
	return nil
}

var refEnglish = strings.NewReplacer("Titre", "Title", "capacité", "capability", "critère", "criterion", "phrase", "sentence",
	"exemple", "example", "alinéa", "paragraph", "tiret", "item", "forme", "form")

// Text is the reference for readers of either language.
func (r Ref) Text() evidence.Text {
	return evidence.Text{FR: string(r), EN: refEnglish.Replace(string(r))}
}
