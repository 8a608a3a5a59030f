package evidence

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFlipEveryByteOfAMiB: every byte of a journal of 1 MiB is changed in turn;
// each change is detected, and located in its record or its checkpoint. What is
// before the record is as it was, so the reader begins there; every 5,000th
// change is verified as a whole bundle, too.
func TestFlipEveryByteOfAMiB(t *testing.T) {
	s := play(t, 2700, 256<<10)
	honest := Verify(s.files, Witness{})
	if !honest.OK() {
		t.Fatal(honest.Damage)
	}
	masks := []byte{0x01, 0x20, 0xff}
	flips, whole, size := 0, 0, 0
	lines := honest.scan.lines
	for i, l := range lines {
		name := honest.segmentNames[l.segment]
		data := s.files[JournalDir+name]
		begin, end := int(l.offset), int(l.offset)+headLen+len(l.json)+1
		pos := position{uint64(i), ZeroHash}
		if i > 0 {
			pos.prev = honest.scan.records[i-1].Hash
		}
		size += end - begin
		for at := begin; at < end; at++ {
			for k, mask := range masks {
				if !*all && k != at%len(masks) {
					continue
				}
				flips++
				data[at] ^= mask
				d := scanSegments([]segment{{name, data[begin:]}}, pos).damage
				if d == nil || d.Record != uint64(i)+1 || d.Segment != name || d.Offset != 0 {
					t.Fatalf("%s, byte %d (record %d) ^ %#x: %v", name, at, i+1, mask, d)
				}
				if flips%5000 == 0 {
					whole++
					v := Verify(s.files, Witness{})
					if len(v.Damage) == 0 || v.Damage[0].Code != DamagedRecord || v.Damage[0].Record != uint64(i)+1 || v.Damage[0].Segment != name || v.Damage[0].Offset != l.offset {
						t.Fatalf("%s, byte %d (record %d): %+v", name, at, i+1, v.Damage)
					}
				}
				data[at] ^= mask
			}
		}
	}
	checkpoints := honest.journal[CheckpointsName]
	notes, _ := splitCheckpoints(checkpoints)
	begin := 0
	for _, n := range notes {
		for at := begin; at <= begin+len(n); at++ {
			for _, mask := range masks {
				flips++
				checkpoints[at] ^= mask
				v := *honest
				v.Damage = nil
				v.checkCheckpoints()
				checkpoints[at] ^= mask
				if !slices.ContainsFunc(v.Damage, func(d Damage) bool {
					return d.File == checkpointsFile && d.Offset == int64(begin)
				}) {
					t.Fatalf("checkpoints, byte %d (note at %d) ^ %#x: %+v", at, begin, mask, v.Damage)
				}
			}
		}
		begin += len(n) + 1
	}
	if v := Verify(s.files, Witness{}); !v.OK() {
		t.Fatal(v.Damage)
	}
	t.Logf("%d bytes of %d records and %d of checkpoints, %d changes detected and located, %d of them in whole bundles", size, len(lines), len(checkpoints), flips, whole)
	if size < 1<<20 {
		t.Errorf("the journal has only %d bytes", size)
	}
}

// mutate damages a journal in one of the ways of disks and people.
func mutate(rng *rand.Rand, files map[string][]byte, names []string) {
	name := names[rng.IntN(len(names))]
	data := files[name]
	lines := bytes.SplitAfter(data, []byte("\n"))
	i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
	at := rng.IntN(len(data))
	switch rng.IntN(10) {
	case 0, 1, 2:
		data[at] ^= byte(1 << rng.IntN(8))
	case 3:
		files[name] = data[:at]
	case 4:
		files[name] = append(data, data[at:]...)
	case 5:
		files[name] = bytes.Join(slices.Delete(lines, i, i+1), nil)
	case 6:
		files[name] = bytes.Join(slices.Insert(lines, i, bytes.Clone(lines[j])), nil)
	case 7:
		lines[i], lines[j] = lines[j], lines[i]
		files[name] = bytes.Join(lines, nil)
	case 8:
		delete(files, name)
	case 9: // nothing, or other bytes with a right checksum
		if len(lines[i]) > headLen+200 && rng.IntN(2) == 0 {
			json := bytes.Clone(lines[i][headLen : len(lines[i])-1])
			json[rng.IntN(len(json))] ^= byte(1 << rng.IntN(8))
			lines[i] = frame(json)
			files[name] = bytes.Join(lines, nil)
		}
	}
}
