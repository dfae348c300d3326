package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// ticksPerSecond is the number of the kernel's ticks in a second of CPU time: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// server is a child process under measurement.
type server struct {
	address netip.AddrPort
	admin   string            // address of the agent's admin listener
	program *children.Program // nil if it could not be started
	request []byte            // what reads ask; nil for events
	close   func() error      // ends other processes that the server needs; nil for none

	core *core // of an aggregator
}

// core describes an aggregator as it was started.
type core struct {
	program    string   // the aggregator
	env        []string // what its commands must know
	clickHouse *children.ClickHouse
	agents     string // where agents reach it
	token, app string // of its owner, and an app
}

// stop ends the server and the processes that it needs.
func (s *server) stop() error {
	var errs [2]error
	if s.program != nil {
		errs[0] = s.program.Stop()
	}
	if s.close != nil {
		errs[1] = s.close()
	}
	return errors.Join(errs[:]...)
}

// startBaseline starts this program as a baseline.
func startBaseline(ctx context.Context, kind, dir string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{address: address, program: &children.Program{
		Command: children.Command{Name: kind, Path: self, Args: []string{"target", "--kind", kind, "--listen", address.String()},
			Log: filepath.Join(dir, kind+".log")},
		Ready: func(ctx context.Context) error {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", address.String())
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}}
	return s, s.program.Start(ctx)
}

func freeAddress() (netip.AddrPort, error) {
	port, err := children.FreePort(0)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), nil
}

// cpu is the CPU time that the process has used, in user code and in the kernel.
func (s *server) cpu() (time.Duration, error) {
	data, err := os.ReadFile(s.proc("stat"))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	return parseStat(data)
}

// parseStat reads utime and stime, the fields 14 and 15. The second, the program's name, may
// hold spaces and parentheses, so counting begins behind the last one. proc(5).
func parseStat(data []byte) (time.Duration, error) {
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: %q", data)
	}
	ticks := int64(0)
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// peak is the most memory that the process has had resident, in bytes.
func (s *server) peak() (int64, error) { return s.memory("VmHWM:") }

// resident is the server's resident memory now.
func (s *server) resident() (int64, error) { return s.memory("VmRSS:") }

func (s *server) memory(field string) (int64, error) {
	return memoryOf(s.program.Process().PID(), field)
}

// memoryOf reads a field of a process's status in bytes.
func memoryOf(pid int, field string) (int64, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return parseMemory(data, field)
}

func parseMemory(data []byte, field string) (int64, error) {
	_, rest, _ := bytes.Cut(data, []byte(field))
	number, _, ok := bytes.Cut(rest, []byte(" kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("read memory: no %s in %.200q", field, data)
	}
	return n << 10, nil
}

func (s *server) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(s.program.Process().PID()), file)
}
