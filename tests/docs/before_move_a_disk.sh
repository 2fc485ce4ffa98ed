# What the reader of "Move a disk of your own" has already: two directories, and a disk with bytes in it.
mkdir -p /srv/fast /srv/big
qemu-img create -q -f qcow2 /srv/fast/db.qcow2 64M
qemu-io -f qcow2 -c 'write -P 7 1M 3M' /srv/fast/db.qcow2 >/dev/null
