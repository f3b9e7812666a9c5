"""Stands in for curl where a machine has none: the options that the guides use."""

import argparse
import sys
from pathlib import Path

import httpx


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("-F", dest="form", action="append", default=[])
    parser.add_argument("-D", dest="head", choices=["-"])
    parser.add_argument("-o", dest="output", choices=["/dev/null"])
    parser.add_argument("-i", dest="include", action="store_true")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-N", action="store_true")
    given = parser.parse_args()
    headers = [line.split(": ", 1) for line in given.headers]
    form = [field.split("=", 1) for field in given.form]
    out = sys.stdout.buffer
    with httpx.stream(
        given.method or ("POST" if given.form or given.data is not None else "GET"),
        given.url,
        headers=[(name, value) for name, value in headers],
        content=None if given.data is None else given.data.encode(),
        data=dict(f for f in form if not f[1].startswith("@")),
        files={name: Path(v[1:]).open("rb") for name, v in form if v.startswith("@")},
        timeout=60,
    ) as response:
        if given.head or given.include:
            phrase = f"HTTP/1.1 {response.status_code} {response.reason_phrase}"
            lines = [f"{name}: {value}" for name, value in response.headers.items()]
            out.write("\r\n".join([phrase, *lines, "", ""]).encode())
        for piece in response.iter_raw():
            if not given.output:
                out.write(piece)
                out.flush()


if __name__ == "__main__":
    main()
