"""Run a notebook from top to bottom, in a process of its own: ``play.py NOTEBOOK WITH_OUTPUTS``.

Kernel and client talk over Unix sockets; nothing listens on the network.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

CELL_S = 240


def main(source: Path, target: Path) -> None:
    book = nbformat.read(source, 4)
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # short: the path of a Unix socket has 107 characters at most
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/k")
        where = {"metadata": {"path": str(source.parent)}}
        NotebookClient(book, km=manager, timeout=CELL_S, resources=where).execute()
    nbformat.write(book, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
