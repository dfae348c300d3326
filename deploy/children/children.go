// Package children finds, configures, starts, awaits and stops child processes:
// a real ClickHouse, a real Postgres, and any other program that a
// single-machine system is made of.
//
// Three things hold for every child:
//
//   - It does not outlive the process that started it, even when that one is
//     killed (see Command.Orphan).
//   - Its output goes to a log file, and an error that stems from its death
//     carries the end of that file.
//   - Killing it at any moment loses nothing that it promised: the next Start
//     in the same directory recovers.
//
// The binaries come from npm, pinned in npm/package-lock.json, and are put into
// a git-ignored cache by Install. Nothing here needs root or a container.
//
// Tests want the package childtest, which hands out databases on one shared
// server, and not the types of this package.
package children
