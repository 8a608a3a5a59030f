package evidence

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

// headLen is the length of "LLLLLLLL CCCCCCCC " before a record's JSON.
const headLen = 18

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A segment's line is its frame around the JSON of one record.
func frame(json []byte) []byte {
	n, crc := len(json), crc32.Checksum(json, castagnoli)
	out := make([]byte, 0, headLen+n+1)
	out = hexWord(out, uint32(n))
	out = append(out, ' ')
	out = hexWord(out, crc)
	out = append(out, ' ')
	out = append(out, json...)
	return append(out, '\n')
}

func hexWord(out []byte, v uint32) []byte {
	return hex.AppendEncode(out, []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// parseHex reads eight lower-case hexadecimal digits.
func parseHex(b []byte) (v uint32, ok bool) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(c)
	}
	return v, true
}

// unframe takes the first line of data apart: the JSON and the length of the
// whole line. Its errors are what a torn write leaves, or damage.
func unframe(data []byte) (json []byte, length int, err error) {
	if len(data) < headLen {
		return nil, 0, fmt.Errorf("only %d bytes are left", len(data))
	}
	n, ok1 := parseHex(data[:8])
	crc, ok2 := parseHex(data[9:17])
	switch {
	case !ok1 || !ok2 || data[8] != ' ' || data[17] != ' ':
		return nil, 0, errors.New("the line does not begin with length and checksum")
	case n == 0 || n > MaxLine:
		return nil, 0, fmt.Errorf("its length says %d bytes, 1 to %d are possible", n, MaxLine)
	case headLen+int(n)+1 > len(data):
		return nil, 0, fmt.Errorf("its length says %d bytes, %d are left", n, len(data)-headLen)
	}
	json, length = data[headLen:headLen+int(n)], headLen+int(n)+1
	switch got := crc32.Checksum(json, castagnoli); {
	case data[length-1] != '\n':
		return nil, 0, errors.New("there is no newline where its length says that it ends")
	case got != crc:
		return nil, 0, fmt.Errorf("its checksum says %08x, computed %08x", crc, got)
	case bytes.IndexByte(json, '\n') >= 0:
		return nil, 0, errors.New("a newline stands in the middle of it")
	}
	return json, length, nil
}

// Names of a journal's files, in its directory.
const (
	CheckpointsName = "checkpoints"
	segmentSuffix   = ".seg"
	cutPrefix       = "cut-"
	ackedName       = "acked"
	newSuffix       = ".new" // being written, not yet in its place
)

// SegmentName is the name of segment n, counted from 1.
func SegmentName(n int) string { return fmt.Sprintf("%06d%s", n, segmentSuffix) }

// numbered reads a name that mk makes; 0 for any other.
func numbered(name, format string) int {
	var n int
	if _, err := fmt.Sscanf(name, format, &n); err != nil || n < 1 || fmt.Sprintf(format, n) != name {
		return 0
	}
	return n
}

func segmentNumber(name string) int { return numbered(name, "%06d"+segmentSuffix) }
func cutNumber(name string) int     { return numbered(name, cutPrefix+"%d") }
