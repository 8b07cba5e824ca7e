#!/bin/sh
# Prints a demo token and three requests to try against Envoy on port 10000.
set -eu
cd "$(dirname "$0")/../.."
cat <<END

Kinto is at http://127.0.0.1:10000/v1/ behind Envoy and kinto-jwt-filter. A token for alice, good for an hour:

TOKEN=$(.venv/bin/python envoy/demo/mint.py alice)

Paste that line into another terminal; then try
1. to be alice                 (answers "kinto_jwt:alice"):
   curl -s http://127.0.0.1:10000/v1/ -H "Authorization: JWT \$TOKEN" | grep -o '"id":"kinto_jwt:[^"]*"'
2. to claim to be admin        (answers "kinto_jwt:public"):
   curl -s http://127.0.0.1:10000/v1/ -H "userId: admin" | grep -o '"id":"kinto_jwt:[^"]*"'
3. to claim it inside a batch  (answers "kinto_jwt:public"):
   curl -s http://127.0.0.1:10000/v1/batch -d '{"requests":[{"path":"/","headers":{"userId":"admin"}}]}' -H "Content-Type: application/json" | grep -o '"id":"kinto_jwt:[^"]*"'

END
