"""What hack/cluster says, and how it gives up."""
import sys


class Failure(Exception):
    """Something a person can act on; shown without a traceback."""


def say(text):
    print(text, file=sys.stderr, flush=True)
