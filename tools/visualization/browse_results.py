"""The command ``mmvmr browse``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='browse')
