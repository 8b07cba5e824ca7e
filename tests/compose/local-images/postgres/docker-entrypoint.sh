#!/bin/bash
# Makes the database at the first start, from the variables of the official image, and becomes the server.
set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    initdb --username="$user" --pwfile=<(echo "${POSTGRES_PASSWORD:?}") --auth-local=trust --auth-host=scram-sha-256
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    [ "${POSTGRES_DB:-postgres}" = postgres ] || postgres --single postgres <<< "CREATE DATABASE \"$POSTGRES_DB\""
fi
exec "$@"
