"""Envoy's configuration: one listener per filter, all alike otherwise."""

import pathlib

from requests import jwks, public_key

TYPE = "type.googleapis.com/envoy.extensions"
# A path whose answer says who the filter took the client for: the proof that what is measured works.
WHO = "/who"

module = pathlib.Path()
noop = pathlib.Path()
cache_setting = True


def wasm(path: pathlib.Path, vm: str, settings: dict | None = None) -> dict:
    """The filter as in envoy/envoy.yaml, in a VM of its own."""
    config = {
        "name": vm,
        "failure_policy": "FAIL_RELOAD",
        "vm_config": {
            "vm_id": vm,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(path)}},
        },
    }
    if settings is not None:
        config["configuration"] = {"@type": "type.googleapis.com/google.protobuf.Struct", "value": settings}
    return {"name": vm, "typed_config": {"@type": f"{TYPE}.filters.http.wasm.v3.Wasm", "config": config}}


def ours(vm: str, alg: str = "RS256", cache: dict | None = None, settings: dict | None = None) -> dict:
    """This filter; `cache` is its setting `tokenCache`, and `settings` are others."""
    settings = {"public_key": public_key(alg), "algorithm": alg, "auth_type": "Bearer", **(settings or {})}
    if cache is not None and cache_setting:
        settings["tokenCache"] = cache
    return wasm(module, vm, settings)


def jwt_authn(alg: str = "RS256", cache: int = 0) -> dict:
    """Envoy's own filter doing the same: bearer token, user id to a header, token removed."""
    provider = {
        "local_jwks": {"inline_string": jwks(alg)},
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
        "claim_to_headers": [{"header_name": "userid", "claim_name": "sub"}],
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": cache, "jwt_max_token_size": 32768}
    config = {
        "@type": f"{TYPE}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"bench": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "bench"}}],
    }
    return {"name": "jwt_authn", "typed_config": config}


def direct(who: bool = True, user: str = "userid") -> list[dict]:
    """`user` is the identity header."""
    answer = {"status": 200, "body": {"inline_string": "ok"}}
    header = {"header": {"key": "x-who", "value": f"%REQ({user})%"}}
    check = {"match": {"prefix": WHO}, "direct_response": answer, "response_headers_to_add": [header]}
    return [check] * who + [{"match": {"prefix": "/"}, "direct_response": answer}]


def to_cluster(name: str) -> list[dict]:
    return [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "30s"}}]


def listener(name: str, filters: list[dict], routes: list[dict] | None = None, pipe: str | None = None) -> dict:
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "common_http_protocol_options": {"max_headers_count": 200},
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}},
        ],
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes or direct()}]},
    }
    address = {"pipe": {"path": pipe}} if pipe else {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {
        "name": name,
        "address": address,
        "per_connection_buffer_limit_bytes": 2097152,
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }


def filters_of(listener: dict) -> list[dict]:
    """The filters that `listener` was called with."""
    (connection,) = listener["filter_chains"][0]["filters"]
    return connection["typed_config"]["http_filters"][:-1]


def cluster(name: str, port: int = 0, pipe: str | None = None) -> dict:
    address = {"pipe": {"path": pipe}} if pipe else {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }


def envoy(listeners: list[dict], clusters: list[dict] | None = None) -> dict:
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": clusters or []},
    }
