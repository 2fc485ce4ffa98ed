#!/usr/bin/env bash
# The three curl commands of the public API reference, pasted: they answer, and the volume really moves.
# On port 8080, as they stand there, in a network of its own. With CEPH_CONF and LONGHAUL_DEMO_POOL set the volume
# moves to that pool, and the server listens on a free port instead, since the cluster is in this network.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need curl curl
need jq jq
need unshare util-linux

if [[ -z ${LONGHAUL_DEMO_POOL:-} && -z ${LONGHAUL_DEMO_APART:-} ]]; then
    binary
    apart=(unshare --net)
    [[ $(id -u) == 0 ]] || apart=(unshare --user --map-root-user --net)
    LONGHAUL_DEMO_APART=yes LONGHAUL=$longhaul_binary "${apart[@]}" \
        sh -c 'ip link set lo up && exec "$0"' "${BASH_SOURCE[0]}"
    exit
fi

if [[ -n ${LONGHAUL_DEMO_POOL:-} ]]; then
    need rbd ceph-common
else
    listen=127.0.0.1:8080
fi
echo demo >"$scratch/logged-in" # the reference has a session of its own
start_server --demo
volume=45a53d3d93384433add8ead7616586cf
api() {
    curl -s -H "Authorization: OAuth b86c9016b4f24953a9edefb53ca0678c" "http://$listen/zstack/v1$1" | jq .inventories[0]
}
# A demo of a named directory stays; what it put into a pool is removed here.
tidy() {
    [[ -n ${LONGHAUL_DEMO_POOL:-} && -n $server_pid ]] || return 0
    rbd --conf "$CEPH_CONF" -p "$LONGHAUL_DEMO_POOL" ls | { grep "^$volume" || true; } | while read -r image; do
        kill -9 "$server_pid" 2>/dev/null || true
        rbd --conf "$CEPH_CONF" rm --no-progress "$LONGHAUL_DEMO_POOL/$image"
    done
}

source_path=$(api "/volumes/$volume" | jq -r .installPath)
before=$(sha256sum "$source_path" | cut -d' ' -f1)
say "The reference's commands, against http://$listen"
sed "s/localhost:8080/$listen/" "$root/docs/reference-examples.sh" | sh 2>/dev/null | tee "$scratch/answers" | jq -c 'if .inventory then .inventory | {uuid, name, state} else . end'
job=$(head -1 "$scratch/answers" | jq -r .inventory.uuid)
[[ ${#job} == 32 ]] || untrue "the submission was not answered with a job"
[[ $(sed -n 2p "$scratch/answers") == '{}' ]] || untrue "the deletion was not answered with {}"
[[ $(sed -n 3p "$scratch/answers" | jq -r .inventory.name) == new-name ]] || untrue "the update did not take"

until [[ $(api "/longjobs/$job" | jq -r .state) =~ ^(Succeeded|Failed|Canceled)$ ]]; do sleep 0.2; done
[[ $(api "/longjobs/$job" | jq -r .state) == Succeeded ]] || untrue "the job ended $(api "/longjobs/$job")"
moved=$(api "/volumes/$volume" | jq -r .installPath)
say "Moved"
echo "  from  $source_path"
echo "  to    $moved"
case $moved in
    ceph://*) rbd --conf "$CEPH_CONF" export --no-progress "${moved#ceph://}" - >"$scratch/moved.raw" ;;
    *) cp "$moved" "$scratch/moved.raw" ;;
esac
after=$(sha256sum "$scratch/moved.raw" | cut -d' ' -f1)
echo "  SHA-256 before $before"
echo "  SHA-256 after  $after"
[[ $after == "$before" ]] || untrue "the bytes differ"
