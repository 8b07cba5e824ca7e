#!/bin/sh
# sbom.sh CARGO_CYCLONEDX FILE: writes the crates that Cargo builds the module from, for wasm32-wasip1, as CycloneDX.
# The same commit is the same file: its time is the commit's, and it names no folder of this machine.
set -eu
cd "$(dirname "$0")/.."
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2> /dev/null || echo 0)}"
export SOURCE_DATE_EPOCH

# cargo-cyclonedx writes one beside each Cargo.toml of the workspace.
name=sbom.cdx
everywhere() { find . -path ./target -prune -o -path ./.venv -prune -o -name $name.json -exec "$@" {} +; }
trap 'everywhere rm' EXIT
"$1" cyclonedx --quiet --format json --spec-version 1.5 --target wasm32-wasip1 --override-filename $name
sed "s|path+file://$PWD#|path+file:///#|g" $name.json > "$2"
