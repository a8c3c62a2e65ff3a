#!/bin/sh
# A FIFO in the log folder: whoever opens it waits for ever.
mkfifo "$DISPATCH_LOG_DIR/left" "$DISPATCH_LOG_DIR/status.yml" && rm -f "$DISPATCH_RESULT" && mkfifo "$DISPATCH_RESULT"
echo TRIED
