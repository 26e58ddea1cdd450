"""The command ``mmvmr pack``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='pack')
