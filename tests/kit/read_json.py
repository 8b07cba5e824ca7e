"""Reads JSON as Python does: a line of base64 in, a line with its parts out, or `null` if the filter must refuse it.

The filter must refuse what Python refuses, and in addition what parsers read in several ways: two members of one name,
numbers that no double holds, half of a surrogate pair, another encoding than UTF-8, and what is no object. It also
refuses what is nested more deeply than 127 times, to keep its own stack.
"""

import base64
import json
import struct
import sys

DEEPEST = 127


class Refused(Exception):
    pass


def unique(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused
    return members


def no_constant(_):
    raise Refused


def parts(value, depth=0):
    """The parts of a value in order, each a text with its type; the members of an object by their names in UTF-8."""
    if depth > DEEPEST and isinstance(value, (dict, list)):
        raise Refused
    if value is None or isinstance(value, bool):
        yield str(value)
    elif isinstance(value, int):
        float(value)  # OverflowError: no double is near it.
        yield f"int {value}"
    elif isinstance(value, float):
        if value - value != 0:
            raise Refused
        yield f"double {struct.unpack('>Q', struct.pack('>d', value))[0]}"
    elif isinstance(value, str):
        yield f"text {value.encode().hex()}"
    elif isinstance(value, list):
        yield f"list {len(value)}"
        for item in value:
            yield from parts(item, depth + 1)
    else:
        yield f"object {len(value)}"
        for name, member in sorted(value.items(), key=lambda pair: pair[0].encode()):
            yield f"text {name.encode().hex()}"
            yield from parts(member, depth + 1)


def read(document):
    try:
        value = json.loads(document.decode(), object_pairs_hook=unique, parse_constant=no_constant)
        return list(parts(value, 1)) if isinstance(value, dict) else None
    except (Refused, ValueError, OverflowError, RecursionError):
        return None


for line in sys.stdin:
    print(json.dumps(read(base64.b64decode(line))), flush=True)
