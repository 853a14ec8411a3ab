"""`python -m lesion_core`."""

from lesion_core.cli.main import main

main()
