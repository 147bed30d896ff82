"""``python -m hetsim``."""

from hetsim.cli import main

if __name__ == "__main__":
    main()
