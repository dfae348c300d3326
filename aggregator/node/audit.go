package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// How often the end of the audit log is signed: entries that are cut off within that time go unnoticed.
const (
	signEvery  = time.Minute
	signLease  = "audit-head"
	maxHeads   = 10_000_000 // lines of a file that audit verify reads
	headsBytes = 4 << 10    // of one line
)

// auditSigner signs the end of the audit log, on one node at a time, and leaves copies outside of the
// database: in the log, in ClickHouse, and in a file if there is one.
type auditSigner struct {
	accounts  *accounts.Accounts
	warehouse *warehouse.Warehouse
	owner     string
	file      string // empty for none
	log       *slog.Logger

	waiting *postgres.SignedHead // its copies failed
}

// Run signs until ctx ends, and once more at the end.
func (s *auditSigner) Run(ctx context.Context) error {
	ticker := time.NewTicker(signEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			s.attempt(last)
			return nil
		case <-ticker.C:
			s.attempt(ctx)
		}
	}
}

func (s *auditSigner) attempt(ctx context.Context) {
	if err := s.sign(ctx); err != nil {
		s.log.Error("audit log not signed", "error", err)
	}
}

func (s *auditSigner) sign(ctx context.Context) error {
	if _, held, err := s.accounts.Lease(ctx, signLease, s.owner, 2*signEvery); err != nil || !held {
		return err
	}
	head, fresh, err := s.accounts.SignAuditHead(ctx)
	if err != nil {
		return err
	}
	if fresh {
		s.log.Info("audit log signed", "seq", head.Seq, "hash", head.Hash, "time", head.Time, "key", head.Key, "signature", head.Signature)
		s.waiting = &head
	}
	if s.waiting == nil {
		return nil
	}
	if err := s.copy(ctx, *s.waiting); err != nil {
		return err // again in a minute, or with the next head, which says more
	}
	s.waiting = nil
	return nil
}

// copy leaves a head everywhere outside of Postgres.
func (s *auditSigner) copy(ctx context.Context, head postgres.SignedHead) error {
	line, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode audit head: %w", err)
	}
	err = s.warehouse.KeepHead(ctx, uint64(head.Seq), line)
	if s.file != "" {
		err = errors.Join(err, appendHead(s.file, line))
	}
	return err
}

// appendHead adds a line that is on the disk when it returns, whole or not at all: half a line, of a full
// disk or of a machine that died, would spoil the file for whoever reads it.
func appendHead(name string, line []byte) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open file of audit heads: %w", err)
	}
	whole, err := wholeLines(file)
	if err == nil {
		if _, err = file.Write(append(line, '\n')); err == nil {
			err = file.Sync()
		}
		if err != nil {
			err = errors.Join(err, file.Truncate(whole))
		}
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write file of audit heads: %w", err)
	}
	return nil
}

// wholeLines returns how long the file is, after it has cut off a head that was never finished.
func wholeLines(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	tail := make([]byte, min(size, headsBytes))
	if _, err := file.ReadAt(tail, size-int64(len(tail))); err != nil {
		return 0, err
	}
	torn := tail[bytes.LastIndexByte(tail, '\n')+1:]
	const begins = `{"seq":`
	switch n := min(len(torn), len(begins)); {
	case n == 0:
		return size, nil
	case string(torn[:n]) != begins[:n]:
		return 0, errors.New("its last line is no head of ours: name another file")
	}
	size -= int64(len(torn))
	return size, file.Truncate(size)
}

// readHeads reads what appendHead wrote.
func readHeads(name string) ([]postgres.SignedHead, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open file of audit heads: %w", err)
	}
	defer file.Close()
	var heads []postgres.SignedHead
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, headsBytes)
	for lines.Scan() {
		var head postgres.SignedHead
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil || len(heads) == maxHeads {
			return nil, fmt.Errorf("read file of audit heads: line %d is no signed head, or one too many", len(heads)+1)
		}
		heads = append(heads, head)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read file of audit heads: %w", err)
	}
	return heads, nil
}

// copiedHeads reads the copies in ClickHouse.
func copiedHeads(w *warehouse.Warehouse) func(context.Context) ([]postgres.SignedHead, error) {
	return func(ctx context.Context) ([]postgres.SignedHead, error) {
		lines, err := w.Heads(ctx)
		if err != nil {
			return nil, err
		}
		heads := make([]postgres.SignedHead, len(lines))
		for i, line := range lines {
			if err := json.Unmarshal(line, &heads[i]); err != nil {
				return nil, fmt.Errorf("read copies of audit heads: one is no signed head: %w", err)
			}
		}
		return heads, nil
	}
}

// verifyConfig is what verifying takes.
type verifyConfig struct {
	postgresConfig
	ClickHouseDSN daemon.Secret `config:"clickhouse_dsn" help:"clickhouse://user:password@host:9000/database; compares the log with the signatures that are copied there"`
}

func auditCommand() *cobra.Command {
	audit := &cobra.Command{Use: "audit", Short: "Check the audit log", RunE: needsSubcommand}
	var file string
	config := &verifyConfig{}
	verify := daemon.Command("verify", "verify the audit log's chain and signatures; fails at the first bad entry", config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		a, err := openAccounts(ctx, &Config{PostgresDSN: config.PostgresDSN, MasterKey: config.MasterKey})
		if err != nil {
			return err
		}
		defer a.Close()
		if config.ClickHouseDSN == "" {
			return verifyAudit(ctx, std.Out, a, nil, file)
		}
		w, err := warehouse.Open(ctx, warehouse.Options{DSN: string(config.ClickHouseDSN)})
		if err != nil {
			return err
		}
		return errors.Join(verifyAudit(ctx, std.Out, a, w, file), w.Close())
	})
	verify.Flags().StringVar(&file, "heads", "", "file that audit_heads named: finds a log that was cut off together with its signatures")
	audit.AddCommand(verify)
	return audit
}

// verifyAudit compares the log with the copies in a file and in ClickHouse, where there are any.
func verifyAudit(ctx context.Context, out io.Writer, a *accounts.Accounts, w *warehouse.Warehouse, file string) error {
	heads, err := readHeads(file)
	if err != nil {
		return err
	}
	if w != nil {
		copied, err := copiedHeads(w)(ctx)
		if err != nil {
			return err
		}
		heads = append(heads, copied...)
	}
	v, err := a.VerifyAudit(ctx, heads...)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(v); err != nil {
		return err
	}
	if !v.Valid {
		return errors.New("the audit log was tampered with")
	}
	return nil
}
