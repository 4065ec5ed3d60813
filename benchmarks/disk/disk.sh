#!/bin/sh
# An emulated spinning disk: an ext4 image on a loop device with the kernel's usual 128 KiB read-ahead, throttled to
# 120 reads a second and 150 MB/s for the processes run "on" it. Needs root, Linux, and cgroup v1's blkio controller.
#
#   disk.sh up [GIB]      make and mount it (default 4 GiB); prints where it is mounted
#   disk.sh cold CMD ...  mount it anew without a page cache, then run CMD throttled; prints reads and bytes to stderr
#   disk.sh warm CMD ...  the same without dropping the cache
#   disk.sh forget        mount it anew without a page cache
#   disk.sh down          unmount and remove it
#
# Files can be copied onto it at full speed; only what `cold` and `warm` run is slowed. The throttle counts requests and
# bytes. It does not know how far a head moves: every request costs the same.
set -eu
ROOT=${DISK_ROOT:-${TMPDIR:-/tmp}/seekless-disk}
IMAGE=$ROOT/disk.img
MOUNT=$ROOT/mnt
GROUP=/sys/fs/cgroup/blkio/seekless-disk
READS_A_SECOND=120
BYTES_A_SECOND=150000000

device() { losetup -j "$IMAGE" | cut -d: -f1; }
number() { cat "/sys/block/$(basename "$(device)")/dev"; }
served() { awk -v d="$(number)" '$1==d && $2=="Read" {n=$3} END {printf "%.0f", n+0}' "$GROUP/blkio.throttle.$1"; }

# What a file system keeps of files that were just written would be there for the first of several readers alone.
forget() {
    umount "$MOUNT"
    echo 3 > /proc/sys/vm/drop_caches
    mount -o noatime "$(device)" "$MOUNT"
}

case "${1:-}" in
up)
    mkdir -p "$MOUNT" "$GROUP"
    if [ -z "$(device 2>/dev/null)" ]; then
        truncate -s "${2:-4}G" "$IMAGE"
        mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 -N 1000000 "$IMAGE"
        losetup -f --direct-io=on "$IMAGE"
    fi
    blockdev --setra 256 "$(device)"
    mountpoint -q "$MOUNT" || mount -o noatime "$(device)" "$MOUNT"
    echo "$(number) $READS_A_SECOND" > "$GROUP/blkio.throttle.read_iops_device"
    echo "$(number) $BYTES_A_SECOND" > "$GROUP/blkio.throttle.read_bps_device"
    echo "$MOUNT"
    ;;
cold | warm)
    state=$1
    shift
    if [ "$state" = cold ]; then forget; fi
    reads=$(served io_serviced) bytes=$(served io_service_bytes) code=0
    sh -c 'echo $$ > "$0"/cgroup.procs; exec "$@"' "$GROUP" "$@" || code=$?
    echo "disk: $(($(served io_serviced) - reads)) reads, $(($(served io_service_bytes) - bytes)) bytes" >&2
    exit $code
    ;;
forget)
    forget
    ;;
down)
    if mountpoint -q "$MOUNT"; then umount "$MOUNT"; fi
    if [ -n "$(device 2>/dev/null)" ]; then losetup -d "$(device)"; fi
    rm -rf "$IMAGE"
    rmdir "$GROUP" "$MOUNT" "$ROOT" 2>/dev/null || true
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
