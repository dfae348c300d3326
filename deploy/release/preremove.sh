#!/bin/sh
# Stops what runs when the package is removed; an upgrade restarts it afterwards instead. dpkg says
# "remove" or "upgrade", rpm how many versions are left.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now unmogrowp-${PROGRAM}.service || true
	fi
	;;
esac
