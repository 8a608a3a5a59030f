package cable

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// families are the names that nft(8) uses.
var families = map[nftables.TableFamily]string{
	nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
	nftables.TableFamilyARP: "arp", nftables.TableFamilyNetdev: "netdev", nftables.TableFamilyBridge: "bridge",
}

// readNFT reads the ruleset of the calling thread's namespace. What the node
// wrote there must not be able to end the reader: a library that stumbles over
// it is an error in the state, not a panic.
func readNFT(truncated bool) (s NFTState, trunc bool) {
	trunc = truncated
	defer func() {
		if p := recover(); p != nil {
			s.Error = fmt.Sprint("ruleset not understood: ", p)
		}
	}()
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		s.Error = err.Error()
		return s, trunc
	}
	defer c.CloseLasting()
	if err := s.read(c); err != nil {
		if errors.Is(err, errTooMany) {
			return s, true
		}
		// A kernel without nftables has no ruleset.
		if !errors.Is(err, unix.EPROTONOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
			s.Error = err.Error()
		}
	}
	return s, trunc
}

var errTooMany = errors.New("too many entries")

func (s *NFTState) add(format string, args ...any) error {
	if len(s.Text) >= maxEntries {
		return errTooMany
	}
	s.Text = append(s.Text, clean(fmt.Sprintf(format, args...)))
	return nil
}

func (s *NFTState) read(c *nftables.Conn) error {
	tables, err := c.ListTables()
	if err != nil {
		return fmt.Errorf("nft tables: %w", err)
	}
	s.Tables = len(tables)
	if len(tables) == 0 {
		return nil
	}
	name := func(t *nftables.Table) string { return families[t.Family] + " " + t.Name }
	slices.SortStableFunc(tables, func(a, b *nftables.Table) int { return strings.Compare(name(a), name(b)) })
	chains, err := c.ListChains()
	if err != nil {
		return fmt.Errorf("nft chains: %w", err)
	}
	for _, t := range tables {
		flags := ""
		if t.Flags&1 != 0 { // NFT_TABLE_F_DORMANT: its chains are not hooked
			flags = " dormant"
		}
		if err := s.add("table %s%s", name(t), flags); err != nil {
			return err
		}
		if err := s.readSets(c, t, name(t)); err != nil {
			return err
		}
		for _, ch := range chains {
			if ch.Table.Name != t.Name || ch.Table.Family != t.Family {
				continue
			}
			ch.Table = t
			if err := s.readChain(c, ch, name(t)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *NFTState) readChain(c *nftables.Conn, ch *nftables.Chain, table string) error {
	head := "chain " + table + " " + ch.Name
	if ch.Hooknum != nil {
		head += fmt.Sprintf(" type %s hook %s", ch.Type, hookName(ch.Table.Family, *ch.Hooknum))
		if ch.Priority != nil {
			head += fmt.Sprintf(" priority %d", *ch.Priority)
		}
		if ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			head += " policy drop"
		} else {
			head += " policy accept"
		}
	}
	if err := s.add("%s", head); err != nil {
		return err
	}
	rules, err := c.GetRules(ch.Table, ch)
	if err != nil {
		return fmt.Errorf("nft rules of %s %s: %w", table, ch.Name, err)
	}
	s.Rules += len(rules)
	for _, r := range rules {
		if err := s.add("rule %s %s: %s", table, ch.Name, ruleExprs(ch.Table.Family, r.Exprs)); err != nil {
			return err
		}
	}
	return nil
}

func (s *NFTState) readSets(c *nftables.Conn, t *nftables.Table, table string) error {
	sets, err := c.GetSets(t)
	if err != nil {
		return fmt.Errorf("nft sets of %s: %w", table, err)
	}
	for _, set := range sets {
		set.Table = t
		elems, err := c.GetSetElements(set)
		if err != nil {
			return fmt.Errorf("nft set %s of %s: %w", set.Name, table, err)
		}
		var keys []string
		if !set.Dynamic { // filled by packets: changes by itself
			for i, e := range elems {
				if i >= maxEntries {
					return errTooMany
				}
				k := value(set.KeyType.Name, e.Key)
				if e.IntervalEnd {
					k = "end " + k
				}
				if len(e.KeyEnd) > 0 {
					k += "-" + value(set.KeyType.Name, e.KeyEnd)
				}
				if e.VerdictData != nil {
					k += " : " + verdict(e.VerdictData)
				} else if len(e.Val) > 0 {
					k += " : " + value(set.DataType.Name, e.Val)
				}
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		if err := s.add("set %s %s type %s { %s }", table, set.Name, set.KeyType.Name, strings.Join(keys, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// hookName is the hook's name in nft(8): the numbers mean different things per
// family (linux/netfilter.h, netfilter_arp.h).
func hookName(f nftables.TableFamily, h nftables.ChainHook) string {
	names := []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	switch f {
	case nftables.TableFamilyNetdev:
		names = []string{"ingress", "egress"}
	case nftables.TableFamilyARP:
		names = []string{"input", "output", "forward"}
	}
	if int(h) < len(names) {
		return names[h]
	}
	return fmt.Sprint(uint32(h))
}
