"""The command ``mmvmr extract``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='extract')
