"""Run the command line with ``python -m knockwatch``."""

from knockwatch.cli import main

if __name__ == "__main__":
    main()
