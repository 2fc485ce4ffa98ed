#!/usr/bin/env bash
# Thirty kills. A qcow2 moves while its copying process is killed 30 times with kill -9, every tenth time together with
# the server; beside it `qemu-img convert` copies the same disk at the same rate and is killed at the same moments.
# Ours ends with the same bytes, having copied little twice; qemu-img starts from zero each time.
# LONGHAUL_DEMO_SEED chooses the moments.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need qemu-img qemu-utils
need jq jq
need pgrep procps
kills=30 rate=8M mib=512
RANDOM=${LONGHAUL_DEMO_SEED:-2017}

start_server --set copy.checkpointMillis=100
add_directory from
add_directory to
half_full "$scratch/disk.raw" "$mib"
qemu-img convert -f raw -O qcow2 "$scratch/disk.raw" "$scratch/from/disk.qcow2"
rm "$scratch/disk.raw"
before=$(sha256 qcow2 "$scratch/from/disk.qcow2")
longhaul volume adopt --storage from --path "$scratch/from/disk.qcow2" --name disk >/dev/null
longhaul -o json volume migrate disk --to to --rate "$rate" --no-wait >"$scratch/job"
job=$(jq -r .uuid "$scratch/job")

# Its end is told by nobody but us.
beside() {
    qemu-img convert -r "$rate" -t none -f qcow2 -O qcow2 "$scratch/from/disk.qcow2" "$scratch/beside.qcow2" &
    beside_pid=$!
    disown "$beside_pid" # or the shell tells of each kill
}
# written PID: bytes that a process has sent to its files so far.
written() { sed -n 's/^wchar: //p' "/proc/$1/io" 2>/dev/null || true; }

say "A disk of $mib MiB, half of it data, at $rate a second; $kills kills at the same moments for both"
ours=0 theirs=0
beside
for ((kill = 1; kill <= kills; kill++)); do
    until pid=$(copier) && [[ -n $pid ]]; do
        [[ $(state "$job") =~ ^(Running|Waiting)$ ]] || untrue "the job was over before kill $kill: $(state "$job")"
        sleep 0.02
    done
    sleep "$(printf '%d.%03d' $((RANDOM % 2)) $((300 + RANDOM % 600)))"
    pid=$(copier) || true
    [[ -n $pid ]] || untrue "the copying process was gone before kill $kill"
    ours=$((ours + $(written "$pid") + 0)) theirs=$((theirs + $(written "$beside_pid") + 0))
    if ((kill % 10 == 0)); then
        kill_server
        what="the server and its copying process"
    else
        kill -9 "$pid"
        what="the copying process"
    fi
    kill -9 "$beside_pid" 2>/dev/null || true
    gone "$beside_pid"
    [[ -n $server_pid ]] || start_server --set copy.checkpointMillis=100
    beside
    progress=$(longhaul -o json job show "$job" | jq -r '.progress.content // empty')
    printf '  kill %2d  %-36s %s\n' "$kill" "$what" "${progress:+ours is at $progress %}"
done
kill -9 "$beside_pid" 2>/dev/null || true
gone "$beside_pid"

longhaul job wait "$job" >/dev/null || untrue "the job ended $(state "$job")"
target=$(longhaul -o json volume show disk | jq -r .installPath)
after=$(sha256 qcow2 "$target")
qemu-img check -q "$target" || untrue "qemu-img check finds faults in our target"
say "Longhaul: Succeeded"
echo "  SHA-256 before  $before"
echo "  SHA-256 after   $after"
echo "  its processes had written $((ours >> 20)) MiB when they were killed; the disk has $((mib / 2)) MiB of data"
[[ $after == "$before" ]] || untrue "the bytes differ"
((ours < (mib << 20))) || untrue "it copied as much again as the disk has"
say "qemu-img convert: after the same kills"
if qemu-img compare -q "$scratch/from/disk.qcow2" "$scratch/beside.qcow2" 2>/dev/null; then
    untrue "qemu-img's target is the disk"
fi
echo "  its target is not the disk; it had written $((theirs >> 20)) MiB, all of them lost"
