#!/usr/bin/env -S python3 -IS
"""Reads one changelog or copyright file and says what is in it.

What a handler sees: the payload as JSON on standard input, and SLUICE_ATTEMPT and its kin in the
environment. What it says: its result as JSON on standard output, progress lines on descriptor 3,
the reason of a failure on standard error, and an exit code: 0 done, 65 and 66 not worth a retry,
anything else worth one.
"""

import gzip
import json
import os
import re
import sys
import zlib

BAD_INPUT = 65  # EX_DATAERR
NO_INPUT = 66  # EX_NOINPUT
HERE = os.path.dirname(os.path.abspath(__file__))

LICENCES = {
    "Apache-2.0": rb"Apache(?: License)?,? (?:Version )?2(?:\.0)?|Apache-2",
    "Artistic": rb"\bArtistic\b",
    "BSD": rb"\bBSD\b|Redistribution and use in source and binary forms",
    "GFDL": rb"\bGFDL\b|GNU Free Documentation License",
    "GPL": rb"\bGPL\b|\bGPL-[123]|GNU General Public Licen[cs]e",
    "LGPL": rb"\bLGPL\b|\bLGPL-[23]|GNU (?:Lesser|Library) General Public Licen[cs]e",
    "MIT": rb"\bMIT\b|\bExpat\b|Permission is hereby granted, free of charge",
    "MPL": rb"\bMPL\b|Mozilla Public Licen[cs]e",
    "public domain": rb"(?i)public[ -]domain",
    "zlib": rb"\bzlib[/ ]",
}
# "bash (5.2.15-2) unstable; urgency=medium"
CHANGELOG_ENTRY = rb"(?m)^[\w.+-]+ \([^)]+\) .*urgency="


def give_up(code, why):
    print(why, file=sys.stderr)
    sys.exit(code)


def progress(ratio, message):
    try:
        os.write(3, f"{ratio} {message}\n".encode())
    except OSError:
        pass  # started by hand: nobody listens


def read(path):
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        give_up(NO_INPUT, f"no such file: {path}")
    except IsADirectoryError:
        give_up(BAD_INPUT, f"is a folder, not a file: {path}")
    except PermissionError:
        give_up(BAD_INPUT, f"may not be read: {path}")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        give_up(BAD_INPUT, f"damaged archive: {path}: {error}")


def main():
    payload = json.load(sys.stdin)
    attempt = int(os.environ.get("SLUICE_ATTEMPT", "1"))
    if attempt <= payload.get("failures", 0):
        give_up(1, f"out of luck at attempt {attempt}, as the payload asks")

    # A relative path starts beside this program.
    text = read(os.path.join(HERE, payload["path"]))
    progress(0.5, "read")
    json.dump(
        {
            "path": payload["path"],
            "bytes": len(text),
            "lines": text.count(b"\n"),
            "entries": len(re.findall(CHANGELOG_ENTRY, text)),
            "licences": [name for name, mark in LICENCES.items() if re.search(mark, text)],
        },
        sys.stdout,
    )


main()
