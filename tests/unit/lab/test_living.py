"""How a lab sets out."""

import subprocess
import sys

SETS_OUT = """
import sys
from sdn_lab.lab import living
from sdn_lab.scenario import find, load

def ahead(methods):
    print(sorted({"logging", "concurrent.futures.thread"} - set(sys.modules)))

living._import_ahead = ahead
with living.Lab(load(find("overlap"))):
    pass
"""


def test_what_hooks_into_fork_is_imported_before_threads_import():
    """Else a hook that is registered during a fork runs by half, and says so on stderr."""
    argv = [sys.executable, "-c", SETS_OUT]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
