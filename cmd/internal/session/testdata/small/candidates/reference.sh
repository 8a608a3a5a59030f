#!/usr/bin/env bash
# Works the small scenario and leaves a trace with every recorder. It holds the
# truth: what is tested with it is the observation, not the candidate.
set -u
post=$(getent ahostsv4 pc1 | awk '{print $1; exit}')
situ ticket show </dev/null
ping -c 1 -W 1 "$post"
situ console rt1 -- ping -c 1 -W 1 "$post" </dev/null
situ console rt1 -- sysctl net.ipv4.ip_forward </dev/null

# Typed into an interactive program.
cat >typed.exp <<'EXPECT'
set timeout 20
proc at {prompt} {
  expect {
    -re $prompt {}
    timeout { puts stderr "no prompt"; exit 1 }
    eof { exit 1 }
  }
}
spawn situ console rt1
at {[#$] $}
send "vtysh\r"
at {rt1# $}
send "show ip route\r"
at {rt1# $}
send "exit\r"
at {[#$] $}
send "exit\r"
expect eof
EXPECT
expect -f typed.exp

situ notice send --to bureaux --from "$(date +%H:%M)" --services "réseau" --text "Incident réseau en cours, nous y travaillons." </dev/null
situ diagnose --element rt1 --cause ip_forwarding_off --text "rt1 n'achemine plus entre ses deux réseaux." </dev/null
situ log add "rt1 : acheminement remis, enregistré dans /etc/sysctl.d." --node rt1 </dev/null
ssh rt1 sudo sed -i "'s/ip_forward = 0/ip_forward = 1/'" /etc/sysctl.d/50-routage.conf
ssh rt1 sudo sysctl -p /etc/sysctl.d/50-routage.conf
sleep 2
ping -c 2 -W 1 "$post"
situ restored --definitive </dev/null
situ notice send --to bureaux --until "$(date +%H:%M)" --services "réseau" --text "Incident terminé." </dev/null
situ finish --yes </dev/null
