"""Linear warm-up over 400 updates, then the inverse square root: the schedule of CNM and CPL (released configs)."""
param_scheduler = [dict(type='InverseSquareRootLR', warmup=400, warmup_start=1e-7)]

train_cfg = dict(type='ResumableTrainLoop', max_epochs=30, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
