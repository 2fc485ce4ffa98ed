#!/usr/bin/env bash
# Empty a storage: 60 volumes, raw and qcow2, leave it while the bandwidth window of the target is changed and the
# server is killed once. The report lists every volume; the hashes are looked at by QEMU's own program; nothing stays.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need qemu-img qemu-utils
need jq jq
volumes=60

window() { printf '[storage.to]\nbytes_per_second = %d\n\n[[storage.to.window]]\nfrom = "00:00"\nto = "24:00"\nbytes_per_second = %d\n' "$1" "$1" >"$scratch/longhaul.toml"; }
window $((16 << 20))
start_server --config "$scratch/longhaul.toml"
add_directory from
add_directory to
for ((n = 1; n <= volumes; n++)); do
    half_full "$scratch/disk.raw" $((4 + n % 3 * 2))
    if ((n % 2)); then format=raw; else format=qcow2; fi
    qemu-img convert -f raw -O "$format" "$scratch/disk.raw" "$scratch/from/disk-$n.$format"
    sha256sum "$scratch/disk.raw" | cut -d' ' -f1 >"$scratch/disk-$n.sum"
    rm "$scratch/disk.raw"
    longhaul volume adopt --storage from --path "$scratch/from/disk-$n.$format" --name "disk-$n" >/dev/null
done

say "What would become of each (nothing is stored)"
longhaul storage evacuate from --to to --plan >"$scratch/plan" || untrue "the plan names blockers: $(cat "$scratch/plan")"
head -4 "$scratch/plan"
echo "  …"
job=$(longhaul -o json storage evacuate from --to to --parallel 4 --detach | jq -r .uuid)
percent() { longhaul -o json job show "$job" | jq -r '.progress.content // 0'; }
reached() { until (($(percent) >= $1)); do [[ $(state "$job") == Running ]] || break; sleep 0.1; done; }
say "Job $job"
reached 15
echo "  at $(percent) %: the window of the target allows 64 MiB a second from now on, not 16"
window $((64 << 20))
reached 40
echo "  at $(percent) %: kill -9 of the server and its copying processes"
[[ $(state "$job") == Running ]] || untrue "the job was over before the kill"
kill_server
start_server --config "$scratch/longhaul.toml"
longhaul job wait "$job" >/dev/null || untrue "the job ended $(state "$job")"

longhaul -o json storage evacuation "$job" --report "$scratch/report.md" >"$scratch/report.json"
say "The report"
head -16 "$scratch/report.md"
echo "  …"
[[ $(jq -r .complete "$scratch/report.json") == true ]] || untrue "it is not complete"
for ((n = 1; n <= volumes; n++)); do
    path=$(longhaul -o json volume show "disk-$n" | jq -r .installPath)
    [[ $path == "$scratch/to/"* ]] || untrue "disk-$n is at $path"
    if ((n % 2)); then format=raw; else format=qcow2; fi
    [[ $(sha256 "$format" "$path") == "$(cat "$scratch/disk-$n.sum")" ]] || untrue "the bytes of disk-$n differ"
    grep -q "disk-$n[^0-9]" "$scratch/report.md" || untrue "disk-$n is not in the report"
done
left=$(find "$scratch/to" -type f ! -name '.longhaul-storage' | wc -l)
((left == volumes)) || untrue "$left files lie on the target"
longhaul storage trash clean from --yes >/dev/null
left=$(find "$scratch/from" -type f ! -name '.longhaul-storage' | wc -l)
((left == 0)) || untrue "$left files are left on the source"
say "$volumes volumes moved, each with the bytes it had; nothing is left behind"
