package cable

import (
	"time"
)

// Direction says which frames of a cable are impaired.
type Direction int

// The directions, seen from the node.
const (
	Both Direction = iota
	ToNode
	FromNode
)

// Impairment is what a bad line does to frames. The zero value is a good line.
type Impairment struct {
	// RateBits limits the rate, in bits per second of Ethernet frames.
	RateBits uint64 `json:"rateBits,omitempty"`
	// LossPercent of the frames are lost, at random.
	LossPercent float64 `json:"lossPercent,omitempty"`
	// Delay is added to each frame, give or take Jitter (uniform).
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	// ReorderPercent of the frames overtake the delayed ones.
	ReorderPercent float64 `json:"reorderPercent,omitempty"`
	// DuplicatePercent of the frames arrive twice.
	DuplicatePercent float64 `json:"duplicatePercent,omitempty"`
}
