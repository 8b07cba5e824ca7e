"""What Kinto itself reads in ini files: PasteDeploy and Kinto's own code, up to where the settings are complete.

Standard input: {name: {"paste": path, "app": name, "environment": {..}}}. Standard output: {name: settings}, or
{name: text} where Kinto does not come so far.
"""

import json
import sys

import kinto.core.initialization as initialization
from serve_kinto import pasted


class Read(Exception):
    pass


def captured(load):
    def load_and_stop(config, default_settings):
        load(config, default_settings)
        raise Read(dict(config.get_settings()))

    return load_and_stop


def main():
    initialization.load_default_settings = captured(initialization.load_default_settings)
    answers = {}
    for name, case in json.load(sys.stdin).items():
        try:
            pasted(case["paste"], case["app"], case["environment"])
        except Read as read:
            answers[name] = read.args[0]
        except Exception as error:
            answers[name] = repr(error)
    json.dump(answers, sys.stdout, default=str)


if __name__ == "__main__":
    main()
