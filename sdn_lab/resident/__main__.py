"""``python -m sdn_lab.resident DESCRIPTOR``: become a resident.

The first process of the new session leaves at once, so that the one that stays can never get a controlling
terminal, and is nobody's child but init's.
"""

import os
import sys

if __name__ == "__main__":
    if os.fork():
        os._exit(0)

    from sdn_lab.resident.life import live

    sys.exit(live(int(sys.argv[1])))
