#!/usr/bin/env bash
# Scripted candidate "reboot-everything": reboots every router and server, this
# workstation last, which ends the script.
set -u
situ ticket show </dev/null
for node in $(situ diagnose --list </dev/null | awk '/^  (rt|fw)-|^  [a-z]+[0-9] /{print $1}'); do
  case $node in adm*) continue ;; esac
  situ console "$node" -- systemctl reboot </dev/null
done
sleep 20
sudo systemctl reboot
sleep 600
