#!/usr/bin/env bash
# Scripted candidate "reference-tmux": the reference, working inside tmux, and by
# ssh wherever the network leads.
if [ -z "${TMUX:-}" ]; then
  export TERM="${TERM:-xterm}"
  if [ -t 0 ] && [ "$TERM" != dumb ]; then
    exec tmux -u new-session -s travail "bash '$0'"
  fi
  tmux -u new-session -d -s travail "bash '$0'; tmux wait-for -S fini"
  exec tmux wait-for fini
fi

# on NODE CMD...: a login that does not come to pass (255) is not tried again, the
# console takes its place.
on() {
  local node=$1 status
  shift
  if [ ! -e "$work/no-ssh.$node" ]; then
    ssh -n -q -o BatchMode=yes -o ConnectTimeout=3 "$node" "sudo $(printf '%q ' "$@")" 2>&1
    status=$?
    [ "$status" -eq 255 ] || return "$status"
    : >"$work/no-ssh.$node"
    echo "$node : pas par ssh, par la console" >&2
  fi
  situ console "$node" -- "$@" </dev/null 2>&1 | tr -d '\r'
}

source "${BASH_SOURCE%/*}/reference.sh"
