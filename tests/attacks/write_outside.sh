#!/bin/sh
# A new file, more of an old one, another name, no name: in a folder of the host that everybody may write.
echo x 2>/dev/null > "$OUTSIDE/written"
echo x 2>/dev/null >> "$OUTSIDE/grown"
mkdir "$OUTSIDE/made" 2>/dev/null
ln -s /etc/passwd "$OUTSIDE/linked" 2>/dev/null
mv "$OUTSIDE/to-rename" "$OUTSIDE/renamed" 2>/dev/null
rm -f "$OUTSIDE/to-remove" 2>/dev/null
cp "$0" "$OUTSIDE/copied" 2>/dev/null
echo TRIED
