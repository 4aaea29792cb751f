"""`python -m genie_cli`."""

import sys

from .app import main

sys.exit(main())
