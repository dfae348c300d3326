package main

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// diskName is the file in the mounted directory.
const diskName = "disk"

// root is the mounted directory.
type root struct {
	fs.Inode
	disk *disk
}

// node is the file. Nothing of it is cached by the kernel: the disk below has the
// only cache.
type node struct {
	fs.Inode
	disk *disk
}

// serve mounts the disk in a directory.
func serve(dir string, d *disk) (*fuse.Server, error) {
	return fs.Mount(dir, &root{disk: d}, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "powercut", MaxWrite: 1 << 20}})
}

// OnAdd is called when the directory is mounted.
func (r *root) OnAdd(ctx context.Context) {
	file := r.NewPersistentInode(ctx, &node{disk: r.disk}, fs.StableAttr{Mode: syscall.S_IFREG})
	r.AddChild(diskName, file, true)
}

// Getattr tells the size.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size, out.Blksize = syscall.S_IFREG|0o600, uint64(n.disk.size), blockSize
	return 0
}

// Setattr changes nothing.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.Getattr(ctx, f, out)
}

// Open keeps the kernel from caching.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read reads.
func (n *node) Read(_ context.Context, _ fs.FileHandle, p []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	count, err := n.disk.read(p, at)
	return fuse.ReadResultData(p[:count]), errno(err)
}

// Write writes into the disk's cache.
func (n *node) Write(_ context.Context, _ fs.FileHandle, p []byte, at int64) (uint32, syscall.Errno) {
	if err := n.disk.write(p, at); err != nil {
		return 0, errno(err)
	}
	return uint32(len(p)), 0
}

// Fsync flushes it.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return errno(n.disk.flush())
}

// Flush is about closing, which makes nothing durable.
func (n *node) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// errno is the error number that the kernel is told.
func errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return syscall.EIO
}
