"""The command ``mmvmr verify``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='verify')
