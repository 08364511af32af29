"""Run a program as an ordinary user to whom /dev/net/tun is accessible, whatever this machine has for others.

The tests themselves run as root; the user is ``nobody``.  In a mount namespace of its own the device is there
with mode 666, and the interpreter can be reached even where it was installed below a closed home directory.
Nothing of this is seen outside.
"""

import os
import shlex
import sys
from pathlib import Path

NOBODY = 65534
_AS_USER = f"""
made=$(mktemp -d)
mknod -m 666 "$made/tun" c 10 200
mount -n --bind "$made/tun" /dev/net/tun
rm "$made/tun"
{{reach}}
rmdir "$made"
exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "$@"
"""
_REACH = """
mount -n --bind {prefix} "$made"
mount -n -t tmpfs -o mode=755 none {closed}
mkdir -p {prefix}
mount -n --bind "$made" {prefix}
umount -n "$made"
"""


def as_user(*argv: str) -> list[str]:
    """Return the command that runs *argv* so.  It needs root."""
    prefix = Path(os.path.realpath(sys.base_prefix))
    closed = [p for p in [prefix, *prefix.parents] if not p.stat().st_mode & 1]
    reach = (
        _REACH.format(prefix=shlex.quote(str(prefix)), closed=shlex.quote(str(closed[-1]))) if closed else ""
    )
    return ["unshare", "--mount", "sh", "-ec", _AS_USER.format(reach=reach), "sh", *argv]
