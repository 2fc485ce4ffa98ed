#!/usr/bin/env bash
# The zombie. Of two nodes on one database, the one that copies a volume on a shared directory stands still for longer than
# its lease; the other one takes the job over and copies. Then the first wakes in the middle of a write. Not a byte of
# its process lands any more: the kernel counts none, and the file that it wrote is the same. The volume has its bytes, and the
# woken node has joined again as another one.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$(dirname "${BASH_SOURCE[0]}")/nodes.sh"
need qemu-img qemu-utils
need jq jq
need pgrep procps
mib=${LONGHAUL_DEMO_MIB:-32}

start_database
start_node a
start_node b
for storage in from to; do
    mkdir "$scratch/$storage"
    longhaul storage add shared --name "$storage" --path "$scratch/$storage" >/dev/null
done
dd if=/dev/urandom of="$scratch/from/disk.raw" bs=1M count="$mib" status=none
before=$(sha256 raw "$scratch/from/disk.raw")
longhaul volume adopt --storage from --path "$scratch/from/disk.raw" --name disk >/dev/null
job=$(longhaul -o json volume migrate disk --to to --rate 4M --no-wait | jq -r .uuid)

# What the kernel counted of a process that wrote to a disk, also of one that has ended and is not waited for.
written() { sed -n 's/^write_bytes: //p' "/proc/$1/io" 2>/dev/null || true; }

zombie=
until [[ -n $zombie ]]; do
    [[ $(state "$job") =~ ^(Running|Waiting)$ ]] || untrue "the job was over before: $(state "$job")"
    for node in a b; do
        copier=$(copier_of $node || true)
        if [[ -n $copier ]] && (($(written "$copier") + 0 > 4 << 20)); then zombie=$node; fi
    done
    sleep 0.05
done
if [[ $zombie == a ]]; then other=b; else other=a; fi
on "$other"
former=$(uuid_of "$zombie")
copier=$(copier_of "$zombie")
say "Node $zombie copies; it and its copying process stand still in the middle of it"
stop_all "$copier" "${node_pid[$zombie]}"
stopped=$SECONDS
# The file that it writes, kept open, so that it can be read whatever its name becomes.
file=$(find "/proc/$copier/fd" -lname "$scratch/to/*" -printf '%l\n' | sort -u)
[[ -f $file ]] || untrue "the copying process has no file of its own open: $file"
exec 7<"$file"
until [[ -n $(copier_of "$other" || true) ]]; do
    ((SECONDS - stopped < 30)) || untrue "nobody took the job over"
    sleep 0.05
done
counted=$(written "$copier")
held=$(sha256sum </proc/$$/fd/7)
echo "  after $((SECONDS - stopped)) s node $other copies; the zombie had written $((counted >> 20)) MiB"

say "The zombie wakes: first the process that writes, then its node"
# Its node stands still, so that nobody takes note of its end, and the kernel keeps what it counted.
kill -CONT "$copier"
until [[ $(process_state "$copier") == Z ]]; do
    [[ $(state "$job") == Running ]] || untrue "the zombie's process still runs, and the job is $(state "$job")"
    sleep 0.02
done
late=$(($(written "$copier") - counted))
[[ $(sha256sum </proc/$$/fd/7) == "$held" ]] || untrue "the file that the zombie wrote has changed since"
exec 7<&-
kill -CONT "${node_pid[$zombie]}"
echo "  bytes that it wrote after the takeover, as the kernel counts: $late"
echo "  the file that it wrote is the same as before"
((late == 0)) || untrue "it wrote $late bytes"

longhaul job wait "$job" >/dev/null || untrue "the job ended $(state "$job")"
target=$(longhaul -o json volume show disk | jq -r .installPath)
after=$(sha256 raw "$target")
until new=$(uuid_of "$zombie") && [[ -n $new && $new != "$former" ]]; do
    ((SECONDS - stopped < 90)) || untrue "the woken node has not joined again"
    sleep 0.1
done
say "Succeeded on node $other"
echo "  SHA-256 before  $before"
echo "  SHA-256 after   $after"
echo "  node $zombie was $former and has joined again as $new"
[[ $after == "$before" ]] || untrue "the bytes differ"
