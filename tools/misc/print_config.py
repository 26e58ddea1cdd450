"""The command ``mmvmr print-config``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='print-config')
