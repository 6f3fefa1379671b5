"""`python -m entrypoints.verifier`."""

import sys

from entrypoints.verifier.command import main

if __name__ == "__main__":
    sys.exit(main())
