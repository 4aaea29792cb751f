"""`python -m genie_cli`."""

import sys

from genie_cli.start import main

sys.exit(main())
