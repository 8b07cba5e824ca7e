"""Where settings are in files of YAML or JSON, by PyYAML.

Reads a JSON list of {file, path, inside, pointer}: `path` leads to the settings, through names and numbers; `inside` is
how many of its steps lead to a text that is a document of its own. Prints a JSON list of [line, column], both counted
from 1: where the member or item is to which the JSON pointer leads, or the nearest one that would hold it.
"""

import json
import sys

import yaml


def step(node, name):
    """The start of a member's name or of an item, and its value; None if there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
        item = node.value[int(name)]
        return item.start_mark, item
    return None


def place(asked):
    text = open(asked["file"]).read()
    node, mark, shift, indentation = yaml.compose(text), None, 0, 0
    for number, name in enumerate(asked["path"], 1):
        mark, node = step(node, name)
        mark = node.start_mark
        if number == asked["inside"]:
            first = text.splitlines()[node.start_mark.line + 1]
            shift += node.start_mark.line + 1
            indentation += len(first) - len(first.lstrip())
            text = node.value
            node = yaml.compose(text)
            mark = node.start_mark
    mark = mark or node.start_mark
    for token in asked["pointer"].split("/")[1:]:
        found = step(node, token.replace("~1", "/").replace("~0", "~"))
        if not found:
            break
        mark, node = found
    return [mark.line + shift + 1, mark.column + indentation + 1]


print(json.dumps([place(asked) for asked in json.load(sys.stdin)]))
