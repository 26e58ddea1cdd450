"""Charades-STA, protocol "official" (12,408 / 3,720 pairs); otherwise as in charades_sta.py."""
_base_ = 'charades_sta.py'

train_dataloader = dict(dataset=dict(protocol='official'))
val_dataloader = dict(dataset=dict(protocol='official'))
test_dataloader = dict(dataset=dict(protocol='official'))
test_evaluator = dict(train_set=dict(protocol='official'))
