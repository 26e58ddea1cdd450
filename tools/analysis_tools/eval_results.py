"""The command ``mmvmr score``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='score')
