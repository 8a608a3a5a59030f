#!/usr/bin/env bash
# Scripted candidate "reference-tmux": the reference, working inside tmux.
if [ -z "${TMUX:-}" ]; then
  export TERM="${TERM:-xterm}"
  if [ -t 0 ] && [ "$TERM" != dumb ]; then
    exec tmux -u new-session -s travail "bash '$0'"
  fi
  tmux -u new-session -d -s travail "bash '$0'; tmux wait-for -S fini"
  exec tmux wait-for fini
fi

source "${BASH_SOURCE%/*}/reference.sh"
