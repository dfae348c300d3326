#!/bin/sh
# Makes the user and tells systemd of the unit. Starting it is the operator's: it needs settings first.
# An upgrade restarts what runs.
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart unmogrowp-${PROGRAM}.service || true
fi
