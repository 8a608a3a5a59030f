package documents

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, md, want string }{
		{"heading", "# Titre é\n\n## Sous-titre\n### Petit", "Titre é\n=======\n\nSous-titre\n----------\n\nPetit\n"},
		{"paragraph", "un **deux** *trois*\n`quatre`, `a b`", "un deux trois quatre,\n`a b`\n"},
		{"lists", "- un deux trois quatre cinq\n- six\n  sept\n\n1. a\n2. b", "  - un deux trois quatre\n    cinq\n  - six sept\n\n 1. a\n 2. b\n"},
		{"code", "```\na  b\n\n  c\n```\nfin", "a  b\n\n  c\n\nfin\n"},
		{"quotation", "> un deux trois\n> quatre cinq six sept", "> un deux trois quatre\n> cinq six sept\n"},
		{"table", "| A | B |\n|---|---|\n| x\\|y | z |\n| 1 | 22 |", "A    B\n---  --\nx|y  z\n1    22\n"},
		{"broken cells", "| A | B | C |\n|---|---|---|\n| un deux trois | quatre cinq | x |\n| y | z | t |",
			"A          B          C\n---------  ---------  -\nun deux    quatre     x\ntrois      cinq\n\ny          z          t\n"},
		{"long word", "| A | B |\n|---|---|\n| abcdefghijklmnopqrstuvwxyz0123456789 | z |", "A                        B\n-----------------------  -\nabcdefghijklmnopqrstuvw  z\nxyz0123456789\n"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Text(c.md, 26-3*boolInt(c.name == "broken cells")); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestHTML(t *testing.T) {
	got := HTML("# T <b>\n\n- a **b**\n- c\n\n1. d\n\n| A |\n|---|\n| `x<y` |\n\n```\n<script>\n```\n> q")
	want := `<h1>T &lt;b&gt;</h1>
<ul>
<li>a <strong>b</strong></li>
<li>c</li>
</ul>
<ol>
<li>d</li>
</ol>
<table>
<tr><th>A</th></tr>
<tr><td><code>x&lt;y</code></td></tr>
</table>
<pre><code>&lt;script&gt;
</code></pre>
<blockquote><p>q</p></blockquote>
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTypography(t *testing.T) {
	in := "Attention : 20 h 45 ; « oui » ? 1 900 €/h, 99,5 % `ls : x`\n```\na : b\n```\n"
	want := "Attention_: 20_h_45_; «_oui_»_? 1_900_€/h, 99,5_% `ls : x`\n```\na : b\n```\n"
	if got := strings.ReplaceAll(typography(in), nbsp, "_"); got != want {
		t.Errorf("got %q want %q", got, want)
	}
}

func TestRuns(t *testing.T) {
	got := strings.Join(runs([]string{"pc-01", "pc-02", "pc-03", "x", "pc-05", "pc-06", "pc-10"}), ",")
	if want := "pc-01" + nbsp + "…" + nbsp + "pc-03,x,pc-05,pc-06,pc-10"; got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("# a\n| b |\n|---|\n- c\n```\nd")
	f.Fuzz(func(t *testing.T, md string) {
		Text(md, 80)
		HTML(md)
	})
}
