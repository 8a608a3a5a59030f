package oci

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/situlab/situlab/labnet/node"
)

// The limits of a node that asks for none.
const (
	// DefaultMemory in bytes, enough for a workstation.
	DefaultMemory = 96 << 20
	// DefaultPIDs bounds processes and threads.
	DefaultPIDs = 1024
)

// template is the part of the bundle that all nodes share: capabilities,
// seccomp, mounts, masks.
//
// Socket families are refused by "greater than 17" and by name below: a refusal
// by equality alone would compare 64 bits where the kernel uses 32, and let
// 1<<32|AF_VSOCK pass. /proc/sys is not read-only: routers need their sysctls,
// and the kernel itself refuses what is not the node's own.
//
//go:embed config.json
var template []byte

// bundle returns the OCI configuration of one node whose directory is dir.
func bundle(s node.Spec, dir string, cg hierarchies) (*specs.Spec, error) {
	var c specs.Spec
	if err := json.Unmarshal(template, &c); err != nil {
		return nil, fmt.Errorf("embedded config.json: %w", err)
	}
	c.Hostname = s.Name
	c.Root.Path = filepath.Join(dir, "rootfs")

	flags := []string{"nosuid", "noexec", "nodev", "rw"}
	c.Mounts = append(c.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: flags})
	if cg.mode == Hybrid {
		// Without it systemd misses "cgroup empty" and stops hang for 90 s.
		c.Mounts = append(c.Mounts, specs.Mount{Destination: "/sys/fs/cgroup/unified", Type: "cgroup2", Source: "cgroup2", Options: flags})
	}
	c.Mounts = append(c.Mounts,
		specs.Mount{Destination: "/dev/pts", Type: "bind", Source: filepath.Join(dir, "pts"), Options: []string{"bind", "nosuid", "noexec"}},
		hostDir("/run/host", filepath.Join(dir, "host")))
	for _, k := range s.Sockets {
		c.Mounts = append(c.Mounts, hostDir(k.Path, k.HostDir))
	}

	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: s.IDBase, Size: rangeSize}}
	c.Linux.UIDMappings, c.Linux.GIDMappings = ids, ids
	c.Linux.CgroupsPath = cgroupOf(s.Lab, s.Name)

	memory, pids := s.Memory, s.PIDs
	if memory == 0 {
		memory = DefaultMemory
	}
	if pids == 0 {
		pids = DefaultPIDs
	}
	c.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
	if cg.countsSwap() {
		c.Linux.Resources.Memory.Swap = &memory
	}
	c.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	if s.CPUShares != 0 {
		c.Linux.Resources.CPU = &specs.LinuxCPU{Shares: &s.CPUShares}
	}
	return &c, nil
}

// hostDir shows a host directory that holds one socket; read-only, so that the
// node can talk through it and change nothing.
func hostDir(inside, host string) specs.Mount {
	return specs.Mount{Destination: inside, Type: "bind", Source: host,
		Options: []string{"bind", "ro", "nosuid", "nodev", "noexec"}}
}

// countsSwap says whether a limit on swap can be set (runc fails otherwise).
func (h hierarchies) countsSwap() bool {
	file := "/proc/swaps"
	if d, ok := h.with("memory", "/"); ok {
		file = filepath.Join(d, "memory.memsw.limit_in_bytes")
	}
	_, err := os.Stat(file)
	return err == nil
}

// labCGroup and cgroupOf are paths below each hierarchy's root.
func labCGroup(lab string) string      { return "/" + cgroupRoot + "/" + lab }
func cgroupOf(lab, name string) string { return labCGroup(lab) + "/" + name }

// cgroupRoot is the cgroup that holds all labs of a host.
const cgroupRoot = "situlab"
