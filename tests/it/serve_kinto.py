"""Serves several real Kinto applications, each on a free port of its own, from one process.

Standard input: {name: {"ini": path} or {"settings": {..}}}; standard output: one line, {name: port}.
"""

import configparser
import json
import sys
import threading
import warnings

warnings.simplefilter("ignore")

import kinto  # noqa: E402
from waitress.server import create_server  # noqa: E402

MEMORY = {
    "kinto.storage_backend": "kinto.core.storage.memory",
    "kinto.cache_backend": "kinto.core.cache.memory",
    "kinto.permission_backend": "kinto.core.permission.memory",
    "kinto.userid_hmac_secret": "test",
    "kinto.includes": "kinto.plugins.default_bucket",
}


def settings_of(application):
    if "ini" in application:
        ini = configparser.ConfigParser(defaults={"http_port": "0"})
        ini.optionxform = str
        ini.read(application["ini"])
        return {key: value for key, value in ini["app:main"].items() if key not in ("use", "http_port")}
    return {**MEMORY, **application["settings"]}


ports = {}
for name, application in json.load(sys.stdin).items():
    app = kinto.main({}, **settings_of(application))
    server = create_server(app, host="127.0.0.1", port=0, threads=2)
    ports[name] = int(server.effective_port)
    threading.Thread(target=server.run, daemon=True).start()
print(json.dumps(ports), flush=True)
threading.Event().wait()
