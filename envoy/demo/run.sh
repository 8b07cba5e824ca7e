#!/bin/sh
# Starts Kinto (in memory) and Envoy with the filter in front of it, on loopback, until Ctrl-C.
# Needs what `make run` has set up: the module, and .venv with Envoy and Kinto.
set -eu
cd "$(dirname "$0")/../.."

# The secret with which the filter signs and Kinto verifies. Kinto reads every setting from its environment first.
MULTIAUTH_POLICY_KINTO_JWT_SECRET=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export MULTIAUTH_POLICY_KINTO_JWT_SECRET

KINTO_INI=envoy/kinto.ini .venv/bin/kinto start --ini envoy/kinto.ini --port 8888 &
kinto=$!
.venv/bin/envoy --config-path envoy/envoy.yaml --use-dynamic-base-id --log-level warning &
envoy=$!
trap 'kill $kinto $envoy 2>/dev/null; wait' EXIT
trap 'exit 0' INT TERM

tries=0
until .venv/bin/python envoy/demo/ready.py; do
    tries=$((tries + 1))
    kill -0 $kinto 2>/dev/null || { echo "run: Kinto did not start; is port 8888 in use?" >&2; exit 1; }
    kill -0 $envoy 2>/dev/null || { echo "run: Envoy did not start; are ports 10000 and 9901 in use?" >&2; exit 1; }
    [ $tries -lt 60 ] || { echo "run: Kinto does not answer through Envoy" >&2; exit 1; }
    sleep 0.5
done
sh envoy/demo/hello.sh
wait $envoy
