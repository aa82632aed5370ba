"""`python -m runwright` is `runwright`."""

from __future__ import annotations

from runwright.cli.main import main

if __name__ == "__main__":
    main()
