package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machine describes the machine, on which the figures depend.
type machine struct {
	CPU      string  `json:"cpu"`
	Cores    int     `json:"cores"`
	MemoryGB float64 `json:"memory_gb"`
	Kernel   string  `json:"kernel"`
	Go       string  `json:"go"`
	Disk     string  `json:"filesystem"`
	SyncP50  ms      `json:"sync_4k_p50_ms"` // one write of 4 KiB and fsync
	SyncP99  ms      `json:"sync_4k_p99_ms"`
	Load     float64 `json:"load_before"` // runnable processes over the last minute: others share the cores
}

// ms is a duration in milliseconds.
type ms float64

func milliseconds(d time.Duration) ms { return ms(d.Round(time.Microsecond).Seconds() * 1000) }

// thisMachine describes the machine, and the disk under dir.
func thisMachine(dir string) (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: field("/proc/cpuinfo", "model name"),
		Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease"))}
	kilobytes, _ := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64)
	m.MemoryGB = float64(int(kilobytes/1024/1024*10)) / 10
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	m.Load, _ = strconv.ParseFloat(first, 64)
	settle()
	var err error
	if m.Disk, err = filesystem(dir); err != nil {
		return m, err
	}
	m.SyncP50, m.SyncP99, err = probeSync(filepath.Join(dir, "probe"))
	return m, err
}

// read returns a small file of /proc, empty where there is none: a description may lack a line.
func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

func field(path, name string) string {
	for line := range strings.Lines(read(path)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func filesystem(dir string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "", fmt.Errorf("look at the disk: %w", err)
	}
	switch int64(s.Type) { // statfs(2)
	case 0xef53:
		return "ext4", nil
	case 0x01021994:
		return "tmpfs (fsync costs nothing here, the agent's figures are too good)", nil
	case 0x58465342:
		return "xfs", nil
	case 0x9123683e:
		return "btrfs", nil
	case 0x794c7630:
		return "overlay", nil
	}
	return fmt.Sprintf("type %#x", s.Type), nil
}

// settle waits until everything that was written before is on the disk: else the kernel would
// write what others have left to it while a cell is measured, and the cell waits for the disk.
func settle() { syscall.Sync() }

// probeSync says how long it takes until 4 KiB are on the disk.
func probeSync(path string) (p50, p99 ms, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, 0, fmt.Errorf("probe the disk: %w", err)
	}
	defer os.Remove(path)
	defer f.Close()
	block := bytes.Repeat([]byte("unmogrowp"), 500)[:4096]
	var all []time.Duration
	for range 200 {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, 0, fmt.Errorf("probe the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, 0, fmt.Errorf("probe the disk: %w", err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return milliseconds(all[len(all)/2]), milliseconds(all[len(all)*99/100]), nil
}
