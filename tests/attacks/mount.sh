#!/bin/sh
# Mounts a file system over its own folder, and makes its own view writable.
mkdir -p "$DISPATCH_WORK/mount"
mount -t tmpfs attack "$DISPATCH_WORK/mount" 2>/dev/null && echo "REACHED mount"
mount --bind "$DISPATCH_WORK" "$DISPATCH_WORK/mount" 2>/dev/null && echo "REACHED mount --bind"
mount -o remount,rw,bind "$PWD" 2>/dev/null && echo "REACHED remount"
umount "$DISPATCH_WORK" 2>/dev/null && echo "REACHED umount"
echo TRIED
