#!/bin/sh
# reproducible.sh: builds the module of the last commit twice, in two folders, each with a CARGO_HOME of its own, and
# compares the bytes. What is not committed is not built.
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse --short HEAD)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for name in one a/longer/name; do
    git clone --quiet --no-checkout . "$folder/$name/source"
    git -C "$folder/$name/source" checkout --quiet --detach "$commit"
    mkdir "$folder/$name/cargo"
    CARGO_HOME="$folder/$name/cargo" CARGO_TARGET_DIR="$folder/$name/target" \
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" sh "$folder/$name/source/build/module.sh"
    sha256sum "$folder/$name/target/wasm32-wasip1/release/kinto_jwt_filter.wasm" | cut -d ' ' -f 1 >> "$folder/digests"
done
cat "$folder/digests"
if [ "$(sort -u "$folder/digests" | wc -l)" != 1 ]; then
    echo "reproducible: the two modules are not the same" >&2
    exit 1
fi
echo "reproducible: the module of $commit is the same twice"
