#!/usr/bin/env bash
# Scripted candidate "disk-only": corrects the configuration file and never loads
# it: the service stays down until the next start.
edit() { on "$element" sed -i -E "$@" /etc/frr/frr.conf; }

repair() {
  local w net
  w=$(cat "$work/wan.$element")
  net=$(cat "$work/net.$element")
  case $cause in
    ospf_passive_interface) edit "/^interface $w\$/,/^exit/{/^ ip ospf passive\$/d}" ;;
    ospf_key_mismatch) edit "/^interface $w\$/,/^exit/s/^( ip ospf message-digest-key 1 md5) .*/\\1 $(right_key "$element")/" ;;
    ospf_network_statement | ospf_area_mismatch) edit "s|^ $(wrong_network)\$| network $net area 0|" ;;
    route_filter) edit "/^ip protocol ospf route-map/d; s|^$(deny_line)\$|$(deny_line | sed 's/ deny / permit /')|" ;;
  esac
}
save() { :; }
verify() { situ ticket reply "$ticket" --text "Bonjour, la configuration est corrigée, cela devrait revenir." </dev/null; }

source "${BASH_SOURCE%/*}/reference.sh"
