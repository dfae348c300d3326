package daemon

import (
	"runtime"
	"runtime/debug"
)

// version is stamped by the linker (-X github.com/unmogrowp/unmogrowp/protocol/daemon.version=…).
var version string

// revision is stamped by the linker likewise, for releases, which are built without the version control's own stamp.
var revision string

// Build describes the origin of a binary.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// BuildInfo describes the running binary: the stamped version, else the module version, else
// "dev".
func BuildInfo() Build {
	b := Build{Version: version, Revision: revision, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && b.Revision == "" {
				b.Revision = s.Value
			}
		}
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}
