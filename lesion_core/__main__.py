"""`python -m lesion_core`."""

from lesion_core.cli import main

main()
