"""What all runs share: hooks, logging, processes, seed."""
default_scope = 'mmvmr'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # docs/train_and_test.md has what was measured of rules that choose an epoch; 'mIoU' would spend timestamps
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=3, save_best=None, rule='greater'),
    mean=dict(type='MeanOfEpochsHook', last=3),  # what is tested
    sampler_seed=dict(type='DistSamplerSeedHook'),
    check_fit=dict(type='CheckFitHook'),
    progress=dict(type='ProgressHook'),
    reseed=dict(type='ReseedHook'),
    resident=dict(type='ResidentFeaturesHook'),
    input_recipe=dict(type='InputRecipeHook'),
    non_finite=dict(type='NonFiniteHook'),
    sigterm=dict(type='SaveOnSigtermHook'))

env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
model_wrapper_cfg = dict(type='mmvmr.MomentDistributedDataParallel')
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
visualizer = dict(type='MomentVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
