"""A person in the CMS around the printed receiver: `python -m support.editors.printed_receiver URL`."""

from __future__ import annotations

import json
import sys

import requests

if __name__ == "__main__":
    with requests.Session() as http:
        http.trust_env = False
        for line in sys.stdin:
            answer = http.post(sys.argv[1] + "/person", json=json.loads(line))
            print(json.dumps(answer.json()), flush=True)
