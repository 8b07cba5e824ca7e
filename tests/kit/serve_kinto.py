"""Serves several real Kinto applications, each on a free port of its own, from one process.

Standard input: {name: {"ini": path, "settings": {..}, "observe": bool}}, each of them optional: the settings are
over those of the file, or of MEMORY without one, and null leaves one out. Or {name: {"paste": path, "app": name, "environment": {..}}}: what
PasteDeploy makes of the file, as `kinto start` does, with these variables. Standard output: one line, {name: port}.

An application that is observed says in each answer what happened inside: X-Seen-Users lists the identities (the
header userId, or the user of the ticket where there is a secret, null for none) of the request and of all requests
that Kinto made of it in the process;
X-Seen-Views lists their methods and routes, in order.
"""

import configparser
import gc
import json
import os
import sys
import threading
import warnings

warnings.simplefilter("ignore")

import kinto  # noqa: E402
from paste.deploy import loadapp  # noqa: E402
from pyramid.authentication import AuthTktCookieHelper  # noqa: E402
from pyramid.interfaces import IContextFound, INewRequest  # noqa: E402
from waitress.server import create_server  # noqa: E402

MEMORY = {
    "kinto.storage_backend": "kinto.core.storage.memory",
    "kinto.cache_backend": "kinto.core.cache.memory",
    "kinto.permission_backend": "kinto.core.permission.memory",
    "kinto.userid_hmac_secret": "test",
    "kinto.includes": "kinto.plugins.default_bucket",
}


def settings_of(application):
    settings = application.get("settings", {})
    if "ini" not in application:
        return {**MEMORY, **settings}
    ini = configparser.ConfigParser(defaults={"http_port": "0"})
    ini.optionxform = str
    ini.read(application["ini"])
    of_file = {key: value for key, value in ini["app:main"].items() if key not in ("use", "http_port")}
    return {key: value for key, value in {**of_file, **settings}.items() if value is not None}


def printable(text):
    return text.encode("utf-8", "backslashreplace").decode()


def observed(app):
    """The application with the headers X-Seen-Users and X-Seen-Views in each answer."""
    seen = threading.local()

    policy = {name: app.registry.settings.get(f"multiauth.policy.kinto_jwt.{name}") for name in ("secret", "cookie_name")}
    tickets = policy["secret"] and AuthTktCookieHelper(**policy, timeout=30, hashalg="sha512")

    def identity(request):
        if tickets:
            return (tickets.identify(request) or {}).get("userid")
        return request.environ.get("HTTP_USERID")

    def on_request(event):
        user = identity(event.request)
        user = user if user is None else printable(str(user))
        if user not in seen.users:
            seen.users.append(user)

    def on_route(event):
        route = event.request.matched_route
        name = f"{route.name} {route.pattern}" if route else "none"
        seen.views.append(printable(f"{event.request.method} {name}"))

    app.registry.registerHandler(on_request, (INewRequest,))
    app.registry.registerHandler(on_route, (IContextFound,))

    def wrapper(environ, start_response):
        seen.users, seen.views = [], []

        def start(status, headers, exc_info=None):
            # A long list would be more than a server takes as a header.
            headers = [
                *headers,
                ("X-Seen-Users", json.dumps(seen.users)),
                ("X-Seen-Views", json.dumps(seen.views[:200])),
            ]
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return wrapper


def pasted(path, app, environment):
    """The application of an ini file, started with these variables."""
    os.environ.update(environment)
    try:
        return loadapp(f"config:{os.path.abspath(path)}", name=app, global_conf={"http_port": "8888"})
    finally:
        for name in environment:
            del os.environ[name]


def application_of(application):
    if "paste" in application:
        return pasted(application["paste"], application["app"], application["environment"])
    app = kinto.main({}, **settings_of(application))
    return observed(app) if application.get("observe") else app


def main():
    ports = {}
    # With many applications, looking for garbage takes a third of the time.
    gc.disable()
    for name, application in json.load(sys.stdin).items():
        server = create_server(application_of(application), host="127.0.0.1", port=0, threads=2)
        ports[name] = int(server.effective_port)
        threading.Thread(target=server.run, daemon=True).start()
    gc.freeze()
    gc.enable()
    print(json.dumps(ports), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
