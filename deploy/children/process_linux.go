package children

import "syscall"

// attributes gives the child its own process group, so that Ctrl-C in a
// terminal reaches only the parent, which then stops its children in order.
func attributes(c Command) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.Orphan}
	if c.User != nil {
		a.Credential = &syscall.Credential{Uid: c.User.UID, Gid: c.User.GID}
	}
	return a
}
