"""The command line: words in, exit code out.

Exit codes (design, section 7): 0 every claim holds; 1 some claim violated; 2 bad usage or bad
scenario; 3 unknown, inconclusive, or nothing was checked; 4 two methods disagree; 5 backend or
privilege missing; 6 the lab failed at run time.

Verbs live in `sdn_lab.cli.verbs`; each imports what it needs when it runs, so that
``sdn-lab validate`` does not wait for scapy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from sdn_lab.cli.arguments import parse
from sdn_lab.model.diagnostic import SdnLabError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        code: int = arguments.verb(arguments)
        sys.stdout.flush()
    except SdnLabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 6
    except BrokenPipeError:  # the reader of our output went away (`sdn-lab list | head -1`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 6
    return code
