"""The command ``mmvmr publish``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='publish')
