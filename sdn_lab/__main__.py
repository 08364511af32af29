"""``python -m sdn_lab`` is ``sdn-lab``."""

from sdn_lab.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
