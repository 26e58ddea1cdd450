"""The command ``mmvmr search``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='search')
