"""Exits 0 when Kinto answers through Envoy."""

import sys
import urllib.request

try:
    urllib.request.urlopen("http://127.0.0.1:10000/v1/__lbheartbeat__", timeout=2)
except OSError:
    sys.exit(1)
