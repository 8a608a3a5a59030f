#!/usr/bin/env bash
# Scripted candidate "reference": works the incident as a careful technician
# would. It holds no truth about the variant: what is where comes from the
# documents, what is wrong from comparing the two routers, the key from the vault.
#
# Other candidates source this file after defining some of its steps otherwise
# (repair, save, ...): a function already defined is kept.
set -u -o pipefail
export LC_ALL=C.UTF-8

work=$(mktemp -d "${TMPDIR:-/tmp}/travail.XXXXXX")
element='' cause='' cut='' # the diagnosis: router, cause, networks cut off
server=''                  # an address of the main site to test with
started=$(date +%H:%M)

say() { printf '\n## %s\n' "$*"; }
defined() { declare -F "$1" >/dev/null; }

# on NODE CMD...: runs a command through the out-of-band console, which works
# whatever the state of the network.
defined on || on() {
  local node=$1
  shift
  situ console "$node" -- "$@" </dev/null 2>&1 | tr -d '\r'
}
vt() { # vt NODE "show ..."
  local node=$1
  shift
  on "$node" vtysh -c "$*"
}

# --- What the documents say -------------------------------------------------

documents() {
  local d
  situ doc list </dev/null >"$work/list"
  for d in $(awk '{print $1}' "$work/list"); do
    situ doc show "$d" </dev/null 2>/dev/null
  done >"$work/documents"
  situ log list </dev/null
}

# routers of the company: the main one is the gateway of this workstation.
routers() {
  local r gw
  gw=$(ip -4 route show default | awk '{print $3; exit}')
  main='' remote=''
  for r in $(grep -oE '\brt-[a-z]+[0-9]+\b' "$work/documents" | sort -u); do
    on "$r" ip -4 -o addr show >"$work/addr.$r"
    if grep -q "inet $gw/" "$work/addr.$r"; then main=$r; else remote=$r; fi
  done
  [ -n "$main" ] && [ -n "$remote" ]
}

# --- Looking ----------------------------------------------------------------

# interface NODE WORD: the interface whose block of the running configuration
# has a line with WORD.
interface_with() {
  awk -v word="$2" '/^interface /{i=$2} /^exit|^!/{i=""} i && index($0, word){print i; exit}' "$work/conf.$1"
}
# peer ADDRESS/30: the other end of a point-to-point line.
peer() {
  local a=${1%/*} last
  last=${a##*.}
  case $((last % 4)) in
    1) echo "${a%.*}.$((last + 1))" ;;
    *) echo "${a%.*}.$((last - 1))" ;;
  esac
}
address_on() { awk -v i="$2" '$2==i{print $4; exit}' "$work/addr.$1"; }
network_on() { on "$1" ip -4 route show dev "$2" proto kernel scope link | awk '{print $1; exit}'; }

# look NODE: everything about a router's adjacency with the carrier.
look() {
  local r=$1 w p
  say "$r"
  vt "$r" show running-config >"$work/conf.$r"
  w=$(interface_with "$r" message-digest-key)
  p=$(peer "$(address_on "$r" "$w")")
  echo "$w" >"$work/wan.$r"
  echo "$p" >"$work/peer.$r"
  network_on "$r" "$w" >"$work/net.$r"
  on "$r" ip link show dev "$w"
  on "$r" ping -c 2 -W 2 "$p"
  vt "$r" show ip ospf neighbor | tee "$work/neighbours.$r"
  vt "$r" show ip ospf interface "$w" | tee "$work/ospf.$r"
  vt "$r" show ip route | tee "$work/routes.$r"
  on "$r" ip -4 -o addr show | awk -v w="$w" '$2!=w && $4 ~ /\/24$/{print $2}' | while read -r i; do
    network_on "$r" "$i" </dev/null
  done | sort -u >"$work/lans.$r"
}

# area NODE: the OSPF area of the carrier's line, empty when OSPF is off there.
area() { sed -n 's/.*Area \([0-9.]*\).*/\1/p' "$work/ospf.$1" | head -n 1; }
key() { awk '/ip ospf message-digest-key/{print $NF; exit}' "$work/conf.$1"; }
# right_key NODE: the OSPF key of the vault that the other router does not use.
right_key() {
  local s v
  for s in $(situ secret list </dev/null | awk 'tolower($0) ~ /ospf/{print $1}'); do
    v=$(situ secret show "$s" </dev/null | tail -n 1)
    if [ "$v" != "$(key "$(other "$1")")" ]; then
      echo "$v"
      return
    fi
  done
}
adjacent() { grep -q Full "$work/neighbours.$1"; }
other() { if [ "$1" = "$main" ]; then echo "$remote"; else echo "$main"; fi; }

# missing NODE: networks of the other router that this one has no route to.
missing() {
  local n
  while read -r n; do
    [ -n "$(on "$1" ip -4 route show "$n")" ] || echo "$n"
  done <"$work/lans.$(other "$1")"
}

# suspect ROUTER: the cause to be read on a router that has no neighbour on the
# carrier's line; nothing when its configuration is as it should be.
suspect() {
  local r=$1
  if grep -qi 'passive interface' "$work/ospf.$r"; then
    echo ospf_passive_interface
  elif [ -z "$(area "$r")" ]; then
    echo ospf_network_statement # OSPF does not run on the line
  elif [ "$(area "$r")" != "$(area "$(other "$r")")" ]; then
    echo ospf_area_mismatch
  elif [ "$(right_key "$r")" != "$(key "$r")" ]; then
    echo ospf_key_mismatch
  fi
}

# find_fault fills element, cause and cut; it fails when nothing is found.
find_fault() {
  local r n
  for r in "$main" "$remote"; do
    adjacent "$r" && continue
    cause=$(suspect "$r")
    [ -n "$cause" ] || continue
    element=$r
    cut=$(cat "$work/lans.$remote")
    return 0
  done
  for r in "$main" "$remote"; do
    if ! adjacent "$r"; then return 1; fi
  done
  for r in "$main" "$remote"; do
    missing "$r" >"$work/missing.$r"
    [ -s "$work/missing.$r" ] || continue
    sleep 5 # routes may still be on their way: only what stays away counts
    missing "$r" >"$work/missing.$r"
    [ -s "$work/missing.$r" ] || continue
    n=$(head -n 1 "$work/missing.$r")
    # A test from the cut network's own side of the remote router.
    on "$remote" ping -c 2 -W 2 -I "$(on "$remote" ip -4 -o addr show | awk -v n="${n%.*}." 'index($4, n)==1{sub("/.*", "", $4); print $4; exit}')" "$server"
    cause=route_filter
    cut=$(cat "$work/missing.$r")
    # Learnt but not installed: filtered here. Not learnt: not announced there.
    if vt "$r" show ip ospf route | tee "$work/ospf-route.$r" | grep -q "$n"; then
      element=$r
    else
      element=$(other "$r")
    fi
    return 0
  done
  return 1
}

# diagnose looks again when a neighbour is missing without a reason to be seen:
# an adjacency may just be coming up.
defined diagnose || diagnose() {
  local try
  situ ticket show </dev/null
  ping -c 2 -W 2 "$(cat "$work/peer.$main")"
  server=$(getent ahostsv4 erp1 | awk '{print $1; exit}')
  for try in 1 2 3 4 5 6; do
    find_fault && return 0
    if adjacent "$main" && adjacent "$remote"; then return 0; fi
    sleep 5
    look "$main"
    look "$remote"
  done
  return 0
}

# posts: the addresses leased to workstations.
posts() {
  on dhcp1 cat /var/lib/kea/kea-leases4.csv | awk -F, '$1 ~ /^[0-9]/{print $1}' | sort -u
}
within() { # within NETWORK...: keeps the addresses of these /24 networks
  local n pattern=''
  for n in "$@"; do pattern="$pattern|^${n%.*}[.]"; done
  grep -E "${pattern#|}"
}

# --- Telling ----------------------------------------------------------------

# groups of users on the networks that are cut: their title is that of the
# network in the documents. Without a match, every group of the remote site.
groups() {
  local g title n out=''
  situ notice groups </dev/null >"$work/groups"
  while read -r g title; do
    for n in $cut; do
      if grep -F "$n" "$work/documents" | grep -qF "$title"; then out="$out,$g"; fi
    done
  done <"$work/groups"
  if [ -z "$out" ]; then
    out=$(awk '/distant|remote/{printf ",%s", $1}' "$work/groups")
  fi
  echo "${out#,}"
}

announce() {
  situ notice send --to "$(groups)" --from "$(date +%H:%M)" --services "réseau,ERP,fichiers,Internet" \
    --text "Incident réseau en cours depuis le démarrage : vous n'atteignez plus le site principal (Vulcain, plans, messagerie, Internet). Nous y travaillons, prochain point dans 30 minutes. En attendant, notez vos pointages sur papier ; ne redémarrez pas vos postes. Contact : service informatique." </dev/null
}
announce_end() {
  situ notice send --to "$(groups)" --until "$(date +%H:%M)" --services "réseau,ERP,fichiers,Internet" \
    --text "Incident terminé : le réseau, Vulcain, les plans, la messagerie et Internet sont rétablis. Si un poste reste bloqué, patientez deux minutes puis appelez le service informatique." </dev/null
}

seal_diagnosis() {
  if [ -z "$cause" ]; then
    situ diagnose --no-fault --text "Voisinages OSPF établis des deux côtés, routes des deux sites présentes, postes et serveurs distants joignables : aucune panne au moment du contrôle, la coupure est passée." </dev/null
  else
    situ diagnose --element "$element" --cause "$cause" \
      --text "Le lien de l'opérateur répond, mais $element ne tient pas son rôle dans l'échange des routes : $cause. Réseaux coupés : $(echo "$cut" | tr '\n' ' ')" </dev/null
  fi
}

# --- Repairing --------------------------------------------------------------

safeguard() { on "$element" cp -p /etc/frr/frr.conf /root/frr.conf.avant; }

# configure LINE...: one vtysh call in configuration mode.
defined configure || configure() {
  local l args=()
  for l in "$@"; do args+=(-c "$l"); done
  on "$element" vtysh -c 'configure terminal' "${args[@]}" -c end
}

# wrong_network: the network statement to take away. The plan has OSPF on one
# point-to-point line (/30) per router, the carrier's; it is in the wrong area,
# or another line's network stands in its place.
wrong_network() { grep -E '^ network [0-9.]+/30 ' "$work/conf.$element" | head -n 1 | sed 's/^ //'; }
deny_line() { grep -E '^ip prefix-list .* deny ' "$work/conf.$element" | grep -F "$(echo "$cut" | head -n 1)" | head -n 1; }

defined repair || repair() {
  local w
  w=$(cat "$work/wan.$element")
  case $cause in
    ospf_passive_interface) configure "interface $w" 'no ip ospf passive' ;;
    ospf_key_mismatch) configure "interface $w" 'no ip ospf message-digest-key 1' "ip ospf message-digest-key 1 md5 $(right_key "$element")" ;;
    ospf_network_statement | ospf_area_mismatch) configure 'router ospf' "no $(wrong_network)" "network $(cat "$work/net.$element") area $(area "$(other "$element")")" ;;
    route_filter)
      if grep -q '^ip protocol ospf' "$work/conf.$element"; then
        configure "no $(grep '^ip protocol ospf' "$work/conf.$element" | head -n 1)"
      else
        configure "$(deny_line | sed 's/ deny / permit /')"
      fi
      ;;
  esac
}
defined save || save() { on "$element" vtysh -c 'write memory'; }

# settled: routes back on both routers, and every leased address of the networks
# that were cut answers from here.
settled() {
  local r a
  for r in "$main" "$remote"; do
    [ -z "$(missing "$r")" ] || return 1
  done
  # shellcheck disable=SC2086 # one argument per network
  for a in $(posts | within $cut); do
    ping -c 1 -W 1 -q "$a" >/dev/null || return 1
  done
}
defined verify || verify() {
  local n
  for n in $(seq 1 60); do
    if settled; then
      vt "$element" show ip ospf neighbor
      situ ticket reply "$ticket" --text "Bonjour, la liaison est rétablie : pouvez-vous réessayer Vulcain et les plans ?" </dev/null
      return 0
    fi
    sleep 3
  done
  return 1
}

report() {
  cat >"$work/rapport.md" <<TEXT
# Rapport d'incident

- Détection : ticket $ticket, lu à $started.
- Début et fin : depuis le démarrage du jour ; fin constatée à $(date +%H:%M).
- Impact : $1
- Cause : $2
- Actions : $3
- Données : aucune donnée perdue ; la prochaine copie hors site est à contrôler.
- Prévention : relire à deux toute modification de routage, la charger et la vérifier pendant la fenêtre, exiger le compte rendu du prestataire.
TEXT
  situ report submit "$work/rapport.md" </dev/null
}

# --- The work itself --------------------------------------------------------

work_on_it() {
  ticket=$(situ ticket list </dev/null | awk '{print $1; exit}')
  situ </dev/null
  documents
  routers || { echo "les routeurs ne sont pas dans les documents" >&2; return 1; }
  look "$main"
  look "$remote"
  say diagnostic
  diagnose
  echo "élément : ${element:-aucun}, cause : ${cause:-aucune}"
  if [ -z "$cause" ]; then
    on "$remote" ping -c 2 -W 2 "$(getent ahostsv4 erp1 | awk '{print $1; exit}')"
    situ log add "Ticket $ticket : chaîne contrôlée de bout en bout ($main, lien opérateur, $remote, serveurs). Tout répond, rien modifié." --node "$remote" </dev/null
    seal_diagnosis
    situ ticket reply "$ticket" --text "Bonjour, j'ai contrôlé toute la chaîne entre votre site et le site principal : tout répond maintenant. La coupure à l’allumage venait du lien et est passée. Rappelez-moi si cela revient." </dev/null
    report "ressenti par le demandeur à l’allumage, plus rien au moment du contrôle" "aucune panne dans le périmètre" "contrôles seulement, aucune modification"
    situ ticket close "$ticket" --text "Aucune panne constatée, service vérifié." </dev/null
    return 0
  fi
  announce
  seal_diagnosis
  situ log add "Incident confirmé : $element, $cause. Copie de la configuration gardée dans /root/frr.conf.avant, puis correction." --node "$element" </dev/null
  safeguard
  say "réparation sur $element"
  repair
  save
  if verify; then
    situ log add "Correction faite et enregistrée sur $element ; voisinage et routes revenus, postes joignables." --node "$element" </dev/null
  else
    situ log add "Correction faite sur $element, retour non constaté." --node "$element" </dev/null
  fi
  situ restored --definitive </dev/null
  announce_end
  report "postes des réseaux $(echo "$cut" | tr '\n' ' ')sans accès au site principal" "$cause sur $element" "correction de la configuration de $element, enregistrée, vérifiée"
  situ ticket close "$ticket" --text "Liaison rétablie durablement. Cause : configuration de routage de $element." </dev/null
}

main_program() {
  work_on_it
  say fin
  situ finish --yes </dev/null
}
defined before && before
main_program
