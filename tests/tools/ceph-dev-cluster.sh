#!/usr/bin/env bash
# One-node throw-away Ceph cluster on 127.0.0.1 for development and tests.
#
#   ceph-dev-cluster.sh start  DIR [POOL...]   create (first time) and start; default pools: ps-a ps-b
#   ceph-dev-cluster.sh stop   DIR             stop the daemons this script started in DIR
#   ceph-dev-cluster.sh status DIR             one line per daemon, then `ceph -s`; exit 0 when all run
#   ceph-dev-cluster.sh conf   DIR             print the conf path
#   ceph-dev-cluster.sh clean  DIR             stop and delete DIR
#
# start prints the conf path as the LAST line of stdout; everything else goes to stderr. Use it as
#   export CEPH_CONF="$(ceph-dev-cluster.sh start "$dir")"; rbd -p ps-a ls
#
# Needs Debian packages: ceph-mon ceph-mgr ceph-osd ceph-common (16.2, ~56 MB download).
# Environment: CEPH_DEV_STORE=memstore|bluestore (default bluestore: survives stop/start)
#              CEPH_DEV_OSD_SIZE  bytes of the OSD (default 10 GiB sparse; memstore: RAM limit)
#              CEPH_DEV_CEPHX=1   turns authentication on (at the first start of DIR): client.admin has DIR/keyring,
#                                 client.longhaul (caps 'profile rbd') DIR/client.longhaul.keyring
#              CEPH_DEV_PORT      first port to try for the mon (default 40789)
set -euo pipefail

cmd="${1:-}"; dir="${2:-}"
usage() { sed -n '2,/^set -e/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
[ -n "$cmd" ] && [ -n "$dir" ] || usage
shift 2
pools=("$@"); [ ${#pools[@]} -gt 0 ] || pools=(ps-a ps-b)

case "$cmd" in start) mkdir -p "$dir" ;; esac
if [ ! -d "$dir" ]; then
  case "$cmd" in
    stop|clean) exit 0 ;;
    status) echo "no cluster in $dir"; exit 1 ;;
    *) usage ;;
  esac
fi
dir="$(cd "$dir" && pwd)"
conf="$dir/ceph.conf"
store="${CEPH_DEV_STORE:-bluestore}"
size="${CEPH_DEV_OSD_SIZE:-10737418240}"
auth=none; [ -z "${CEPH_DEV_CEPHX:-}" ] || [ "$CEPH_DEV_CEPHX" = 0 ] || auth=cephx
log() { echo "ceph-dev: $*" >&2; }
c()   { ceph --conf "$conf" --connect-timeout 15 "$@"; }

# --- process handling: only pids from our own pid files, and only if that pid really is our daemon
pid_of() { # NAME -> prints pid when it is alive and was started for this dir
  local f="$dir/$1.pid" p
  [ -s "$f" ] || return 1
  p="$(tr -dc 0-9 <"$f")"; [ -n "$p" ] && [ -r "/proc/$p/cmdline" ] || return 1
  tr '\0' ' ' <"/proc/$p/cmdline" | grep -qF -- "--conf $conf " || return 1
  echo "$p"
}
stop_one() {
  local p; p="$(pid_of "$1")" || { rm -f "$dir/$1.pid"; return 0; }
  kill -TERM "$p" 2>/dev/null || true
  for _ in $(seq 100); do pid_of "$1" >/dev/null || break; sleep 0.1; done
  if pid_of "$1" >/dev/null; then kill -KILL "$p" 2>/dev/null || true; sleep 0.2; fi
  rm -f "$dir/$1.pid"
}
launch() { # NAME BINARY ARGS...  (the daemons fork themselves and write their pid file)
  local name="$1"; shift
  pid_of "$name" >/dev/null && return 0
  rm -f "$dir/$name.pid" "$dir/$name.asok"
  "$@" >>"$dir/$name.out" 2>&1 </dev/null || { tail -20 "$dir/$name.out" >&2; return 1; }
  for _ in $(seq 50); do pid_of "$name" >/dev/null && return 0; sleep 0.1; done
  log "$name did not start"; tail -20 "$dir/$name.out" >&2; return 1
}
free_port() { # first free loopback port at or after $1
  local p="$1"
  while (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null; do p=$((p + 1)); done
  echo "$p"
}

write_conf() {
  local port fsid; port="$(free_port "${CEPH_DEV_PORT:-40789}")"; fsid="$(cat /proc/sys/kernel/random/uuid)"
  cat >"$conf" <<E
[global]
fsid = $fsid
mon host = v2:127.0.0.1:$port/0
mon initial members = a
# none is for a test cluster that only listens on loopback
auth cluster required = $auth
auth service required = $auth
auth client required = $auth
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
ms bind msgr1 = false
ms bind port min = 41000
ms bind port max = 41999
# one OSD, one copy
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
# an OSD that a test stops for a while has no peer whose answer would make it readable again: its leases last longer
osd heartbeat grace = 600
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon warn on insecure global id reclaim = false
mon warn on insecure global id reclaim allowed = false
mon data avail warn = 1
mon data avail crit = 1
# everything under one folder
run dir = $dir
pid file = $dir/\$type.\$id.pid
log file = $dir/\$type.\$id.log
admin socket = $dir/\$type.\$id.asok
crash dir = $dir/crash
keyring = $dir/keyring
[mon]
mon data = $dir/mon
mon cluster log file = $dir/cluster.log
[mgr]
mgr data = $dir/mgr
[osd]
osd data = $dir/osd.\$id
osd objectstore = $store
osd class update on start = true
osd memory target = 939524096
memstore device bytes = $size
bluestore block size = $size
bluestore block create = true
bluestore block db create = false
bluestore block wal create = false
[client]
log file = $dir/client.log
admin socket =
rbd cache = true
E
}

fsid_of() { sed -n 's/^fsid = //p' "$conf"; }
port_of() { sed -n 's/^mon host = v2:127.0.0.1:\([0-9]*\).*/\1/p' "$conf"; }

do_start() {
  local b; for b in ceph-mon ceph-mgr ceph-osd ceph rbd monmaptool ceph-authtool; do
    command -v "$b" >/dev/null || { log "missing $b: apt-get install --no-install-recommends ceph-mon ceph-mgr ceph-osd ceph-common"; exit 1; }
  done
  # memstore keeps nothing across a stop: begin again from nothing
  if [ -f "$conf" ] && grep -q 'objectstore = memstore' "$conf" && ! pid_of osd.0 >/dev/null; then
    do_stop; rm -rf "$dir"/{mon,mgr,osd.0,keyring,ceph.conf,monmap,ready} "$dir"/pool.*.ready
  fi
  if [ ! -f "$dir/ready" ]; then
    do_stop; rm -rf "$dir"/{mon,mgr,osd.0,keyring,monmap} "$dir"/pool.*.ready
    write_conf
    mkdir -p "$dir"/{mon,mgr,osd.0,crash}
    ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null 2>&1
    ceph-authtool "$dir/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' --cap mds 'allow *' >/dev/null
    ceph-authtool "$dir/keyring" --gen-key -n mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *' --cap mds 'allow *' >/dev/null
    ceph-authtool "$dir/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap mgr 'allow profile osd' --cap osd 'allow *' >/dev/null
    ceph-authtool --create-keyring "$dir/client.longhaul.keyring" --gen-key -n client.longhaul --cap mon 'profile rbd' --cap osd 'profile rbd' --cap mgr 'profile rbd' >/dev/null 2>&1
    ceph-authtool "$dir/keyring" --import-keyring "$dir/client.longhaul.keyring" >/dev/null
    monmaptool --create --clobber --fsid "$(fsid_of)" --addv a "[v2:127.0.0.1:$(port_of)]" "$dir/monmap" >/dev/null
    ceph-mon --conf "$conf" --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring" >>"$dir/mon.a.out" 2>&1 || { cat "$dir/mon.a.out" >&2; exit 1; }
  fi
  launch mon.a ceph-mon --conf "$conf" -i a
  launch mgr.x ceph-mgr --conf "$conf" -i x
  if [ ! -f "$dir/osd.0/ready" ]; then
    local uuid; uuid="$(cat /proc/sys/kernel/random/uuid)"
    c osd new "$uuid" >/dev/null
    ceph-osd --conf "$conf" -i 0 --mkfs --osd-uuid "$uuid" >>"$dir/osd.0.out" 2>&1 || { tail -20 "$dir/osd.0.out" >&2; exit 1; }
  fi
  launch osd.0 ceph-osd --conf "$conf" -i 0
  for _ in $(seq 150); do c osd stat 2>/dev/null | grep -q ' 1 up' && break; sleep 0.2; done
  c osd stat 2>/dev/null | grep -q ' 1 up' || { log "OSD did not come up"; tail -20 "$dir/osd.0.log" >&2; exit 1; }
  local have p; have="$(c osd pool ls)"
  for p in "${pools[@]}"; do
    grep -qx -- "$p" <<<"$have" && continue
    c osd pool create "$p" 8 >/dev/null 2>&1
    c osd pool application enable "$p" rbd >/dev/null 2>&1
  done
  for _ in $(seq 150); do
    c pg stat 2>/dev/null | grep -Eq '^([0-9]+) pgs: \1 active\+clean' && break; sleep 0.2
  done
  for p in "${pools[@]}"; do # marker files: a second start need not ask again
    [ -f "$dir/pool.$p.ready" ] || { rbd --conf "$conf" pool init "$p" >/dev/null; : >"$dir/pool.$p.ready"; }
  done
  [ "$store" = bluestore ] && : >"$dir/osd.0/ready"
  : >"$dir/ready"
  log "up: mon 127.0.0.1:$(port_of), pools ${pools[*]}, store $(sed -n 's/^osd objectstore = //p' "$conf")"
  echo "$conf"
}
do_stop() { local n; for n in osd.0 mgr.x mon.a; do stop_one "$n"; done; }
do_status() {
  local n p rc=0
  for n in mon.a mgr.x osd.0; do
    if p="$(pid_of "$n")"; then echo "$n running pid $p rss $(awk '/VmRSS/{print int($2/1024)" MiB"}' "/proc/$p/status")"; else echo "$n stopped"; rc=1; fi
  done
  [ $rc = 0 ] && c -s
  return $rc
}

case "$cmd" in
  start)  exec 9>"$dir/.lock"; flock 9; exec 8>&1 1>&2
          # children must not inherit the lock
          out="$(do_start 9>&- 8>&-)" || exit 1
          echo "$out" >&8 ;;
  stop)   do_stop ;;
  status) do_status ;;
  conf)   echo "$conf" ;;
  clean)  do_stop; case "$dir" in /|/root|/home|/tmp|/var|/usr|/etc) log "refusing to delete $dir"; exit 1 ;; esac
          [ -f "$conf" ] && rm -rf "$dir" ;;
  *) usage ;;
esac
