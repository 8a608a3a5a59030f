#!/usr/bin/env bash
# Scripted candidate "repair-the-healthy": made for the healthy twin. It sees that
# everything answers, blames the remote router all the same and "repairs" it.
diagnose() {
  situ ticket show </dev/null
  element=$remote
  cause=ospf_passive_interface
  cut=$(cat "$work/lans.$remote")
}
repair() {
  configure "interface $(cat "$work/wan.$element")" 'no ip ospf passive'
  on "$element" systemctl restart frr
}

source "${BASH_SOURCE%/*}/reference.sh"
