"""Prints a token of the demo issuer for a user, valid for an hour: mint.py [USER]"""

import pathlib
import sys
import time

import jwt

key = pathlib.Path(__file__).with_name("private-key.pem").read_text()
user = sys.argv[1] if len(sys.argv) > 1 else "alice"
print(jwt.encode({"sub": user, "exp": int(time.time()) + 3600}, key, algorithm="RS256"))
