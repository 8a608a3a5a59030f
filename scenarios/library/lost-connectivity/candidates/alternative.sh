#!/usr/bin/env bash
# Scripted candidate "alternative": finds the cause like the reference, but
# repairs by another object: permanent static routes over the backup line on both
# routers, written to disk.
over_backup() { # over_backup ROUTER NETWORK...
  local r=$1 line gw n args=()
  shift
  line=$(interface_with "$r" secours)
  gw=$(peer "$(address_on "$r" "$line")")
  for n in "$@"; do args+=(-c "ip route $n $gw"); done
  on "$r" vtysh -c 'configure terminal' "${args[@]}" -c end
}
repair() {
  on "$(other "$element")" cp -p /etc/frr/frr.conf /root/frr.conf.avant
  # shellcheck disable=SC2046 # one argument per network
  over_backup "$main" $(cat "$work/lans.$remote")
  # shellcheck disable=SC2046
  over_backup "$remote" $(cat "$work/lans.$main") 0.0.0.0/0
}
save() {
  on "$main" vtysh -c 'write memory'
  on "$remote" vtysh -c 'write memory'
}

source "${BASH_SOURCE%/*}/reference.sh"
