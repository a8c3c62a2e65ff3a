#!/bin/sh
# The dispatcher's own folders: journal, spool, object store, clone.
for file in "$STATE"/journal* "$STATE"/repo.git/config "$STATE"/lock "$CLONE/.git/config" "$CLONE/handlers/index.yml"; do
    head -c 1 "$file" > /dev/null 2>&1 && echo "REACHED $file"
done
echo TRIED
