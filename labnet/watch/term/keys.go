package term

// keyCounter reads what a viewer types and keeps numbers only.
type keyCounter struct {
	state int // of an escape sequence
	param []byte
	paste bool
}

// The states of an escape sequence (ECMA-48 5.4).
const (
	ground = iota
	escape
	csi
	text     // OSC, DCS, APC: up to BEL or ST
	textEnd  // ESC inside such a text
	ss3Final // ESC O x: a function key
)

// typed are the counts of one piece of input.
type typed struct {
	keys   int  // keys, sequences counting as one; a pasted byte is one
	enters int  // lines given
	cancel bool // Ctrl-C, Ctrl-D or Ctrl-Z
}

// count advances over b. Answers of a terminal to a query (cursor position,
// device attributes, colours) are not keys.
func (k *keyCounter) count(b []byte) (n typed) {
	for _, c := range b {
		switch k.state {
		case ground:
			switch {
			case c == 0x1b:
				k.state, k.param = escape, k.param[:0]
			case c == '\r' || c == '\n':
				n.keys++
				if !k.paste || c == '\r' {
					n.enters++
				}
			case (c == 3 || c == 4 || c == 26) && !k.paste:
				n.keys++
				n.cancel = true
			case c < 0x80 || c >= 0xc0: // not the rest of a rune
				n.keys++
			}
		case escape:
			switch c {
			case '[':
				k.state = csi
			case 'O':
				k.state = ss3Final
			case ']', 'P', '_', '^', 'X':
				k.state = text
			case 0x1b:
			default: // Alt and a key
				k.state = ground
				n.keys++
			}
		case csi:
			if c < 0x40 || c > 0x7e {
				if len(k.param) < 16 {
					k.param = append(k.param, c)
				}
				continue
			}
			k.state = ground
			switch p := string(k.param); {
			case c == '~' && p == "200":
				k.paste = true
			case c == '~' && p == "201":
				k.paste = false
			case c == 'R' || c == 'c' || c == 'n' || c == 'y' || c == 't' || c == 'I' || c == 'O': // answers, focus
			default:
				n.keys++
			}
		case text:
			if c == 7 {
				k.state = ground
			} else if c == 0x1b {
				k.state = textEnd
			}
		case textEnd:
			k.state = text
			if c == '\\' {
				k.state = ground
			}
		case ss3Final:
			k.state = ground
			n.keys++
		}
	}
	return n
}
