package console

import (
	"embed"
	"io/fs"
)

// dist holds what `npm run build` wrote. In a fresh clone it holds only
// placeholder.html, so the module compiles before any npm command was run.
//
//go:embed all:dist
var dist embed.FS

// Files returns the built console, rooted where index.html is.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // fs.Sub only refuses an invalid name, and "dist" is a valid one
	}
	return files
}
