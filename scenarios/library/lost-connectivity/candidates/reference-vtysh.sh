#!/usr/bin/env bash
# Scripted candidate "reference-vtysh": the reference, but it works inside an
# interactive vtysh on the router's console, typed through expect.
configure() {
  cat >"$work/typed.exp" <<'EXPECT'
set timeout 30
set node [lindex $argv 0]
proc at {prompt} {
  expect {
    -re $prompt {}
    timeout { puts stderr "no prompt"; exit 1 }
    eof { exit 1 }
  }
}
spawn situ console $node
at {[#$] $}
send "vtysh\r"
at "$node# $"
send "show ip ospf neighbor\r"
at "$node# $"
send "show ip ospf interface\r"
expect {
  -re {--More--} { send " "; exp_continue }
  -re "$node# $" {}
  timeout { exit 1 }
}
send "configure terminal\r"
at {\(config\)# $}
foreach line [lrange $argv 1 end] {
  send -- "$line\r"
  at {\(config[^)]*\)# $}
}
send "end\r"
at "$node# $"
send "write memory\r"
at {\[OK\]}
at "$node# $"
send "exit\r"
at {[#$] $}
send "exit\r"
expect eof
EXPECT
  expect -f "$work/typed.exp" "$element" "$@"
}
save() { :; } # typed above

source "${BASH_SOURCE%/*}/reference.sh"
