#!/usr/bin/env bash
# Scripted candidate "runtime-only": the reference's repair, never written to
# disk: the next start loses it.
save() { :; }

source "${BASH_SOURCE%/*}/reference.sh"
