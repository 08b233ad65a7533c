"""`python -m clarion.entrypoints.cli`: how the supervisor starts its children, whatever is on the PATH."""

from clarion.entrypoints.cli import main

main()
