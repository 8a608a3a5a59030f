#!/usr/bin/env bash
# Scripted candidate "restart-everything": restarts every service of every
# router and server, looks at nothing, says nothing.
set -u
services="frr nftables dnsmasq named kea-dhcp4-server slapd nslcd smbd postgresql@15-main vulcain nginx postfix dovecot rsyslog chrony prometheus prometheus-alertmanager prometheus-blackbox-exporter"

situ ticket show </dev/null
for node in $(situ diagnose --list </dev/null | awk '/^  (rt|fw)-|^  [a-z]+[0-9] /{print $1}'); do
  case $node in adm*) continue ;; esac
  # shellcheck disable=SC2086 # one argument per service; those absent are skipped
  situ console "$node" -- systemctl try-restart $services </dev/null
done
sleep 20
situ finish --yes </dev/null
