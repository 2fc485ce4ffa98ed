#!/usr/bin/env bash
# A disk that a running QEMU holds is not copied, and while a disk is copied no QEMU opens it for writing.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need qemu-img qemu-utils
need qemu-system-x86_64 qemu-system-x86
need jq jq

tidy() { [[ -z ${vm_pid:-} ]] || kill -9 "$vm_pid" 2>/dev/null || true; }

start_server
add_directory from
add_directory to
disk=$scratch/from/disk.qcow2
half_full "$scratch/disk.raw" 128
qemu-img convert -f raw -O qcow2 "$scratch/disk.raw" "$disk"
before=$(sha256 qcow2 "$disk")
longhaul volume adopt --storage from --path "$disk" --name disk >/dev/null

# The VM never runs a guest, but holds its disk as a running one does.
vm() {
    exec qemu-system-x86_64 -machine q35 -accel tcg -m 32 -S -nodefaults -display none -monitor none \
        -drive "file=$disk,format=qcow2,if=none,id=d" -device virtio-blk-pci,drive=d
}
vm &
vm_pid=$!
disown "$vm_pid"
until grep -qs 'lock:.* 101' /proc/$vm_pid/fdinfo/*; do
    kill -0 "$vm_pid" 2>/dev/null || { echo "QEMU did not start" >&2; exit 2; }
    sleep 0.05
done
say "The VM is on"
if longhaul volume migrate disk --to to >"$scratch/refused" 2>&1; then untrue "the disk of a running VM was moved"; fi
cat "$scratch/refused"
grep -q "$vm_pid" "$scratch/refused" || untrue "the refusal does not name QEMU's pid $vm_pid"

say "The VM is off; while its disk is copied, it cannot be turned on"
kill -9 "$vm_pid"
gone "$vm_pid"
job=$(longhaul -o json volume migrate disk --to to --rate 32M --no-wait | jq -r .uuid)
until [[ -n $(copier) && -n $(find "$scratch/to" -name "$job-*") ]]; do sleep 0.02; done
if timeout 5 qemu-io -f qcow2 -c 'write 0 512' "$disk" >"$scratch/write" 2>&1; then
    untrue "somebody wrote to the disk while it was copied"
fi
head -1 "$scratch/write"
longhaul job wait "$job" >/dev/null || untrue "the job ended $(state "$job")"
after=$(sha256 qcow2 "$(longhaul -o json volume show disk | jq -r .installPath)")
say "Moved"
echo "  SHA-256 before $before"
echo "  SHA-256 after  $after"
[[ $after == "$before" ]] || untrue "the bytes differ"
