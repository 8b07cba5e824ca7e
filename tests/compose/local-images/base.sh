#!/bin/sh
# Prints the name of the one Debian under all stand-ins, made first if it is not there, so that packages are fetched
# and unpacked once. It is made anew when this file changes.
set -eu
cd "$(dirname "$0")"
base=kinto-jwt-filter/stand-in-base:$(sha256sum base.sh | cut -c1-12)

if ! docker image inspect "$base" > /dev/null 2>&1; then
    command -v mmdebstrap > /dev/null || {
        echo "images: no registry answers, and mmdebstrap is missing: apt-get install mmdebstrap" >&2
        exit 1
    }
    echo "images: building the base of the stand-ins (Debian bookworm)" >&2
    work=$(mktemp -d)
    trap 'rm -r "$work"' EXIT
    # - No cluster from the package: the container makes its own.
    # - The ids of the official images: postgres is 999, and 101 is left to envoy.
    # - The machine's certificates, so that pip inside trusts what pip outside does.
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3-venv,postgresql-15 \
        --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook='mkdir -p "$1/etc/postgresql-common"' \
        --essential-hook='echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"' \
        --customize-hook='chroot "$1" usermod --uid 999 postgres' \
        --customize-hook='chroot "$1" groupmod --gid 999 postgres' \
        --customize-hook='chroot "$1" groupmod --gid 998 ssl-cert' \
        --customize-hook='cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"' \
        bookworm "$work/base.tar" >&2
    postgres=$(tar -xOf "$work/base.tar" ./var/lib/dpkg/status | sed -n '/^Package: postgresql-15$/,/^$/s/^Version: //p')
    docker import --change "LABEL kinto-jwt-filter.postgres=$postgres" \
        --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DISABLE_PIP_VERSION_CHECK=1" \
        "$work/base.tar" "$base" > /dev/null
fi
echo "$base"
