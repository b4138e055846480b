"""Everything behind `make`: installs the tools, builds, runs the local AWS, deploys to it and checks.

`start.py` is the only file that runs outside the pinned virtual environment.
"""
