package cable

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/situlab/situlab/labnet/cable/internal/netns"
)

// lossScale is the resolution of a loss: one frame in a million.
const lossScale = 1_000_000

// nft lends an nftables connection in the switch namespace.
func (s *Switch) nft(f func(*nftables.Conn) error) error {
	var c *nftables.Conn
	err := netns.DoFile(s.sw.File(), func() (err error) {
		c, err = nftables.New(nftables.AsLasting())
		return err
	})
	if err != nil {
		return unsupported("nftables", "load the module nf_tables", err)
	}
	return errors.Join(f(c), c.CloseLasting())
}

// setLoss drops frames at random by rules on the port's own device hooks,
// where netem does not.
func (s *Switch) setLoss(r *record) error {
	var to, from float64
	if !r.ToNode.emulated(ToNode) {
		to = r.ToNode.LossPercent
	}
	if !r.FromNode.emulated(FromNode) {
		from = r.FromNode.LossPercent
	}
	if to == 0 && from == 0 {
		return nil
	}
	err := s.nft(func(c *nftables.Conn) error {
		t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: r.port()})
		if to > 0 {
			addLoss(c, t, "to", nftables.ChainHookEgress, r.port(), to)
		}
		if from > 0 {
			addLoss(c, t, "from", nftables.ChainHookIngress, r.port(), from)
		}
		return c.Flush()
	})
	if err != nil {
		return unsupported("nftables netdev hooks with numgen", "Linux 5.16 or newer with NFT_NUMGEN and NETFILTER_EGRESS", fmt.Errorf("loss: %w", err))
	}
	return nil
}

func addLoss(c *nftables.Conn, t *nftables.Table, name string, hook *nftables.ChainHook, device string, percent float64) {
	ch := c.AddChain(&nftables.Chain{
		Table: t, Name: name, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityFilter, Device: device,
	})
	c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: []expr.Any{
		&expr.Numgen{Register: 1, Modulus: lossScale, Type: unix.NFT_NG_RANDOM},
		// numgen yields host order, comparisons are of bytes.
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(percent / 100 * lossScale))},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
}

// clearLoss removes a port's table if it had one.
func (s *Switch) clearLoss(r *record) error {
	if r.ToNode.LossPercent == 0 && r.FromNode.LossPercent == 0 {
		return nil
	}
	err := s.nft(func(c *nftables.Conn) error {
		c.DelTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: r.port()})
		return c.Flush()
	})
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("heal the loss of %s: %w", r.key(), err)
	}
	return nil
}
