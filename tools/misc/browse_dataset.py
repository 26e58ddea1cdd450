"""The command ``mmvmr browse-dataset``."""
from mmvmr.cli import main

if __name__ == '__main__':
    main(command='browse-dataset')
