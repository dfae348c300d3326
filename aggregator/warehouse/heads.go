package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/pass"
)

// maxHeads bounds how many heads are read: with one a minute, those of a week.
const maxHeads = 10_000

// AuditHeads keeps copies of the signed heads of the audit log.
type AuditHeads struct{ *server }

// KeepHead stores a copy of a signed head of the audit log, as text, under the number of its entry.
// Nothing is replaced: another head of the same entry is kept beside it.
func (w *AuditHeads) KeepHead(ctx context.Context, seq uint64, head []byte) error {
	return w.send(ctx, "audit_heads", []column{{"seq", []uint64{seq}}, {"head", []string{string(head)}}}, 1)
}

// Heads returns the newest copies, oldest first. They are nobody's to see: they are compared with the log.
func (w *AuditHeads) Heads(ctx context.Context) (heads [][]byte, err error) {
	err = each(pass.Without(ctx), w.read, func(r driver.Rows) error {
		var head string
		err := r.Scan(&head)
		heads = append(heads, []byte(head))
		return err
	}, "SELECT head FROM (SELECT DISTINCT seq, head FROM audit_heads ORDER BY seq DESC LIMIT ?) ORDER BY seq", maxHeads)
	if err != nil {
		return nil, fmt.Errorf("read copies of audit heads: %w", err)
	}
	return heads, nil
}
