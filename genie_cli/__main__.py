"""`python -m genie_cli`."""

import sys

from .start import main

sys.exit(main())
