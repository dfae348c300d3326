package uplink

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/unmogrowp/unmogrowp/protocol"
)

const membersFile = "members.json"

// maxMembers bounds the member table that is believed.
const maxMembers = 128

// memberStore holds the aggregators that the last session told of, also over
// a restart: the configured ones may all be gone by then.
type memberStore struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	members []protocol.Member
}

func openMembers(dir string, log *slog.Logger) *memberStore {
	s := &memberStore{path: filepath.Join(dir, membersFile), log: log}
	raw, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(raw, &s.members)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("uplink member table is not readable; the configured aggregators are used", "path", s.path, "error", err)
	}
	return s
}

func (s *memberStore) list() []protocol.Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members
}

// replace takes a new table. An empty one is not believed: it would leave the
// agent with nowhere to go.
func (s *memberStore) replace(members []protocol.Member) {
	if len(members) == 0 {
		return
	}
	members = members[:min(len(members), maxMembers)]
	s.mu.Lock()
	same := slices.Equal(s.members, members)
	s.members = members
	s.mu.Unlock()
	if same {
		return
	}
	if err := saveMembers(filepath.Dir(s.path), members); err != nil {
		s.log.Warn("uplink member table is not saved", "error", err)
	}
}

func saveMembers(dir string, members []protocol.Member) error {
	raw, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return writeFileSync(filepath.Join(dir, membersFile), raw)
}
