package apps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Bounds of runs.
const (
	maxRuns        = 200     // that an app keeps
	maxUnfinished  = 10      // of an app
	maxErasures    = 1000    // of an app that are not finished; those that are, stay as a record
	maxRunAttempts = 5       // times that a run is taken before it is given up
	maxRunResult   = 8 << 20 // bytes
)

// erasureKind is the kind of runs that erase a person. People have a right to
// them, so other runs are not in their way.
const erasureKind = "erasure"

// Runs are the computations that apps have ordered.
type Runs struct{ pool *postgres.Pool }

// NewRuns gives the runs of a database.
func NewRuns(pool *postgres.Pool) *Runs { return &Runs{pool: pool} }

// The states of a run.
const (
	RunPending   = "pending"
	RunRunning   = "running"
	RunDone      = "done"
	RunFailed    = "failed"
	RunCancelled = "cancelled"
)

// Run is a computation that any node does in the background.
type Run struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Name       string          `json:"name,omitempty"`
	Parameters json.RawMessage `json:"parameters"`
	State      string          `json:"state"`    // pending, running, done, failed or cancelled
	Progress   float64         `json:"progress"` // 0 to 1
	Fault      string          `json:"fault,omitempty"`
	By         string          `json:"created_by"` // user id
	Created    time.Time       `json:"created_at"`
	Started    *time.Time      `json:"started_at"`
	Finished   *time.Time      `json:"finished_at"`
	Result     json.RawMessage `json:"result,omitempty"` // of one that is done; lists leave it out

	App string `json:"-"`
}

// Job is a run that the caller has a lease on.
type Job struct {
	Run
	Epoch int64  // fences those who had the lease before
	Mark  string // what Keep stored last
}

const runColumns = `id, app, kind, name, parameters, state, progress::float8 / 1e6, fault, created_by, created_at, started_at, finished_at`

func scanRun(row pgx.CollectableRow) (r Run, err error) {
	err = r.scan(row)
	return r, err
}

// scan reads runColumns, before whatever columns come after them.
func (r *Run) scan(row pgx.Row, more ...any) error {
	fields := []any{&r.ID, &r.App, &r.Kind, &r.Name, &r.Parameters, &r.State, &r.Progress, &r.Fault, &r.By, &r.Created, &r.Started, &r.Finished}
	if err := row.Scan(append(fields, more...)...); err != nil {
		return err
	}
	r.Created = r.Created.UTC()
	for _, t := range []*time.Time{r.Started, r.Finished} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return nil
}

// CreateRun orders a run. A name, where there is one, is unique among the app's runs of that kind.
func (a *Runs) CreateRun(ctx context.Context, app, kind, name string, parameters any) (Run, error) {
	var run Run
	if name != "" && !regexp.MustCompile(`^[\pL\pN][\pL\pN ._-]{0,63}$`).MatchString(name) {
		return run, postgres.Invalid("the name must have 1 to 64 letters, digits, spaces and . _ -, the first a letter or a digit")
	}
	text, err := json.Marshal(parameters)
	if err != nil {
		return run, fmt.Errorf("encode parameters of a run: %w", err)
	}
	id, err := postgres.NewID()
	if err != nil {
		return run, err
	}
	err = a.pool.Change(ctx, "create run", func(tx pgx.Tx) error {
		if err := Lock(ctx, tx, app); err != nil {
			return err
		}
		var all, unfinished int
		err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE state IN ('pending', 'running')) FROM runs WHERE app = $1 AND (kind = 'erasure') = ($2 = 'erasure')`, app, kind).Scan(&all, &unfinished)
		switch {
		case err != nil:
			return err
		case kind != erasureKind && all >= maxRuns:
			return postgres.Invalid("the app has %d runs, which is the limit: delete some", all)
		case kind == erasureKind && unfinished >= maxErasures:
			return postgres.Invalid("%d erasures of the app are not finished, which is the limit: wait", unfinished)
		case kind != erasureKind && unfinished >= maxUnfinished:
			return postgres.Invalid("%d runs of the app are not finished, which is the limit: wait, or cancel some", unfinished)
		}
		rows, err := tx.Query(ctx, `INSERT INTO runs (id, app, kind, name, parameters, created_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING `+runColumns,
			id, app, kind, name, string(text), postgres.ActorOf(ctx).ID)
		if err != nil {
			return err
		}
		if run, err = pgx.CollectExactlyOneRow(rows, scanRun); err != nil {
			return err
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "run.create", Target: id, App: app, Detail: map[string]any{"kind": kind, "name": name, "parameters": json.RawMessage(text)}})
	})
	return run, err
}

// Runs returns the latest runs of an app, of one kind or, if it is empty, of all.
func (a *Runs) List(ctx context.Context, app, kind string) ([]Run, error) {
	rows, err := a.pool.Query(ctx, `SELECT `+runColumns+` FROM runs WHERE app = $1 AND ($2 = '' OR kind = $2) ORDER BY created_at DESC, id DESC LIMIT $3`, app, kind, maxRuns)
	if err != nil {
		return nil, postgres.Wrap("read runs", err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	return runs, postgres.Wrap("read runs", err)
}

// Run returns one run with its result.
func (a *Runs) Run(ctx context.Context, app, id string) (Run, error) {
	var run Run
	err := run.scan(a.pool.QueryRow(ctx, `SELECT `+runColumns+`, result FROM runs WHERE app = $1 AND id = $2`, app, id), &run.Result)
	return run, postgres.Wrap("read run", err)
}

// CancelRun ends a run that is not finished: whoever does it is told when they next say that they do.
func (a *Runs) CancelRun(ctx context.Context, app, id string) error {
	return a.pool.Change(ctx, "cancel run", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE runs SET state = 'cancelled', epoch = epoch + 1, finished_at = clock_timestamp()
			WHERE app = $1 AND id = $2 AND state IN ('pending', 'running')`, app, id)
		if err != nil || done.RowsAffected() == 0 {
			return errors.Join(err, notIf(err == nil, postgres.ErrNotFound))
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "run.cancel", Target: id, App: app})
	})
}

func notIf(wanted bool, err error) error {
	if wanted {
		return err
	}
	return nil
}

// DeleteRun forgets a run, after forget has removed what else there is of it. One that is not finished
// is ErrExists: cancel it first.
func (a *Runs) DeleteRun(ctx context.Context, app, id string, forget func(Run) error) error {
	run, err := a.Run(ctx, app, id)
	switch {
	case err != nil:
		return err
	case run.State == RunPending || run.State == RunRunning:
		return fmt.Errorf("delete run: it is %s: %w", run.State, postgres.ErrExists)
	}
	if err := forget(run); err != nil {
		return err
	}
	return a.pool.Change(ctx, "delete run", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM runs WHERE app = $1 AND id = $2 AND state NOT IN ('pending', 'running')`, app, id)
		if err != nil || done.RowsAffected() == 0 {
			return errors.Join(err, notIf(err == nil, postgres.ErrNotFound))
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "run.delete", Target: id, App: app, Detail: map[string]any{"kind": run.Kind, "name": run.Name}})
	})
}

// TakeRun leases the oldest run that nobody does, false if there is none. One that was taken too often,
// because every node that did it died or could not do it, fails instead.
func (a *Runs) TakeRun(ctx context.Context, owner string, ttl time.Duration) (Job, bool, error) {
	_, err := a.pool.Exec(ctx, `UPDATE runs SET state = 'failed', finished_at = clock_timestamp(), fault = 'it was tried again and again and came to no end: the logs of the nodes say why, or it needs more than they have'
		WHERE state = 'running' AND lease_until <= clock_timestamp() AND attempts >= $1`, maxRunAttempts)
	if err != nil {
		return Job{}, false, postgres.Wrap("give up runs", err)
	}
	var job Job
	err = job.scan(a.pool.QueryRow(ctx, `UPDATE runs SET state = 'running', owner = $1, epoch = epoch + 1, attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
			lease_until = clock_timestamp() + $2::bigint * interval '1 millisecond'
		WHERE id = (SELECT id FROM runs WHERE state IN ('pending', 'running') AND lease_until <= clock_timestamp()
			ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+runColumns+`, epoch, mark`, owner, ttl.Milliseconds()), &job.Epoch, &job.Mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return Job{}, false, nil
	}
	return job, err == nil, postgres.Wrap("take run", err)
}

// KeepRun renews the lease on a run and stores how far it is. ErrFenced says that it was cancelled or
// that another node has it.
func (a *Runs) KeepRun(ctx context.Context, job Job, progress float64, mark string, ttl time.Duration) error {
	done, err := a.pool.Exec(ctx, `UPDATE runs SET progress = greatest(progress, $3), mark = $4,
			lease_until = clock_timestamp() + $5::bigint * interval '1 millisecond'
		WHERE id = $1 AND epoch = $2 AND state = 'running'`, job.ID, job.Epoch, int64(min(max(progress, 0), 1)*1e6), mark, ttl.Milliseconds())
	return fenced("keep run", done.RowsAffected(), err)
}

// Erasure is an erasure that was done: whom it meant, and up to when.
type Erasure struct {
	ID, App string
	Mark    string // the last that the run noted
	Ordered time.Time
}

// Erasures lists the erasures that were done, of deleted apps too, oldest first, after the given id.
func (a *Runs) Erasures(ctx context.Context, after string, limit int) ([]Erasure, error) {
	rows, err := a.pool.Query(ctx, `SELECT id, app, mark, created_at FROM runs WHERE kind = $1 AND state = $2 AND id > $3 ORDER BY id LIMIT $4`,
		erasureKind, RunDone, after, limit)
	if err != nil {
		return nil, postgres.Wrap("list erasures", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Erasure])
	return list, postgres.Wrap("list erasures", err)
}

// RepeatErasure has an erasure that was done done again: the warehouse is older than it.
func (a *Runs) RepeatErasure(ctx context.Context, e Erasure) error {
	return a.pool.Change(ctx, "repeat erasure", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE runs SET state = 'pending', epoch = epoch + 1, attempts = 0, progress = 0, finished_at = NULL, result = NULL,
			lease_until = clock_timestamp() WHERE id = $1 AND kind = $2 AND state = $3`, e.ID, erasureKind, RunDone)
		if err != nil || done.RowsAffected() == 0 {
			return err // another node was faster
		}
		return postgres.Audit(ctx, tx, postgres.Happened{Action: "erasure.repeat", Target: e.ID, App: e.App})
	})
}

// FinishRun stores the result of a run, or why it failed if fault is not empty.
func (a *Runs) FinishRun(ctx context.Context, job Job, result []byte, fault string) error {
	if len(result) > maxRunResult {
		result, fault = nil, fmt.Sprintf("the result has %d bytes, the limit is %d: ask for less", len(result), maxRunResult)
	}
	state, progress := RunDone, 1_000_000
	if fault != "" {
		state, progress, result = RunFailed, 0, nil
	}
	done, err := a.pool.Exec(ctx, `UPDATE runs SET state = $3, progress = greatest(progress, $4), result = $5, fault = $6, finished_at = clock_timestamp()
		WHERE id = $1 AND epoch = $2 AND state = 'running'`, job.ID, job.Epoch, state, progress, nullText(result), fault)
	return fenced("finish run", done.RowsAffected(), err)
}

// ReleaseRun gives a run back, for another node to go on with at once.
func (a *Runs) ReleaseRun(ctx context.Context, job Job) error {
	_, err := a.pool.Exec(ctx, `UPDATE runs SET lease_until = clock_timestamp(), epoch = epoch + 1, attempts = attempts - 1 WHERE id = $1 AND epoch = $2 AND state = 'running'`, job.ID, job.Epoch)
	return postgres.Wrap("release run", err)
}

// longestPostponed is the longest pause before a run is tried again.
const longestPostponed = 10 * time.Minute

// PostponeRun has a run that could not be done now tried again after a pause, which is four times as long
// each time: something that it needs may be away for minutes. An erasure is tried until it is done: nobody
// would know that it has to be ordered again.
func (a *Runs) PostponeRun(ctx context.Context, job Job, pause time.Duration) error {
	done, err := a.pool.Exec(ctx, `UPDATE runs SET epoch = epoch + 1, attempts = CASE WHEN kind = $5 THEN least(attempts, $6 - 1) ELSE attempts END,
			lease_until = clock_timestamp() + least($3::bigint * power(4, attempts - 1), $4::bigint) * interval '1 millisecond'
		WHERE id = $1 AND epoch = $2 AND state = 'running'`, job.ID, job.Epoch, pause.Milliseconds(), longestPostponed.Milliseconds(), erasureKind, maxRunAttempts)
	return fenced("postpone run", done.RowsAffected(), err)
}

func fenced(what string, rows int64, err error) error {
	if err == nil && rows == 0 {
		err = postgres.ErrFenced
	}
	return postgres.Wrap(what, err)
}

func nullText(text []byte) *string {
	if text == nil {
		return nil
	}
	s := string(text)
	return &s
}
