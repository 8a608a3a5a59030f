#!/usr/bin/env bash
# Scripted candidate "do-nothing": reads the ticket and gives up.
set -u
situ </dev/null
situ ticket show </dev/null
situ finish --yes </dev/null
