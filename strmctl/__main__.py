"""`python -m strmctl` is the same command as `strmctl`."""

from strmctl.cli.main import main

if __name__ == "__main__":
    main()
