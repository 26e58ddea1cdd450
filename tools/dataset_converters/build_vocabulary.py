"""The command ``mmvmr vocabulary``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='vocabulary')
