#!/usr/bin/env bash
# Throw-away PostgreSQL server on 127.0.0.1 for development and tests. It keeps its promises: fsync is on.
#
#   postgres-dev.sh start   DIR [NAME=VALUE...]  create (first time) and start; settings as in postgresql.conf
#   postgres-dev.sh stop    DIR                  end the sessions, write everything, stop
#   postgres-dev.sh restart DIR [NAME=VALUE...]  stop, then start on the same port
#   postgres-dev.sh kill    DIR                  kill -9 the server with all its processes; start recovers it
#   postgres-dev.sh standby DIR PRIMARY          a copy of PRIMARY (a DIR) that follows it; PRIMARY acknowledges from then on
#                                                only what is here too
#   postgres-dev.sh promote DIR                  a standby takes over: it follows nobody and writes
#   postgres-dev.sh pause   DIR                  SIGSTOP to the server with all its processes; wake: SIGCONT
#   postgres-dev.sh status  DIR                  one line; exit 0 when it runs
#   postgres-dev.sh url     DIR                  print the URL; superurl: that of the superuser
#   postgres-dev.sh clean   DIR                  stop and delete DIR
#
# start and restart print the URL as the LAST line of stdout; everything else goes to stderr. Use it as
#   export LONGHAUL_TEST_POSTGRES="$(postgres-dev.sh start "$dir")"
# The role of the URL is no superuser; it may make databases and end other sessions, as the tests do.
#
# Needs Debian's package postgresql (server 15 or newer) and python3. Called by root it runs as the user postgres, or nobody.
# Environment: PG_DEV_BIN     folder of initdb and postgres (default: the newest /usr/lib/postgresql/*/bin, then PATH)
#              PG_DEV_TLS=1   (at the first start of DIR) makes DIR/ca.crt and a certificate for localhost and
#                             127.0.0.1; `only` also refuses connections without TLS
#              PG_DEV_PORT    the port (at the first start of DIR; default: a free one between 20000 and 32000,
#                             where no outgoing connection can sit on it while the server is down)
#              PG_DEV_LOCALE  ICU locale (default en-US: sorts unlike C, so that a forgotten COLLATE shows)
set -euo pipefail
shopt -s inherit_errexit

cmd="${1:-}"; dir="${2:-}"
usage() { sed -n '2,/^set -e/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
[ -n "$cmd" ] && [ -n "$dir" ] || usage
shift 2
settings=("$@")

case "$cmd" in start|restart|standby) mkdir -p "$dir" ;; esac
if [ ! -d "$dir" ]; then
  case "$cmd" in
    stop|kill|pause|wake|clean|promote) exit 0 ;;
    status) echo "no server in $dir"; exit 1 ;;
    url|superurl) echo "postgres-dev: no server in $dir; first: $0 start $dir" >&2; exit 1 ;;
    *) usage ;;
  esac
fi
dir="$(cd "$dir" && pwd)"
data="$dir/data"
log() { echo "postgres-dev: $*" >&2; }

find_bin() {
  [ -z "${PG_DEV_BIN:-}" ] || { echo "$PG_DEV_BIN"; return; }
  local newest; newest="$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)"
  [ ! -x "$newest" ] || { dirname "$newest"; return; }
  newest="$(command -v initdb)" || { log "no initdb here: apt-get install --no-install-recommends postgresql"; exit 1; }
  dirname "$(readlink -f "$newest")"
}

# --- PostgreSQL refuses to run as root
user=""
if [ "$(id -u)" = 0 ]; then
  user=nobody; if id -u postgres >/dev/null 2>&1; then user=postgres; fi
fi
as() { # runs the rest as the server's user, in DIR: that user may not be allowed where the caller is
  (cd "$dir"; if [ -n "$user" ]; then exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"; else exec "$@"; fi)
}

# --- process handling: only the pid in our own pid file, and only if that pid really is our server
pid_of() {
  local p; [ -s "$data/postmaster.pid" ] || return 1
  p="$(head -1 "$data/postmaster.pid" 2>/dev/null | tr -dc 0-9)"; [ -n "$p" ] && [ -r "/proc/$p/cmdline" ] || return 1
  tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -qF -- "-D $data " || return 1
  echo "$p"
}
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local p
  while p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)); port_taken "$p"; do :; done
  echo "$p"
}
secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
# What the server keeps of the password on stdin. Of 16 rounds in the place of 4096: it is 128 random bits, no rounds
# make it safer, and an unoptimised client takes 75 ms of a core for 4096 of them, at each of its connections.
verifier() {
  python3 -c '
import base64, hashlib, hmac, os, sys
password, rounds, salt = sys.stdin.read().strip().encode(), 16, os.urandom(16)
salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
client, server = (hmac.new(salted, name, "sha256").digest() for name in (b"Client Key", b"Server Key"))
salt, stored, server = (base64.b64encode(b).decode() for b in (salt, hashlib.sha256(client).digest(), server))
print(f"SCRAM-SHA-256${rounds}:{salt}${stored}:{server}")'
}
psql_as_super() {
  # HOME: the caller's own certificates and password file are no business of this server.
  HOME="$dir" PGPASSWORD="$(cat "$dir/superuser.password")" PGCONNECT_TIMEOUT=15 "$bin/psql" -X -q -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$(cat "$dir/port")" -U postgres "$@"
}
url_of() { # ROLE PASSWORD-FILE
  echo "postgres://$1:$(cat "$dir/$2")@127.0.0.1:$(cat "$dir/port")/longhaul"
}

make_certificate() { # its own authority, so that verify-full has something to verify
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=postgres-dev authority" \
    -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$dir/server.crt" 2>/dev/null
  rm -f "$dir/server.csr" "$dir/ca.srl"
  chmod 600 "$dir"/*.key; chmod 644 "$dir/ca.crt"
  [ -z "$user" ] || chown "$user" "$dir/server.key" "$dir/server.crt"
}

write_conf() {
  local kind=host socket="$dir"
  # The kernel takes 107 bytes of path; ".s.PGSQL.NNNNN" follows.
  [ ${#socket} -le 92 ] || { socket=""; log "the path of DIR is too long for a unix socket; none is made"; }
  cat >>"$data/postgresql.conf" <<E
listen_addresses = '127.0.0.1'
port = $(cat "$dir/port")
unix_socket_directories = '$socket'
max_connections = 200
# what is acknowledged must be on disk: durability is what is tested
fsync = on
synchronous_commit = on
full_page_writes = on
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] %d '
log_lock_waits = on
timezone = UTC
log_timezone = UTC
include_if_exists = '$dir/settings.conf'
E
  if [ -n "${PG_DEV_TLS:-}" ] && [ "$PG_DEV_TLS" != 0 ]; then
    make_certificate
    printf "ssl = on\nssl_cert_file = '%s'\nssl_key_file = '%s'\n" "$dir/server.crt" "$dir/server.key" >>"$data/postgresql.conf"
    [ "$PG_DEV_TLS" != only ] || kind=hostssl
  fi
  printf 'local all all scram-sha-256\n%s all,replication all 127.0.0.1/32 scram-sha-256\n' "$kind" >"$data/pg_hba.conf"
}

make_data() {
  rm -rf "$data" "$dir"/{settings.conf,ready,log}
  [ "$("$bin/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -ge 15 ] || { log "$("$bin/postgres" --version) is too old; 15 or newer is needed"; exit 1; }
  if [ -n "$user" ]; then
    chown "$user" "$dir"
    as test -x "$dir" || { log "the user $user cannot reach $dir: one of the folders above it is closed; take a folder below /tmp or /var/tmp"; exit 1; }
  fi
  (umask 077; secret >"$dir/password"; secret >"$dir/superuser.password")
  [ -z "$user" ] || chown "$user" "$dir/superuser.password"
  as "$bin/initdb" -D "$data" -U postgres --pwfile="$dir/superuser.password" --encoding=UTF8 --auth=scram-sha-256 \
    --locale=C.UTF-8 --locale-provider=icu --icu-locale="${PG_DEV_LOCALE:-en-US}" >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }
  echo "${PG_DEV_PORT:-$(free_port)}" >"$dir/port"
  write_conf
}

run_server() {
  local s
  if [ ${#settings[@]} -gt 0 ]; then
    for s in "${settings[@]}"; do echo "${s%%=*} = '${s#*=}'"; done >"$dir/settings.conf"
    [ -z "$user" ] || chown "$user" "$dir/settings.conf"
  fi
  pid_of >/dev/null && return 0
  port_taken "$(cat "$dir/port")" && { log "port $(cat "$dir/port") is taken by another program"; return 1; }
  # A new session, so that a Ctrl-C at the caller's terminal does not end the server.
  as setsid "$bin/pg_ctl" start -D "$data" -l "$dir/log" -w -t 120 -s </dev/null >"$dir/pg_ctl.log" 2>&1 ||
    { cat "$dir/pg_ctl.log" >&2; tail -20 "$dir/log" >&2; return 1; }
}

do_start() {
  bin="$(find_bin)"
  if [ ! -f "$dir/ready" ]; then
    do_stop
    make_data
    run_server || exit 1
    # By way of stdin: arguments are seen by everybody.
    psql_as_super -d postgres <<E
CREATE ROLE longhaul LOGIN CREATEDB PASSWORD '$(verifier <"$dir/password")';
GRANT pg_signal_backend TO longhaul;
CREATE DATABASE longhaul OWNER longhaul;
E
    : >"$dir/ready"
  else
    run_server || exit 1
  fi
  log "up: $("$bin/postgres" --version), 127.0.0.1:$(cat "$dir/port"), log in $dir/log"
  url_of longhaul password
}
do_stop() {
  pid_of >/dev/null || return 0
  do_wake
  bin="$(find_bin)"
  as "$bin/pg_ctl" stop -D "$data" -m fast -w -t 60 -s >&2 || as "$bin/pg_ctl" stop -D "$data" -m immediate -w -t 20 -s >&2
}
# Stopped first, so that it starts no process while its processes are being listed.
all_stopped() { kill -STOP "$1" && echo "$1 $(cat "/proc/$1/task/$1/children")"; }
do_pause() {
  local p all; p="$(pid_of)" || return 0
  all="$(all_stopped "$p")"
  # shellcheck disable=SC2086  # a list of numbers
  kill -STOP $all 2>/dev/null || true
}
do_wake() {
  local p all; p="$(pid_of)" || return 0
  all="$(all_stopped "$p")"
  # shellcheck disable=SC2086
  kill -CONT $all 2>/dev/null || true
}
do_kill() {
  local p all; p="$(pid_of)" || return 0
  all="$(all_stopped "$p")"
  # shellcheck disable=SC2086  # a list of numbers
  kill -KILL $all 2>/dev/null || true
  for _ in $(seq 200); do
    # shellcheck disable=SC2086
    kill -0 $all 2>/dev/null || break
    sleep 0.05
  done
  log "killed $(wc -w <<<"$all") processes"
}
do_standby() {
  local primary="${settings[0]:?the DIR of its primary}" of
  settings=()
  bin="$(find_bin)"
  [ ! -f "$dir/ready" ] || { log "there is a server in $dir"; return 1; }
  of="$(cat "$primary/port")"
  cp "$primary/password" "$primary/superuser.password" "$dir/"
  [ -z "$user" ] || chown "$user" "$dir" "$dir/superuser.password"
  free_port >"$dir/port"
  PGPASSWORD="$(cat "$dir/superuser.password")" as "$bin/pg_basebackup" -D "$data" -R -X stream -c fast \
    -d "host=127.0.0.1 port=$of user=postgres application_name=standby" >&2
  printf "port = %s\nunix_socket_directories = ''\nhot_standby = on\n" "$(cat "$dir/port")" >>"$data/postgresql.conf"
  run_server || return 1
  : >"$dir/ready"
  dir="$primary" psql_as_super -d postgres -c "ALTER SYSTEM SET synchronous_standby_names = '*'" -c 'SELECT pg_reload_conf()' >&2
  for _ in $(seq 200); do
    [ "$(dir="$primary" psql_as_super -d postgres -Atc "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")" = 1 ] && break
    sleep 0.05
  done
  log "up: a standby of $primary, 127.0.0.1:$(cat "$dir/port"), log in $dir/log"
  url_of longhaul password
}
do_promote() {
  bin="$(find_bin)"
  as "$bin/pg_ctl" promote -D "$data" -w -t 60 -s >&2
  log "promoted: 127.0.0.1:$(cat "$dir/port")"
}
do_status() {
  local p
  if p="$(pid_of)"; then echo "running pid $p port $(cat "$dir/port")"; else echo "stopped"; return 1; fi
}
locked() { # one at a time; the server must not inherit the lock, nor the caller's stdout
  exec 9>"$dir/.lock"; flock 9; exec 8>&1 1>&2
  # No `|| exit` here: it would switch off -e in all that is called.
  out="$("$@" 9>&- 8>&-)"
  [ -z "$out" ] || echo "$out" >&8
}
do_restart() { do_stop; do_start; }

case "$cmd" in
  start|stop|restart|kill|pause|wake|standby|promote) locked "do_$cmd" ;;
  status)   do_status ;;
  url)      url_of longhaul password ;;
  superurl) url_of postgres superuser.password ;;
  clean)    case "$dir" in /|/root|/home|/tmp|/var|/var/tmp|/usr|/etc) log "refusing to delete $dir"; exit 1 ;; esac
            do_stop
            # Only what this script made, or a start that broke early.
            if [ -f "$dir/port" ] || [ -f "$dir/initdb.log" ] || [ -f "$dir/.lock" ]; then rm -rf "$dir"; fi ;;
  *) usage ;;
esac
