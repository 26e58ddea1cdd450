"""What one process, and each of several, computes of a batch, for every method."""
import copy
from pathlib import Path

import torch
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from parts import CNM, CPL, METHODS, MSCL, make_batch
from torch import nn

from mmvmr.engine.distributed import MomentDistributedDataParallel, end_processes
from mmvmr.engine.optim.alternating import AlternatingConstructor
from mmvmr.engine.run.config import read_config
from mmvmr.engine.run.runner import MomentRunner
from mmvmr.evaluation.moment_recall import MomentRecall
from mmvmr.evaluation.reconstruction_margin import ReconstructionMargin
from mmvmr.registry import MODELS
from mmvmr.structures import Batch

SGD = dict(optimizer=dict(type='SGD', lr=0.01))
# more mismatched queries than there are pairs: they go round the batch
MANY = copy.deepcopy(MSCL)
MANY['proposal_generator']['num_mismatched'] = 11
MIXTURE = dict(MSCL, reconstructors=CNM['reconstructors'], negatives=CNM['negatives'], encoder=CNM['encoder'],
               losses=dict(MSCL['losses'], **CNM['losses']))
VOTE = dict(CPL, combiner=dict(type='KeepDeleteScan'), ranker=dict(type='ScoreRanker'),
            advisers=dict(frames=dict(MSCL, type='MomentRetriever')), merger=dict(type='CurveVoteMerger'))
CASES = dict(METHODS, mscl_many=MANY, mscl_cnm=MIXTURE, cnm_in_turn=CNM, vote=VOTE)


def _pairs(rows: slice) -> Batch:
    """Some of eight pairs; their queries are padded to the longest of them. Several pairs are of one video."""
    batch = make_batch(lengths=(5, 3, 4, 9, 2, 2, 7, 3))._replace(video_ids=torch.tensor([4, 4, 1, 0, 4, 2, 2, 9]))
    query = batch.query
    longest = int(query.mask[rows].sum(dim=1).max())
    query = query._replace(**{name: getattr(query, name)[rows, :longest] for name in query._fields[:4]})
    return Batch(batch.video[rows], query._replace(features=query.features.double()), batch.video_ids[rows])


def train_case(case: str, rows: slice, wrap=lambda model: model) -> dict:
    """Three steps without dropout: the losses of each, and the weights at the end."""
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(CASES[case])).double().train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if case == 'cnm_in_turn':
        optim = AlternatingConstructor(dict(reconstruction=SGD, ranking=dict(SGD, modules=['proposal_generator.head'])))
        optim = optim(model)
    else:
        optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    wrapped = wrap(model)
    losses = [wrapped.train_step(dict(inputs=_pairs(rows)), optim) for _ in range(3)]
    return dict(losses=[{name: value.detach().float() for name, value in log.items()} for log in losses],
                weights=model.state_dict())


def evaluate(file: Path) -> dict:
    """Metrics of an untrained model on ten pairs in batches of three; predictions go beside the config."""
    torch.manual_seed(0)
    config = read_config(file)
    model = MODELS.build(config.model).eval()
    with DefaultScope.overwrite_default_scope('mmvmr'):
        loader = MomentRunner.build_dataloader(dict(config.test_dataloader, batch_size=3))
    metrics = [MomentRecall(out_file=f'{file.parent}/{get_world_size()}.jsonl'), ReconstructionMargin()]
    for batch in loader:
        for metric in metrics:
            metric.process(batch, [sample.to_dict() for sample in model.val_step(batch)])
    return {name: value for metric in metrics for name, value in metric.evaluate(len(loader.dataset)).items()}


def run_in_process(rank: int, world_size: int, folder: Path, file: Path) -> None:
    """Write what one of several processes finds for each case, and in the evaluation."""
    torch.distributed.init_process_group('gloo', f'file://{folder}/rendezvous', rank=rank, world_size=world_size)
    for case in CASES:
        found = train_case(case, slice(rank, None, world_size),
                           lambda model: MomentDistributedDataParallel(model, device_ids=[rank]))
        torch.save(found, f'{folder}/{case}_{rank}.pth')
    torch.save(evaluate(file), f'{folder}/metrics_{rank}.pth')
    end_processes()
