#!/usr/bin/env bash
# Scripted candidate "repair-the-healthy": blames a router that is sound, "repairs"
# it and says that all is well. Where something is broken it finds out which
# router is sound by looking as the reference does, and takes that one.
diagnose() {
  situ ticket show </dev/null
  server=$(getent ahostsv4 erp1 | awk '{print $1; exit}')
  if find_fault; then
    element=$(other "$element")
  else
    element=$remote
    cut=$(cat "$work/lans.$remote")
  fi
  cause=ospf_passive_interface
}
repair() {
  configure "interface $(cat "$work/wan.$element")" 'no ip ospf passive'
  on "$element" systemctl restart frr
}
verify() { situ ticket reply "$ticket" --text "Bonjour, le routeur est réparé, tout doit marcher de nouveau." </dev/null; }

source "${BASH_SOURCE%/*}/reference.sh"
