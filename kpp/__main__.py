"""`python -m kpp` is `kpp`."""

from kpp.cli.main import main

main()
