"""Charades-STA, protocol "official" (12,408 / 3,720 pairs); otherwise as in charades_sta.py."""
_base_ = 'charades_sta.py'

dataset = dict(protocol='official')
