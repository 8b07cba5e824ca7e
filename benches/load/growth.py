"""What it costs as the work grows: one plot each."""

import dataclasses
import json
import statistics
import tempfile

import config
from load import added, interleave, load, median_us
from requests import Requests, mint, raw
from servers import Envoy

OFF = {"maxEntries": 0}
LARGE = {"maxEntries": 200_000, "maxBytes": 256 << 20}


@dataclasses.dataclass
class Plot:
    name: str
    title: str
    x: str
    y: str
    xs: list
    lines: dict[str, list[float]]
    log: bool = False
    notes: str = ""


def peers(alg: str) -> list[dict]:
    return [
        config.listener("no filter", []),
        config.listener("this filter, warm", [config.ours("warm", alg)]),
        config.listener("this filter, cache off", [config.ours("cold", alg, OFF)]),
        config.listener("jwt_authn", [config.jwt_authn(alg)]),
        config.listener("jwt_authn with its cache", [config.jwt_authn(alg, 10000)]),
    ]


def grow(plot: Plot, envoy: Envoy, requests, rounds: int, over: str = "no filter", connections: int = 32) -> Plot:
    """CPU added over the listener `over`, for each of the others and each x; `requests(x)` are the requests."""
    names = [name for name in envoy.ports if envoy.ports[name]]
    sent = {x: requests(x) for x in plot.xs}

    def measure(point):
        name, x = point
        return load(envoy.ports[name], sent[x], [envoy.pid], connections=connections)

    points = [(name, x) for x in plot.xs for name in names]
    interleave([(name, plot.xs[0]) for name in names], 1, measure)
    found = interleave(points, rounds, measure)
    for name in names:
        if name == over:
            plot.lines[name] = [median_us(found[name, x]) for x in plot.xs]
        else:
            plot.lines[f"{name}, added"] = [
                statistics.median(added(found[name, x], found[over, x])) for x in plot.xs
            ]
    return plot


def token_size(rounds: int, quick: bool) -> Plot:
    """ES256: with RS256 the signature alone is 342 characters."""
    xs = [0.5, 4, 16] if quick else [0.5, 1, 2, 4, 8, 16]
    plot = Plot("token-size", "Token size (ES256)", "KiB", "CPU per request, us", xs, {}, log=True)
    with Envoy(config.envoy(peers("ES256"))) as envoy:
        return grow(
            plot, envoy, lambda x: Requests.with_tokens(mint("ES256", 1, int(x * 1024) - 8)), rounds
        )


def request_headers(rounds: int, quick: bool) -> Plot:
    xs = [5, 100] if quick else [5, 10, 25, 50, 100]
    plot = Plot("request-headers", "Request headers (RS256)", "headers", "CPU per request, us", xs, {})
    listeners = [one for one in peers("RS256") if one["name"] in ("no filter", "this filter, warm")]
    listeners += [one for one in peers("RS256") if one["name"].endswith("its cache")]
    listeners.append(config.listener("an SDK filter that does nothing", [config.wasm(config.noop, "noop")]))
    with Envoy(config.envoy(listeners)) as envoy:
        token = mint("RS256")[0]
        return grow(plot, envoy, lambda x: Requests([raw(token, headers=x)]), rounds)


def batch(rounds: int, quick: bool) -> Plot:
    """Through to a listener of the same Envoy that reads the whole body before it answers: its cost, and that of
    the connection to it, is in both."""
    xs = [1, 25] if quick else [1, 5, 10, 15, 20, 25]
    plot = Plot("batch", "Sub-requests of a batch (RS256)", "sub-requests", "CPU of Envoy per batch, us", xs, {})
    token = mint("RS256")[0]
    with tempfile.TemporaryDirectory() as directory:
        pipe = f"{directory}/upstream"
        buffer = {"@type": f"{config.TYPE}.filters.http.buffer.v3.Buffer", "max_request_bytes": 1 << 20}
        listeners = [
            config.listener("no filter", [], config.to_cluster("upstream")),
            config.listener("this filter, warm", [config.ours("warm")], config.to_cluster("upstream")),
            config.listener("upstream", [{"name": "buffer", "typed_config": buffer}], config.direct(False), pipe),
        ]
        clusters = [config.cluster("upstream", pipe=pipe)]
        with Envoy(config.envoy(listeners, clusters)) as envoy:

            def requests(x: int) -> Requests:
                body = json.dumps({"requests": [{"method": "GET", "path": "/v1/"}] * x})
                return Requests([raw(token, "/v1/batch", body)])

            return grow(plot, envoy, requests, rounds)


def cached_tokens(rounds: int, quick: bool) -> Plot:
    xs = [1, 100, 1_000] if quick else [1, 10, 100, 1_000, 10_000, 100_000]
    plot = Plot(
        "cached-tokens", "Tokens in turn (ES256)", "tokens", "CPU added over no filter, us", xs, {}, log=True,
        notes="In turn is the worst order for a cache: an LRU finds none if there are more tokens than `maxEntries`.",
    )  # fmt: skip
    listeners = [
        config.listener("no filter", []),
        config.listener("tokenCache by default", [config.ours("default", "ES256")]),
        config.listener("tokenCache of 200,000", [config.ours("large", "ES256", LARGE)]),
        config.listener("jwt_authn, cache of 200,000", [config.jwt_authn("ES256", 200_000)]),
    ]
    tokens = mint("ES256", xs[-1])
    files = {x: Requests.with_tokens(tokens[:x]) for x in xs}
    with Envoy(config.envoy(listeners)) as envoy:
        names = list(envoy.ports)
        sent = {(name, x): files[x].again() for name in names for x in xs}

        def measure(point):
            return load(envoy.ports[point[0]], sent[point], [envoy.pid])

        found = {}
        for x in xs:
            # Each cache has seen every token once before it counts.
            for name in names[1:]:
                while sent[name, x].place < x:
                    load(envoy.ports[name], sent[name, x], seconds=1 + x // 15_000)
            found |= interleave([(name, x) for name in names], rounds, measure)
        for name in names[1:]:
            plot.lines[name] = [
                statistics.median(added(found[name, x], found["no filter", x])) for x in xs
            ]
        return plot


def workers(rounds: int, _quick: bool) -> Plot:
    plot = Plot("workers", "Workers of Envoy (RS256)", "workers", "CPU per request, us", [1, 2], {})
    requests = Requests.with_tokens(mint("RS256"))
    config_ = config.envoy(peers("RS256"))
    with Envoy(config_, 1) as one, Envoy(config_, 2) as two:

        def measure(point):
            envoy, name = {1: one, 2: two}[point[1]], point[0]
            return load(envoy.ports[name], requests, [envoy.pid])

        points = [(name, count) for name in one.ports for count in plot.xs]
        interleave(points, 1, measure)
        found = interleave(points, rounds, measure)
        for name in one.ports:
            plot.lines[name] = [median_us(found[name, count]) for count in plot.xs]
    return plot
