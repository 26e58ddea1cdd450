"""The command ``mmvmr benchmark``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='benchmark')
