"""The command ``mmvmr reproduce``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='reproduce')
