"""Make one variant: `python -m tests.variants NAME RUN TARGET`."""

import sys
from pathlib import Path

from tests.variants import VARIANTS

if len(sys.argv) != 4 or sys.argv[1] not in VARIANTS:
    sys.exit(f"{__doc__} NAME is one of: {', '.join(VARIANTS)}")
Path(sys.argv[3]).mkdir(parents=True, exist_ok=True)
VARIANTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
