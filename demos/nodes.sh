# shellcheck shell=bash
# For demos of several nodes: a database of their own, and nodes on it. Sourced after lib.sh.
# LONGHAUL_TEST_POSTGRES names a PostgreSQL server (a URL whose role may make databases); without it one is started.
declare -A node_pid node_url
postgres_tool=$root/tests/tools/postgres-dev.sh

# Ends whatever the demo started beside what lib.sh knows of; what stands still is killed as well.
tidy() {
    local pid
    for pid in "${node_pid[@]}"; do
        pkill -9 -P "$pid" 2>/dev/null || true
        if kill -9 "$pid" 2>/dev/null; then gone "$pid"; fi
    done
    if [[ -n ${database_name:-} ]]; then
        psql -q "$LONGHAUL_TEST_POSTGRES" -c "DROP DATABASE IF EXISTS $database_name WITH (FORCE)" >/dev/null 2>&1 || true
    elif [[ -d $scratch/postgres ]]; then
        "$postgres_tool" clean "$scratch/postgres" 2>/dev/null || true
    fi
}

# Sets database_url.
start_database() {
    need psql postgresql
    if [[ -n ${LONGHAUL_TEST_POSTGRES:-} ]]; then
        database_name=longhaul_demo_$$
        psql -q "$LONGHAUL_TEST_POSTGRES" -c "CREATE DATABASE $database_name" >/dev/null
        database_url=$(sed "s#^\(postgres://[^/]*/\)[^?]*#\1$database_name#" <<<"$LONGHAUL_TEST_POSTGRES")
    else
        chmod 755 "$scratch" # the database runs as a user of its own
        database_url=$("$postgres_tool" start "$scratch/postgres" 2>"$scratch/postgres.log" | tail -1)
        [[ $database_url == postgres://* ]] || { cat "$scratch/postgres.log" >&2; exit 2; }
    fi
    (umask 077; head -c 32 /dev/urandom >"$scratch/cluster.key")
}

# start_node NAME ARGUMENT…: a node with a data directory of its own, logged in as admin.
start_node() {
    local name=$1 address=$scratch/address-$1
    shift
    binary
    export XDG_CONFIG_HOME=$scratch/config
    : >"$address"
    env -u LONGHAUL_URL LONGHAUL_ADMIN_PASSWORD=demo LONGHAUL_STORE="$database_url" "$longhaul_binary" serve \
        --data-dir "$scratch/data-$name" --listen 127.0.0.1:0 --set "secretKeyFile=$scratch/cluster.key" "$@" \
        >"$address" 2>>"$scratch/server.log" &
    node_pid[$name]=$!
    disown "${node_pid[$name]}" # or the shell tells of its end
    until grep -q '^listening on' "$address"; do
        kill -0 "${node_pid[$name]}" 2>/dev/null || { cat "$scratch/server.log" >&2; echo "node $name did not start" >&2; exit 2; }
        sleep 0.05
    done
    node_url[$name]=$(sed -n 's#^listening on ##p' "$address")
    on "$name"
    echo demo | longhaul login --password-file - >/dev/null
}

# on NAME: what follows speaks to that node.
on() { export LONGHAUL_URL=${node_url[$1]}; }

# uuid_of NAME: what the node that listens there is called now; it changes when a node joins anew.
uuid_of() {
    longhaul -o json node list | jq -r --arg url "${node_url[$1]}" '.[] | select(.address == $url) | .uuid'
}

# copier_of NAME: the process of that node that copies, if there is one now.
copier_of() { pgrep -P "${node_pid[$1]}" -f attempt-io | head -1; }

# stop_all PID…: they stand still, all threads of each, when this returns.
stop_all() {
    local pid
    kill -STOP "$@"
    for pid in "$@"; do
        until [[ $(process_state "$pid") == T ]]; do sleep 0.01; done
    done
}

# The letter by which the kernel tells what a process does: T stands still, Z has ended and is not waited for.
process_state() { sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null; }
