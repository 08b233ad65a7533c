"""`python -m clarion.entrypoints.cli`: how the supervisor starts its children, whatever is on the PATH.

The commands are in the package itself.
"""

from clarion.entrypoints.cli import main

main()
