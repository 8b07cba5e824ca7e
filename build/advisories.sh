#!/bin/sh
# advisories.sh CARGO_DENY: looks for the dependencies in RustSec's database of advisories. ADVISORY_DB says where it is:
# a folder with a clone of it, or its address, https://github.com/RustSec/advisory-db. Without it nothing is checked, and
# the output says so. A database whose last change is older than 90 days is refused: it does not know what came since.
set -eu
cd "$(dirname "$0")/.."
official=https://github.com/RustSec/advisory-db
if [ -z "${ADVISORY_DB:-}" ]; then
    echo "advisories: not checked: no database"
    exit
fi
if [ "$ADVISORY_DB" != $official ]; then
    # cargo-deny knows databases by their address. Git takes the folder in the place of the address.
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_VALUE_0=$official
    GIT_CONFIG_KEY_0="url.file://$(cd "$ADVISORY_DB" && pwd).insteadOf"
    export GIT_CONFIG_KEY_0
fi
# What another run has fetched may be another database.
rm -rf target/advisory-db
"$1" --locked --workspace check --hide-inclusion-graph advisories
database=$(echo target/advisory-db/advisory-db-*)
changed=$(git -C "$database" log -1 --format=%cs)
if [ -z "$(git -C "$database" log -1 --format=%h --since='90 days ago')" ]; then
    echo "advisories: not checked: the database ends at $changed" >&2
    exit 1
fi
echo "advisories: checked with the database of $changed"
