"""To a real Kinto: this filter in front of it, with tickets, against kinto_jwt inside it; and batches."""

import configparser
import dataclasses
import json
import pathlib
import statistics
import tempfile

import config
import tickets
from load import Sample, interleave, load
from requests import Requests, claim, mint, public_key, raw
from servers import ROOT, Envoy, Kinto, fetch

RECORD = "/v1/buckets/bench/collections/bench/records/bench"
PATHS = {"the root, `GET /v1/`": "/v1/", "a record of the user": RECORD}


def with_kinto_jwt(directory: str) -> pathlib.Path:
    """envoy/kinto.ini with kinto_jwt as the policy, so that the two differ in nothing else."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.optionxform = str
    ini.read(ROOT / "envoy/kinto.ini")
    prefix = "multiauth.policy.kinto_jwt."
    for option in [option for option in ini["app:main"] if option.startswith(prefix)]:
        ini.remove_option("app:main", option)
    ini["app:main"].update({
        prefix + "use": "kinto_jwt.JWTAuthenticationPolicy",
        prefix + "algorithm": "RS256",
        prefix + "auth_type": "Bearer",
        prefix + "unauthorizedUserId": "public",
        prefix + "userIdTokenKey": "sub",
        prefix + "public_key": "\n" + public_key("RS256"),
    })  # fmt: skip
    path = pathlib.Path(directory) / "with-kinto-jwt.ini"
    with path.open("w") as file:
        ini.write(file)
    return path


@dataclasses.dataclass
class EndToEnd:
    per_second: dict[str, tuple[float, float, float]]
    """For each path: with this filter, with kinto_jwt, the median ratio."""
    batch: list[tuple[str, float, float, float]]
    """Of Envoy and Kinto, and of Envoy alone: CPU per batch with the filter, without, the median ratio."""

    def ratio(self) -> float:
        return min(ratio for _, _, ratio in self.per_second.values())


def create_record(port: int, headers: dict):
    """The record that is read, owned by whom the headers prove; the answer's user must be that one."""
    user = json.loads(fetch(port, "/v1/", headers=headers)[2])["user"]["id"]
    if user != "kinto_jwt:user-0000000":
        raise SystemExit(f"bench: Kinto takes the client for {user}")
    path = ""
    for part in RECORD.removeprefix("/v1/").split("/"):
        path += f"/{part}"
        if part == "bench":
            status, _, body = fetch(port, "/v1" + path, "PUT", "{}", {**headers, "content-type": "application/json"})
            if status not in (200, 201):
                raise SystemExit(f"bench: PUT {path}: {status} {body!r}")


def measure(rounds: int, seconds: int) -> EndToEnd:
    token = mint("RS256")[0]
    headers, connections = {"authorization": f"Bearer {token}"}, 8
    with tempfile.TemporaryDirectory() as directory:
        trusting = Kinto(ROOT / "envoy/kinto.ini", {"MULTIAUTH_POLICY_KINTO_JWT_SECRET": tickets.SECRET})
        with trusting, Kinto(with_kinto_jwt(directory)) as verifying:
            ours = config.ours("filter", settings={"ticket": tickets.TICKET})
            listeners = [
                config.listener("filter", [ours], config.to_cluster("trusting")),
                config.listener("bare", [], config.to_cluster("trusting")),
                config.listener("kinto_jwt", [], config.to_cluster("verifying")),
            ]
            clusters = [config.cluster("trusting", trusting.port), config.cluster("verifying", verifying.port)]
            with Envoy(config.envoy(listeners, clusters)) as envoy:
                for name in ["filter", "kinto_jwt"]:
                    create_record(envoy.ports[name], headers)

                def sample(listener: str, requests: Requests) -> Sample:
                    watch = [envoy.pid, trusting.pid, verifying.pid]
                    return load(envoy.ports[listener], requests, watch, connections=connections, seconds=seconds)

                per_second = {}
                for label, path in PATHS.items():
                    requests = Requests([raw(token, path)])
                    found = interleave(["filter", "kinto_jwt"], rounds, lambda name: sample(name, requests))
                    pairs = [(a.per_second, b.per_second) for a, b in zip(found["filter"], found["kinto_jwt"])]
                    per_second[label] = (
                        *(statistics.median(side) for side in zip(*pairs)),
                        statistics.median(a / b for a, b in pairs),
                    )

                body = json.dumps({"requests": [{"method": "GET", "path": "/v1/"}] * 10})
                cookie = tickets.make(claim(token, "sub"))
                create_record(envoy.ports["bare"], {"cookie": cookie})
                batches = {
                    "filter": Requests([raw(token, "/v1/batch", body)]),
                    "bare": Requests([raw(None, "/v1/batch", body, more=[("cookie", cookie)])]),
                }
                found = interleave(list(batches), rounds, lambda name: sample(name, batches[name]))
                both = {name: [s.cpu[0] + s.cpu[1] for s in samples] for name, samples in found.items()}
                envoys = {name: [s.cpu[0] for s in samples] for name, samples in found.items()}
                batch = [
                    (
                        label,
                        statistics.median(cpu["filter"]),
                        statistics.median(cpu["bare"]),
                        statistics.median(a / b for a, b in zip(cpu["filter"], cpu["bare"])),
                    )
                    for label, cpu in [("Envoy and Kinto", both), ("Envoy", envoys)]
                ]
                return EndToEnd(per_second, batch)
