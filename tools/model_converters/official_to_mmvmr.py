"""Convert a checkpoint of the authors' code of CNM or CPL, and write the config that goes with it.

    python tools/model_converters/official_to_mmvmr.py cpl model-best.pt checkpoints/cpl_charades.pth

writes checkpoints/cpl_charades.pth and checkpoints/cpl_charades.py, ready for

    python tools/test.py checkpoints/cpl_charades.py checkpoints/cpl_charades.pth

The data set, with its features, is that of the checkpoint; --data takes any other file of configs/_base_/datasets.
"""
import argparse
import inspect
import re
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor

from mmvmr.cli.launch import friendly_errors
from mmvmr.engine.checkpoint import load_checkpoint
from mmvmr.registry import MODELS
from mmvmr.utils.files import write_text, written_aside

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / '_base_'
DATASETS = {('CharadesSTA', 1024): 'charades_sta', ('ActivityNet', 500): 'activitynet_c3d',
            ('ActivityNet', 512): 'activitynet_clip'}

CLASSIFIER = dict(cnm='fc_rec', cpl='fc_comp')
HEAD = dict(cnm='fc_mask_gen', cpl='fc_gauss')
NAMES = [  # ours (a pattern) -> theirs; the generator and the reconstructor share what follows `trans`
    (r'^encoder\.video_projection\.', 'frame_fc.'),
    (r'^encoder\.word_projection\.', 'word_fc.'),
    (r'^encoder\.start$', 'start_vec'),
    (r'^encoder\.blank$', 'mask_vec'),
    (r'^encoder\.readout$', 'pred_vec'),
    (r'^(proposal_generator|reconstructors\.query)\.transformer\.', 'trans.'),
    (r'\.video_layers\.', '.decoder1.decoder_layers.'),
    (r'\.word_layers\.', '.decoder2.decoder_layers.'),
    (r'\.self_attention\.', '.self_attn.'),
    (r'\.memory_attention\.', '.encoder_attn.'),
    (r'\.self_norm\.', '.self_attn_layer_norm.'),
    (r'\.memory_norm\.', '.encoder_attn_layer_norm.'),
    (r'\.norm\.', '.final_layer_norm.'),
    (r'\.expand\.', '.fc1.'),
    (r'\.contract\.', '.fc2.')]


def official_name(name: str, method: str) -> str:
    """What the authors call the weight that mmvmr calls ``name``."""
    name = re.sub(r'^reconstructors\.query\.classifier\.', f'{CLASSIFIER[method]}.', name)
    name = re.sub(r'^proposal_generator\.head\.', f'{HEAD[method]}.', name)
    for ours, theirs in NAMES:
        name = re.sub(ours, theirs, name)
    return name


def read_official(path: Path, method: str) -> Tuple[Dict[str, Tensor], dict, int]:
    """The weights, the config and the number of updates of a checkpoint of the authors' code.

    Raises:
        ValueError: If it would run code, is damaged, or is not a checkpoint of this method.
    """
    checkpoint = load_checkpoint(path)
    absent = [key for key in ('model_parameters', 'config') if not isinstance(checkpoint.get(key), dict)]
    if absent:
        raise ValueError(f'"{path}" is no checkpoint of the code of CNM or CPL: it has no {" and no ".join(absent)}, '
                         f'but {", ".join(map(str, list(checkpoint)[:8]))}. Checkpoints of mmvmr need no conversion.')
    name = str(checkpoint['config'].get('model', {}).get('name'))
    if name.lower() != method:
        raise ValueError(f'"{path}" is a checkpoint of the model "{name}", not of {method.upper()}.')
    return checkpoint['model_parameters'], checkpoint['config'], int(checkpoint.get('num_updates', 0))


def convert_weights(parameters: Dict[str, Tensor], model: torch.nn.Module, method: str) -> Dict[str, Tensor]:
    """The authors' weights under the names of ``model``.

    Raises:
        ValueError: If weights are missing, unknown or of another shape; the message gives the authors' names.
    """
    wanted = model.state_dict()
    names = {ours: official_name(ours, method) for ours in wanted}
    problems = []
    for title, found in (('missing', set(names.values()) - set(parameters)),
                         ('unknown', set(parameters) - set(names.values()))):
        if found:
            problems.append(f'{len(found)} weights are {title}: {", ".join(sorted(found)[:5])}')
    problems += [f'{theirs} has shape {tuple(parameters[theirs].shape)} instead of {tuple(wanted[ours].shape)}'
                 for ours, theirs in names.items()
                 if theirs in parameters and parameters[theirs].shape != wanted[ours].shape]
    if problems:
        raise ValueError(f'The weights are not those of {method.upper()} as its config describes it: '
                         f'{"; ".join(problems[:4])}.')
    return {ours: parameters[theirs].float() for ours, theirs in names.items()}


def model_config(method: str, config: dict, parameters: Dict[str, Tensor]) -> dict:
    """The model of mmvmr that computes what the authors' model does; sizes are read from the weights."""
    model, loss, transformer = config['model']['config'], config['loss'], _transformer(config)
    dim, num_clips = model['hidden_size'], config['dataset']['max_num_frames'] // 4
    generator = dict(type='GaussianProposalGenerator', dim=dim, transformer=transformer, num_clips=num_clips)
    reconstructor = dict(
        type='MaskedQueryReconstructor', dim=dim, vocab_size=len(parameters[f'{CLASSIFIER[method]}.bias']),
        transformer=transformer, end_token='if_padded')
    built = dict(
        type='MomentRetriever',
        encoder=dict(type='LinearEncoder', video_dim=parameters['frame_fc.weight'].size(1),
                     word_dim=parameters['word_fc.weight'].size(1), dim=dim, dropout=model['dropout'],
                     readout=method == 'cpl'),
        proposal_generator=generator, reconstructors=dict(query=reconstructor), tie_transformers=True)
    return dict(built, **(_cnm if method == 'cnm' else _cpl)(generator, model, loss))


def _transformer(config: dict) -> dict:
    given = config['model']['config']['DualTransformer']
    if given['num_decoder_layers1'] != given['num_decoder_layers2']:
        raise ValueError(f'The stacks have {given["num_decoder_layers1"]} and {given["num_decoder_layers2"]} layers; a '
                         'DualTransformer has equally many in both.')
    return dict(type='DualTransformer', dim=given['d_model'], num_heads=given['num_heads'],
                num_layers=given['num_decoder_layers1'], dropout=given['dropout'])


def _cnm(generator: dict, model: dict, loss: dict) -> dict:
    generator = dict(generator, sigma=(2 * model['alpha'])**0.5, max_width=model.get('max_width', 1),
                     min_mask_width=0.1, peak_normalized=False)
    return dict(
        proposal_generator=generator,
        negatives=dict(easy=dict(type='Complement'), hard=dict(type='WholeVideo')),
        losses=dict(reconstruction=dict(type='ReconstructionLoss', references=['hard']),
                    ranking=dict(type='RankingLoss', margins=dict(hard=loss['beta_1'], easy=loss['beta_2']))))


def _cpl(generator: dict, model: dict, loss: dict) -> dict:
    side = dict(type='Side', sigma=model['sigma'], gamma=model['gamma'])
    margins = dict(hard=loss['margin_1'], left=loss['margin_2'], right=loss['margin_2'])
    return dict(
        proposal_generator=dict(generator, num_proposals=model['num_props'], sigma=model['sigma']),
        negatives=dict(left=dict(side, side='left'), right=dict(side, side='right'), hard=dict(type='WholeVideo')),
        losses=dict(
            reconstruction=dict(type='ReconstructionLoss', references=['hard'], loss_weight=0.5),
            ranking=dict(type='RankingLoss', margins=margins, loss_weight=loss['alpha_1']),
            diversity=dict(type='DiversityLoss', target=loss['lambda'], loss_weight=loss['alpha_2'])),
        ranker=dict(type='ReconstructionRanker'))


def schedule_config(method: str, train: dict) -> dict:
    """The authors' optimizers, one for CPL and two in turn for CNM, and their warm-up."""
    given = train['optimizer' if method == 'cpl' else 'generator']
    adam = dict(optimizer=dict(type='Adam', lr=given['lr'], weight_decay=given['weight_decay']),
                clip_grad=dict(max_norm=10))
    optimizers = dict(type='OptimWrapper', **adam) if method == 'cpl' else dict(
        constructor='AlternatingConstructor', reconstruction=adam,
        ranking=dict(modules=['proposal_generator.head'], **adam))
    warmup = dict(warmup=given['warmup_updates'], warmup_start=given['warmup_init_lr'])
    return dict(optim_wrapper=optimizers, param_scheduler=[dict(type='InverseSquareRootLR', **warmup)])


def full_config(method: str, official: dict, parameters: Dict[str, Tensor], data: Optional[Path]) -> Config:
    """A config that needs no other file: data, schedule and runtime of mmvmr, everything else of the authors' file."""
    given, train = official['dataset'], official['train']
    if data is None:
        key = (given['dataset'], given['frame_dim'])
        if key not in DATASETS:
            raise ValueError(f'The checkpoint is for {key[0]} with features of {key[1]} dimensions; no file of '
                             f'{CONFIGS / "datasets"} is. Pass one that is with --data.')
        data = CONFIGS / 'datasets' / f'{DATASETS[key]}.py'
    config = Config.fromfile(data)
    for file in (CONFIGS / 'schedules' / 'inverse_sqrt.py', CONFIGS / 'default_runtime.py'):
        config.merge_from_dict(Config.fromfile(file).to_dict())
    config.merge_from_dict(dict(
        train_cfg=dict(max_epochs=train['max_num_epochs']), model=model_config(method, official, parameters),
        **schedule_config(method, train)))
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].batch_size = train['batch_size']  # the end of a query counts as in the authors' batches
        config[loader].dataset.update(num_clips=given['max_num_frames'], max_words=given['max_num_words'])
    # the rest are helper variables of the files that were read
    known = {*inspect.signature(Runner).parameters, 'model_wrapper_cfg', 'custom_imports'}
    return Config({key: value for key, value in config.items() if key in known})


def write(target: Path, checkpoint: dict, config: Config, source: str) -> None:
    """Write the weights and, beside them, the config; each file is either whole or not there."""
    with written_aside(target) as partial:
        torch.save(checkpoint, partial)
        text = f'"""Made from {source} by official_to_mmvmr.py."""\n{config.pretty_text}'
        write_text(target.with_suffix('.py'), text)


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('method', choices=['cnm', 'cpl'], help="whose authors' code wrote the checkpoint")
    parser.add_argument('source', type=Path, help='checkpoint of that code')
    parser.add_argument('target', type=Path, help='file to write, .pth; the config goes beside it, .py')
    parser.add_argument('--data', type=Path, help='config of the data set, like those in configs/_base_/datasets')
    parser.add_argument('--force', action='store_true', help='replace files that are there')
    return parser.parse_args(argv)


@friendly_errors
def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    if args.target.suffix != '.pth':
        raise ValueError(f'The target is a .pth file, got "{args.target}".')
    there = [str(path) for path in (args.target, args.target.with_suffix('.py')) if path.exists()]
    if there and not args.force:
        raise FileExistsError(f'{" and ".join(there)} would be replaced. Choose another target, or pass --force.')
    parameters, official, updates = read_official(args.source, args.method)
    try:
        config = full_config(args.method, official, parameters, args.data)
    except KeyError as error:
        raise ValueError(f'"{args.source}" lacks {error}, which checkpoints of {args.method.upper()} have.') from error
    init_default_scope('mmvmr')
    state = convert_weights(parameters, MODELS.build(config.model.to_dict()), args.method)
    write(args.target, dict(meta=dict(source=args.source.name, updates=updates), state_dict=state), config,
          args.source.name)
    size = config.model.reconstructors.query.vocab_size - 1
    print(f'{args.target} and {args.target.with_suffix(".py")} are written. The words must be numbered as in training: '
          f'tools/dataset_converters/build_vocabulary.py, with the glove.pkl of the authors and --size {size}.')


if __name__ == '__main__':
    main()
