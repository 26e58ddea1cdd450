"""N processes with B / N pairs each compute what one process with B pairs does."""
import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from parts import CNM, METHODS, MSCL, make_batch
from runs import write_config
from tiny import make_tiny_dataset
from torch import nn

from mmvmr.engine.alternating import AlternatingConstructor
from mmvmr.engine.launch import end_processes, read_config
from mmvmr.engine.wrappers import MomentDistributedDataParallel
from mmvmr.evaluation.moment_recall import MomentRecall
from mmvmr.evaluation.reconstruction_margin import ReconstructionMargin
from mmvmr.registry import MODELS
from mmvmr.structures import Batch

SGD = dict(optimizer=dict(type='SGD', lr=0.01))
ROUNDING = dict(rtol=2e-6, atol=1e-6)  # of sums in another order, through three steps
# more mismatched queries than there are pairs: they go round the batch
MANY = copy.deepcopy(MSCL)
MANY['proposal_generator']['num_mismatched'] = 11
MIXTURE = dict(MSCL, reconstructors=CNM['reconstructors'], negatives=CNM['negatives'], encoder=CNM['encoder'],
               losses=dict(MSCL['losses'], **CNM['losses']))
CASES = dict(METHODS, mscl_many=MANY, mscl_cnm=MIXTURE, cnm_in_turn=CNM)


def _pairs(rows: slice) -> Batch:
    """Some of eight pairs; their queries are padded to the longest of them. Several pairs are of one video."""
    batch = make_batch(lengths=(5, 3, 4, 9, 2, 2, 7, 3))._replace(video_ids=torch.tensor([4, 4, 1, 0, 4, 2, 2, 9]))
    query = batch.query
    longest = int(query.mask[rows].sum(dim=1).max())
    query = query._replace(**{name: getattr(query, name)[rows, :longest] for name in query._fields[:4]})
    return Batch(batch.video[rows], query._replace(features=query.features.double()), batch.video_ids[rows])


def _train(case: str, rows: slice, wrap=lambda model: model) -> dict:
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


def _evaluate(config: Config) -> dict:
    """Metrics of an untrained model on ten pairs in batches of three, to the last bit."""
    torch.manual_seed(0)
    model = MODELS.build(config.model).eval()
    with DefaultScope.overwrite_default_scope('mmvmr'):
        loader = Runner.build_dataloader(dict(config.test_dataloader, batch_size=3))
    metrics = [MomentRecall(out_file=f'{config.work_dir}/{get_world_size()}.jsonl'), ReconstructionMargin()]
    for batch in loader:
        for metric in metrics:
            metric.process(batch, [sample.to_dict() for sample in model.val_step(batch)])
    return {name: value for metric in metrics for name, value in metric.evaluate(len(loader.dataset)).items()}


def _run_in_process(rank: int, world_size: int, folder: str, config: Config) -> None:
    torch.distributed.init_process_group('gloo', f'file://{folder}/rendezvous', rank=rank, world_size=world_size)
    for case in CASES:
        found = _train(case, slice(rank, None, world_size),
                       lambda model: MomentDistributedDataParallel(model, device_ids=[rank]))
        torch.save(found, f'{folder}/{case}_{rank}.pth')
    torch.save(_evaluate(config), f'{folder}/metrics_{rank}.pth')
    end_processes()


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp('evaluation')
    data = make_tiny_dataset(folder / 'tiny', test=5)
    return read_config(write_config(folder / 'config.py', data, 'cpl'), work_dir=str(folder))


@pytest.fixture(scope='module', params=[2, 4])
def folder(request, tmp_path_factory, config) -> Path:
    """What each of several processes has found."""
    folder = tmp_path_factory.mktemp(f'{request.param}_processes')
    torch.multiprocessing.start_processes(_run_in_process, (request.param, str(folder), config), nprocs=request.param,
                                          start_method='fork')
    return folder


@pytest.mark.parametrize('case', CASES)
def test_losses_and_weights_are_those_of_one_process(case, folder):
    one, several = _train(case, slice(None)), [torch.load(path) for path in sorted(folder.glob(f'{case}_[0-9].pth'))]
    assert len(several) in (2, 4)
    for found in several:
        torch.testing.assert_close(found, one, **ROUNDING)


def test_metrics_and_predictions_are_those_of_one_process_to_the_last_bit(folder, config):
    one = _evaluate(config)
    found = [torch.load(path) for path in folder.glob('metrics_[0-9].pth')]
    assert set(one) >= {'mIoU', 'reconstruction_margin'} and found == [one] * len(found)
    files = [Path(config.work_dir, f'{count}.jsonl').read_text() for count in (1, len(found))]
    assert files[0] == files[1] and files[0].count('\n') == 10
